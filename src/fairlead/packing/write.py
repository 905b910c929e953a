"""Writing a package: everything into a hidden folder, the manifest last, then one rename.

Dying anywhere leaves nothing that `serve` would see.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairlead.core.errors import FileUnreadable, VersionExists
from fairlead.core.package import Package
from fairlead.packages import manifest
from fairlead.packages.read import open_package
from fairlead.packages.repository import next_version


def commit(
    repository: Path,
    name: str,
    version: int | None,
    facts: Mapping[str, Any],
    files: Mapping[str, bytes | Path],
) -> Package:
    """Writes a version and returns it as `serve` will read it.

    version: None takes the next one. files: content, or a file or folder to copy, by path in the
    package. Raises VersionExists, or FileUnreadable when the repository cannot be written.
    """
    model = repository / name
    try:
        model.mkdir(parents=True, exist_ok=True)
        hidden = Path(tempfile.mkdtemp(prefix=".packing-", dir=model))
    except OSError as error:
        raise FileUnreadable(
            f"the repository cannot be written: {error.strerror}", where=str(repository)
        ) from error
    try:
        for relative, content in files.items():
            _place(hidden / relative, content)
        number = next_version(repository, name) if version is None else version
        manifest.write(hidden, {"name": name, "version": number, **facts})
        hidden.chmod(0o755)
        target = model / str(number)
        if target.exists():
            raise _exists(name, number)
        try:
            hidden.rename(target)
        except OSError:
            raise _exists(name, number) from None
        manifest.sync_folder(model)
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise
    return open_package(target)


def check_free(repository: Path, name: str, version: int | None) -> None:
    """Raises VersionExists early, before any work is done."""
    if version is not None and (repository / name / str(version)).exists():
        raise _exists(name, version)


def _exists(name: str, version: int) -> VersionExists:
    return VersionExists(
        f"{name} version {version} is in the repository already, and a version never changes",
        fix="Leave --version out to write the next one",
    )


def _place(target: Path, content: bytes | Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Path):
        if content.is_dir():
            shutil.copytree(content, target, symlinks=False)
        else:
            shutil.copyfile(content, target)
        return
    with target.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def json_bytes(value: Any) -> bytes:
    """A JSON document as packages hold it: indented, in the order given, with a line end."""
    return (json.dumps(value, indent=1) + "\n").encode()
