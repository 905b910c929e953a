"""Measuring a version in a process of its own, so that a model that kills it kills nothing else.

The process is as one of a server: one thread for numpy's products, and nothing loaded before.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from fairlead.core.errors import FairleadError, LoadFailed
from fairlead.packages.read import open_package, verify
from fairlead.packages.repository import Found
from fairlead.profiling.measuring import measure
from fairlead.readiness.facts import Lighter, Measured
from fairlead.serving.exchange import error_of, error_to_json

_PATIENCE_S = 180.0


def tried(found: Found, *, isolated: bool = False) -> Measured:
    """What a version does here. isolated: the settings keep it in a runner.

    Raises PackageInvalid for a package that is not whole, and LoadFailed.
    """
    from fairlead.assembly.server import one_thread_each

    where = f"{found.name} version {found.version}"
    job = {"name": found.name, "version": found.version, "isolated": isolated}
    job["folder"] = str(found.folder.resolve())
    command = [sys.executable, "-P", "-m", "fairlead.assembly.trial", json.dumps(job)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_S,
            env=one_thread_each(),
        )
        told: Mapping[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise LoadFailed(f"it was not measured in {_PATIENCE_S:.0f} s", where=where) from None
    except (OSError, ValueError):
        raise LoadFailed(
            "the process that measured it died",
            where=where,
            fix="Keep it in a runner: isolate = [NAME] under [models] of fairlead.toml",
        ) from None
    if "error" in told:
        raise error_of(told["error"])
    measured: dict[str, Any] = told["measured"]
    measured["strange"] = tuple(measured["strange"])
    if measured["lighter"] is not None:
        measured["lighter"] = Lighter(**measured["lighter"])
    return Measured(**measured)


def main(arguments: Sequence[str]) -> int:
    """Measures the version that the only argument tells of, and says what was found."""
    from fairlead.assembly.runtimes import runtimes
    from fairlead.profiling.lighter import with_lighter
    from fairlead.runtimes.onnx import library
    from fairlead.serving.log import configure

    job: dict[str, Any] = json.loads(arguments[0])
    configure("error", "text")
    try:
        package = replace(open_package(Path(job["folder"])), name=job["name"])
        package = replace(package, version=job["version"])
        package = replace(package, isolated=package.isolated or job["isolated"])
        verify(package)
        if package.runtime == "onnx":
            library()
        with tempfile.TemporaryDirectory(prefix="fairlead-check-") as homes:
            known = runtimes(Path(homes) / "runners")
            measured = with_lighter(package, measure(package, known), known)
        told: dict[str, Any] = {"measured": asdict(measured)}
    except FairleadError as error:
        told = {"error": error_to_json(error)}
    except Exception as error:
        told = {"error": error_to_json(LoadFailed(f"{type(error).__name__}: {error}"[:400]))}
    sys.stdout.write(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
