"""A version loaded in a process of its own, in which its executions are tried one after the other.

The process is as a worker of a server: one thread for numpy's products, and nothing loaded before.
It reads a trial a line and answers a line, until nobody asks any more.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from fairlead.core.errors import FairleadError, LoadFailed
from fairlead.costs.searching import Place
from fairlead.packages.read import open_package, verify
from fairlead.profiling.processes import below
from fairlead.serving.exchange import error_of, error_to_json

_END_S = 10.0


@dataclass(frozen=True, slots=True)
class Version:
    """What is loaded. isolated: the settings keep it in a runner. rows: a file that it is asked
    with, "" for its own example."""

    name: str
    version: int
    folder: str
    isolated: bool = False
    rows: str = ""


class Executing:
    """The process, seen from outside. It starts when it is asked first."""

    def __init__(self, version: Version) -> None:
        self._version = version
        self._process: subprocess.Popen[str] | None = None
        self._facts: dict[str, Any] = {}

    def __enter__(self) -> Executing:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.close()
            process.wait(_END_S)
        except (subprocess.TimeoutExpired, OSError):
            process.kill()
            process.wait()
        process.stdout.close()

    @property
    def processes(self) -> list[int]:
        """The process, and the runner below it; [] before it has started."""
        number = self._process.pid if self._process is not None else 0
        return [number, *below(number)] if number else []

    def loaded(self) -> dict[str, Any]:
        """What loading took, and how a server would run it. Raises what loading raises."""
        self._begin()
        return self._facts

    def execute(self, place: Place, seconds: float, bar: float) -> dict[str, Any]:
        """One trial. Raises what the model raises, and LoadFailed where the process dies."""
        process = self._begin()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps([place, seconds, bar]) + "\n")
            process.stdin.flush()
        except OSError:
            raise self._died() from None
        return self._heard(process)

    def _begin(self) -> subprocess.Popen[str]:
        from fairlead.assembly.server import one_thread_each

        if self._process is None:
            job = json.dumps(asdict(self._version))
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "fairlead.assembly.profile_process", job],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=one_thread_each(),
            )
            self._facts = self._heard(self._process)
        return self._process

    def _heard(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            told: dict[str, Any] = json.loads(line)
        except ValueError:
            raise self._died() from None
        if "error" in told:
            raise error_of(told["error"])
        return told

    def _died(self) -> LoadFailed:
        return LoadFailed(
            "the process that measured it died",
            where=f"{self._version.name} version {self._version.version}",
            fix="Keep it in a runner: isolate = [NAME] under [models] of fairlead.toml",
        )


def main(arguments: Sequence[str]) -> int:
    """Loads the version that the only argument tells of, and tries what it is asked to."""
    from fairlead.serving.log import configure

    version = Version(**json.loads(arguments[0]))
    configure("error", "text")
    try:
        with tempfile.TemporaryDirectory(prefix="fairlead-profile-") as homes:
            _serve(version, Path(homes) / "runners")
    except FairleadError as error:
        _say({"error": error_to_json(error)})
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        _say({"error": error_to_json(LoadFailed(f"{type(error).__name__}: {error}"[:400]))})
    return 0


def _serve(version: Version, homes: Path) -> None:
    from fairlead.assembly.runtimes import runtimes
    from fairlead.profiling.asking import spent
    from fairlead.profiling.executions import execute
    from fairlead.profiling.opening import opened
    from fairlead.runtimes.onnx import library

    package = replace(
        open_package(Path(version.folder)), name=version.name, version=version.version
    )
    package = replace(package, isolated=package.isolated or version.isolated)
    verify(package)
    if package.runtime == "onnx":
        library()  # tens of MiB and a second that no model is to blame for
    rows = Path(version.rows) if version.rows else None
    with opened(package, runtimes(homes), rows) as (asking, model, facts):
        _say(facts)
        for line in sys.stdin:
            place, seconds, bar = json.loads(line)
            found = execute(
                asking.ask,
                tuple(place),
                seconds,
                bar=bar,
                spent=lambda: spent(model),
                begin=getattr(model, "guard", None),
            )
            _say(asdict(found))


def _say(told: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
