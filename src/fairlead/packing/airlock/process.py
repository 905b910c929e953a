"""Our side of the airlock: starts the locked-in process, waits, and says what came of it."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairlead.core.errors import (
    AirlockFailed,
    AirlockWeak,
    ConversionFailed,
    FairleadError,
    MissingExtra,
    UnsafeFile,
    VersionDrift,
)
from fairlead.runtimes.runner import launch

_EXTRAS = {
    "scikit-learn": "sklearn",
    "joblib": "sklearn",
    "skl2onnx": "sklearn",
    "skops": "sklearn",
    "onnx": "onnx",
    "onnxmltools": "xgboost",
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


@dataclass(frozen=True, slots=True)
class Airlock:
    """How trained files are read.

    python: the interpreter that reads them, ours when "".
    allow:  dotted names that a pickle may hold beyond the built-in list.
    weak:   go on where the machine cannot cut the network.
    memory: bytes of address space; cpu_s: seconds of processor time; wall_s: seconds altogether;
    file_bytes: the largest file that may be written.
    """

    python: str = ""
    allow: tuple[str, ...] = ()
    weak: bool = False
    memory: int = 16 << 30
    cpu_s: int = 1800
    wall_s: float = 1800.0
    file_bytes: int = 8 << 30

    def look(self, path: Path) -> dict[str, Any]:
        """What a pickle says of itself; none of its objects is made (airlock/inert.py)."""
        with tempfile.TemporaryDirectory(prefix="fairlead-look-") as folder:
            return self._run(
                {"action": "look", "format": "pickle", "path": str(path.absolute())}, Path(folder)
            )

    def convert(self, job: Mapping[str, Any], out: Path) -> dict[str, Any]:
        """Reads job["path"] of job["format"] and converts it into `out` (converters/).

        Raises UnsafeFile, MissingExtra, VersionDrift, ConversionFailed, AirlockWeak,
        AirlockFailed.
        """
        return self._run({"action": "convert", **job}, out)

    def _run(self, job: dict[str, Any], out: Path) -> dict[str, Any]:
        scratch = out / "scratch"
        scratch.mkdir()
        read = [job["path"], *([job["rows"]] if job.get("rows") else [])]
        limits = {k: getattr(self, k) for k in ("weak", "memory", "cpu_s", "file_bytes")}
        told = {"allow": list(self.allow), **job, **limits, "read": read}
        told |= {"out": str(out), "scratch": str(scratch)}
        (out / "job.json").write_text(json.dumps(told))
        with tempfile.TemporaryFile() as said:
            self._wait(out, scratch, said)
            try:
                facts: dict[str, Any] = json.loads((out / "facts.json").read_bytes())
            except FileNotFoundError:
                raise AirlockFailed(
                    "the airlock's process ended without a result: " + _last_line(said),
                    where=Path(job["path"]).name,
                    fix="The file exceeds the airlock's limits, or ends the process that reads it",
                ) from None
        if "error" in facts:
            raise self._error(facts, Path(job["path"]).name)
        return facts

    def _wait(self, out: Path, scratch: Path, said: Any) -> None:
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
        try:
            process.wait(self.wall_s)
        except subprocess.TimeoutExpired:
            raise AirlockFailed(f"the airlock did not finish within {self.wall_s:.0f} s") from None
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

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
        if self.python:
            return MissingExtra(f"{what} under {self.python}", fix=f"Install {library} there")
        extra = _EXTRAS.get(library)
        fix = f"pip install 'fairlead[{extra}]'" if extra else None
        if library and not extra:
            fix = f"pip install {library}"
        return MissingExtra(what, fix=fix)


def _unsafe(what: str, names: list[str], where: str) -> UnsafeFile:
    if not names:
        return UnsafeFile(what, where=where)
    listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    flags = " ".join(f"--allow {name}" for name in names[:5])
    return UnsafeFile(
        f"the file names objects that are not allowed: {listed}",
        where=where,
        fix=f"If you know them to be harmless, allow them: {flags}, or [airlock] allow in "
        "fairlead.toml; the file itself can never allow them",
    )


def _last_line(said: Any) -> str:
    said.seek(0, os.SEEK_END)
    said.seek(max(0, said.tell() - _SAID_BYTES))
    lines = said.read().decode(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "it was ended by the system"
