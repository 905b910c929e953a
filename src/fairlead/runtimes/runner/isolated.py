"""The runtime of models that are code: each package in a process of its own, the runner."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fairlead.core.errors import LoadFailed
from fairlead.core.package import Package
from fairlead.runtimes.runner.parent import RunnerModel


def _told_nobody(event: str, **fields: object) -> None:
    """A log for runners whose ends the caller learns from errors."""


class IsolatedRuntime:
    """Loads packages of one runtime into runner processes.

    name:   the runtime whose file in this package knows the model.
    log:    told of what happens to runners: (event, fields).
    memory: bytes of memory that a runner may use, 0 for any.
    homes:  the folder in which runners get folders of their own, the system's temporary one when
            None.
    """

    def __init__(
        self,
        name: str,
        log: Callable[..., None] = _told_nobody,
        memory: int = 0,
        homes: Path | None = None,
    ) -> None:
        self.name = name
        self._log = log
        self._memory = memory
        self._homes = homes

    def load(self, package: Package, read: Callable[[str], bytes]) -> RunnerModel:
        """A running runner with the package's files. Raises LoadFailed saying why not."""
        home: Path | None = None
        try:
            if self._homes is not None:
                self._homes.mkdir(mode=0o700, parents=True, exist_ok=True)
            home = Path(tempfile.mkdtemp(prefix="fairlead-runner-", dir=self._homes))
            self._fill(home, package, read)
            return RunnerModel(package, home, self._wanted(package), self._log)
        except BaseException as error:
            if home is not None:
                shutil.rmtree(home, ignore_errors=True)
            if isinstance(error, OSError):
                raise LoadFailed(
                    f"the runner's folder cannot be written: {error.strerror}",
                    where=f"{package.name} version {package.version}",
                ) from error
            raise

    def _fill(self, home: Path, package: Package, read: Callable[[str], bytes]) -> None:
        files = home / "files"
        for relative in package.files:
            if relative.startswith(("graph/", "native/")):
                target = files / relative
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(read(relative))
        job = self._job(package, files, home / "scratch")
        (home / "job.json").write_text(json.dumps(job))

    def _job(self, package: Package, files: Path, scratch: Path) -> dict[str, Any]:
        about = dict(package.environment.get("about", {}))
        return {
            "runtime": self.name,
            "folder": str(files),
            "scratch": str(scratch),
            "graph": package.graph,
            "about": {**about, "signature": package.signature.to_json()},
            "memory": self._memory,
            "versions": list(self._wanted(package)["versions"]),
        }

    def _wanted(self, package: Package) -> dict[str, Any]:
        """The interpreter and libraries of a version; a graph needs none but ours."""
        if self.name == "onnx":
            return {"python": "", "versions": {}}
        python = str(package.environment.get("python", ""))
        if python and package.folder.name and _came_along(Path(python), package.folder):
            raise LoadFailed(
                "the interpreter of this version lies in the repository of models",
                where=f"{package.name} version {package.version}",
                fix="Make the environment elsewhere, and pack the model again under its --python",
            )
        return {"python": python, "versions": package.environment.get("versions", {})}


def _came_along(python: Path, folder: Path) -> bool:
    """Whether a program came with a package: it would run before anything locks it in."""
    folder = folder.resolve()
    repository = folder.parent.parent if folder.name.isdigit() else folder
    return python.parent.resolve().is_relative_to(repository)
