"""`python -m benchmarks.costs.profile_time`: how long `fairlead profile` takes of small models."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.costs.small import MODELS
from benchmarks.reliability.stand import options, shown
from benchmarks.report import Part, Promise

_LIMIT_S = 60.0


def run(budget: float) -> list[Part]:
    """Each model once, as a command line runs it."""
    took = {name: _one(make(), budget) for name, make in MODELS.items()}
    lines = [f"{name:<10} {seconds:5.1f} s" for name, seconds in took.items()]
    longest = max(took.values())
    text = "seconds of the longest profile of a small model"
    promise = Promise(text, _LIMIT_S, longest, f"{longest:.1f} s", most=True)
    return [Part(f"fairlead profile --budget {budget:g}", lines, {"seconds": took}, [promise])]


def _one(package: Path, budget: float) -> float:
    with tempfile.TemporaryDirectory(prefix="fairlead-profile-time-") as state:
        command = [sys.executable, "-m", "fairlead", "profile", str(package), "--quiet"]
        began = time.perf_counter()
        subprocess.run(
            [*command, "--state", state, "--budget", str(budget)], check=True, capture_output=True
        )
        return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(shown(run(options(__doc__ or "", budget=60.0).budget)))
