"""`python -m benchmarks.reliability.many`: two hundred models behind a budget for twenty."""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from tests import models
from tests.processes import Running, children, server, until

from benchmarks.reliability.stand import none, options, quantile, shown
from benchmarks.report import Part, Promise

_MIB = 1 << 20
_ROOM = 1.1
_MORE = 90
"""MiB that a server keeps for its processes beyond what they have before the first call."""


def heavy(repository: Path, name: str, mib: int) -> None:
    """A model that answers its input plus what lies at place 0 of a table of so many MiB."""
    table = np.zeros(mib * _MIB // 4, np.float32)
    signature = models.Signature(
        (models.spec("x", "FP32", (-1, 1)),), (models.spec("y", "FP32", (-1, 1), role="value"),)
    )
    nodes = [models.node("Gather", "table zero", "first"), models.node("Add", "x first", "y")]
    held: dict[str, Any] = {"table": table, "zero": np.array([0], np.int64)}
    models.commit(repository, name, signature, nodes, held, example={"x": 1.0})


def resident(running: Running) -> int:
    """Bytes of memory of all processes of a server."""
    found = 0
    for process in (running.process.pid, *children(running.process.pid)):
        try:
            found += int(Path(f"/proc/{process}/statm").read_text().split()[1]) * 4096
        except OSError:
            continue
    return found


def _value(told: Any) -> float:
    """What was predicted for the one row."""
    (row,) = told["predictions"]
    return row["value"] if isinstance(row, dict) else row


def many(count: int, at_once: int, mib: int, calls: int, seed: int) -> Part:
    """Calls at models by chance, a few of them often and most of them seldom."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="fairlead-many-") as place:
        folder = Path(place)
        for number in range(count):
            heavy(folder / "models", f"m{number}", mib)
        lazy = {"FAIRLEAD_MODELS__LOAD": "lazy"}
        with server(folder / "models", state=folder / "a", workers=1, environ=lazy) as running:
            until(running.ready)
            bare = resident(running)
        budget = bare // _MIB + _MORE + at_once * (mib + 2)
        environ = {"FAIRLEAD_MODELS__MEMORY": f"{budget}MiB", **lazy}
        with server(folder / "models", state=folder / "b", workers=1, environ=environ) as running:
            until(running.ready)
            failed, waits, most = 0, list[float](), 0
            for _ in range(calls):
                name = f"m{min(count - 1, int(chance.paretovariate(0.5)) - 1)}"
                began = time.perf_counter()
                status, told, _ = running.asked(f"/predict/{name}", body={"x": 2.0})
                waits.append(time.perf_counter() - began)
                failed += status != 200 or _value(told) != 2.0
                most = max(most, resident(running))
            slept = len(running.events("put_to_sleep"))
            loads = len(running.events("ready"))
    lines = [
        f"{count} models of {mib} MiB, a budget of {budget} MiB (the server alone takes "
        f"{bare // _MIB}), {calls} calls, seed {seed}: {loads} loads, {slept} times a model "
        f"slept for another; p50 {1e3 * quantile(waits, 0.5):.1f} ms, p99 "
        f"{1e3 * quantile(waits, 0.99):.1f} ms with loading; {most // _MIB} MiB at most."
    ]
    return Part("Many models in little memory", lines, {}, [
        none("calls that failed or were answered wrongly", failed, calls),
        Promise("memory of all processes, times the budget", _ROOM, most / _MIB / budget,
                f"{most / _MIB / budget:.2f}", most=True),
        Promise("models that slept for another", 1, slept, str(slept)),
    ])  # fmt: skip


def main() -> int:
    """Runs it."""
    given = options(__doc__ or "", models=200, room=20, mib=4, calls=2000)
    return shown([many(given.models, given.room, given.mib, given.calls, given.seed)])


if __name__ == "__main__":
    sys.exit(main())
