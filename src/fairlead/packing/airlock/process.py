"""Our side of the airlock: starts the locked-in process, waits, and says what came of it."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairlead.core.clock import now
from fairlead.core.errors import (
    AirlockFailed,
    AirlockWeak,
    ConversionFailed,
    FairleadError,
    MissingExtra,
    UnsafeFile,
    VersionDrift,
)
from fairlead.packing.airlock import results
from fairlead.packing.airlock.refused import printable
from fairlead.runtimes.runner import launch

_EXTRAS = {
    "scikit-learn": "sklearn",
    "joblib": "sklearn",
    "skl2onnx": "sklearn",
    "skops": "sklearn",
    "onnx": "onnx",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "catboost": "catboost",
    "torch": "torch",
    "onnxscript": "torch",
    "tensorflow": "tensorflow",
    "tf2onnx": "tensorflow",
    "pandas": "pandas",
}
"""Which extra of ours brings a library."""

_SAID_BYTES = 4000
_LOOK_S = 0.25
"""How often a running airlock is looked at."""


@dataclass(frozen=True, slots=True)
class Airlock:
    """How trained files are read.

    python: the interpreter that reads them, ours when "".
    allow:  dotted names that a pickle may hold beyond the built-in list.
    weak:   go on where the machine cannot cut the network.
    memory: bytes for itself; cpu_s: seconds of processor time; wall_s: seconds altogether;
    file_bytes: the largest file that may be written; disk_bytes: all of them together.
    """

    python: str = ""
    allow: tuple[str, ...] = ()
    weak: bool = False
    memory: int = 16 << 30
    cpu_s: int = 1800
    wall_s: float = 1800.0
    file_bytes: int = 8 << 30
    disk_bytes: int = 16 << 30

    def look(self, path: Path, kind: str = "pickle") -> dict[str, Any]:
        """What a pickle or skops file says of itself; none of its objects is made.

        See inert.look; "refused" is added: the names that neither we nor the owner allow.
        """
        job = {"action": "look", "format": kind, "path": str(path.absolute())}
        with tempfile.TemporaryDirectory(prefix="fairlead-look-") as folder:
            return self._run(job, Path(folder))

    def convert(self, job: Mapping[str, Any], out: Path) -> dict[str, Any]:
        """Reads job["path"] of job["format"] and converts it into `out` (converters/).

        Raises UnsafeFile, MissingExtra, VersionDrift, ConversionFailed, AirlockWeak,
        AirlockFailed.
        """
        facts = self._run({"action": "convert", **job}, out)
        results.check(facts, out)
        return facts

    def _run(self, job: dict[str, Any], out: Path) -> dict[str, Any]:
        scratch = out / "scratch"
        scratch.mkdir()
        read = [job["path"], *([job["rows"]] if job.get("rows") else [])]
        limits = {k: getattr(self, k) for k in ("weak", "memory", "cpu_s", "file_bytes")}
        told = {"allow": list(self.allow), **job, **limits, "read": read}
        told |= {"out": str(out), "scratch": str(scratch)}
        (out / "job.json").write_text(json.dumps(told))
        where = Path(job["path"]).name
        with tempfile.TemporaryFile() as said:
            status = self._wait(out, scratch, said)
            facts = results.read_facts(out)
            if facts is None:
                raise AirlockFailed(
                    f"the airlock's process ended without a result: {self._end(status, said)}",
                    where=where,
                    fix="The file exceeds the airlock's limits, or ends the process that reads it",
                )
        if "error" in facts:
            raise self._error(facts, where)
        return facts

    def _wait(self, out: Path, scratch: Path, said: Any) -> int:
        """Starts the process and waits for its end; returns its exit status."""
        try:
            process = launch.start(
                "fairlead.packing.airlock.child",
                [str(out / "job.json")],
                python=self.python,
                home=scratch,
                output=said,
            )
        except OSError as error:
            raise AirlockFailed(
                f"the interpreter cannot be started: {error.strerror}",
                where=self.python,
                fix="Give --python the path of a Python 3.10 or newer",
            ) from error
        end = now() + self.wall_s
        try:
            while True:
                try:
                    return process.wait(max(0.0, min(_LOOK_S, end - now())))
                except subprocess.TimeoutExpired:
                    self._check_bounds(out, said, end)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def _check_bounds(self, out: Path, said: Any, end: float) -> None:
        if now() >= end:
            raise AirlockFailed(f"the airlock did not finish within {self.wall_s:.0f} s")
        if results.held(out) + os.fstat(said.fileno()).st_size > self.disk_bytes:
            raise AirlockFailed(f"the airlock wrote more than {self.disk_bytes >> 20} MiB")

    def _end(self, status: int, said: Any) -> str:
        """Why it ended, as far as the system or its last words tell."""
        if status == -signal.SIGXCPU:
            return f"it used more than {self.cpu_s} s of processor time"
        if status == -signal.SIGKILL:
            return "it was ended by the system, which may be out of memory"
        if status < 0:
            return f"it crashed ({signal.Signals(-status).name})"
        return _last_line(said)

    def _error(self, facts: dict[str, Any], where: str) -> FairleadError:
        kind, what = facts["error"], str(facts["what"])
        if kind == "unsafe":
            return _unsafe(what, list(facts.get("names", ())), where)
        if kind == "weak":
            return AirlockWeak(
                what,
                where=where,
                fix="Pack it on Linux, or say --weak-airlock if you trust the file",
            )
        if kind == "extra":
            return self._missing(what, str(facts.get("library", "")))
        if kind == "drift":
            return VersionDrift(
                what,
                where=where,
                fix="Give --python the interpreter of an environment with that version",
            )
        if kind == "read":
            return AirlockFailed(what, where=where, fix="Check that the file is whole")
        return ConversionFailed(what, where=where)

    def _missing(self, what: str, library: str) -> MissingExtra:
        extra = _EXTRAS.get(library)
        # A file names modules as it likes, so a package of such a name is nobody's advice.
        known = extra or "==" in library
        own = "Install your own package that defines it in the environment that reads the file"
        if self.python:
            what, fix = f"{what} under {self.python}", f"Install {library} there" if known else own
        elif extra:
            fix = f"pip install 'fairlead[{extra}]'"
        else:
            fix = f"pip install {library}" if known else own
        return MissingExtra(what, fix=fix if library else None)


def _unsafe(what: str, names: list[str], where: str) -> UnsafeFile:
    if not names:
        return UnsafeFile(what, where=where)
    if len(names) > 1:
        listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        what = f"the file names objects that are not allowed: {listed}"
    flags = " ".join(f"--allow {shlex.quote(name)}" for name in names[:5])
    return UnsafeFile(
        what,
        where=where,
        fix=f"If you know them to be harmless, allow them: {flags}, or [airlock] allow in "
        "fairlead.toml; the file itself can never allow them",
    )


def _last_line(said: Any) -> str:
    said.seek(0, os.SEEK_END)
    said.seek(max(0, said.tell() - _SAID_BYTES))
    lines = said.read().decode(errors="replace").strip().splitlines()
    return printable(lines[-1], 300) if lines else "it said nothing"
