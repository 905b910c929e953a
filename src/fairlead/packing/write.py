"""Writing a package: everything into a hidden folder, the manifest last, then one rename.

Dying anywhere leaves nothing that `serve` would see.
"""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fairlead.core.errors import FileUnreadable, VersionExists
from fairlead.core.package import Package
from fairlead.core.tensor import Array
from fairlead.packages import manifest
from fairlead.packages.read import open_package
from fairlead.packages.repository import next_version
from fairlead.packing.converters import samples

_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR)
_MOST_TRIES = 1000


def commit(
    repository: Path,
    name: str,
    version: int | None,
    facts: Mapping[str, Any],
    files: Mapping[str, bytes | Path],
) -> Package:
    """Writes a version and returns it as `serve` will read it.

    version: None takes the next one. files: content, or a file or folder to copy, by path in the
    package. Raises VersionExists, FileUnreadable when the repository cannot be written, or
    PackageInvalid for what could not be read back; then nothing is there.
    """
    model = repository / name
    hidden: Path | None = None
    try:
        model.mkdir(parents=True, exist_ok=True)
        hidden = Path(tempfile.mkdtemp(prefix=".packing-", dir=model))
        for relative, content in files.items():
            _place(hidden / relative, content)
        _sync_below(hidden)
        return _publish(hidden, model, version, facts)
    except OSError as error:
        _remove(hidden)
        raise FileUnreadable(
            f"the repository cannot be written: {error.strerror or error}", where=str(repository)
        ) from error
    except BaseException:
        _remove(hidden)
        raise


def _publish(hidden: Path, model: Path, version: int | None, facts: Mapping[str, Any]) -> Package:
    """Gives the folder its number; another packer may take one in between."""
    hidden.chmod(0o755)
    number = 0
    for _ in range(_MOST_TRIES):
        number = next_version(model.parent, model.name) if version is None else version
        target = model / str(number)
        if not os.path.lexists(target):
            manifest.write(hidden, {"name": model.name, "version": number, **facts})
            package = open_package(hidden)
            try:
                # A folder takes the place of an empty one, so only its maker can lose here.
                hidden.rename(target)
            except OSError as error:
                if error.errno not in _TAKEN:
                    raise
            else:
                manifest.sync_folder(model)
                return replace(package, folder=target)
        if version is not None:
            break
    raise _exists(model.name, number)


def _remove(hidden: Path | None) -> None:
    if hidden is not None:
        shutil.rmtree(hidden, ignore_errors=True)


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
    if not isinstance(content, Path):
        target.write_bytes(content)
    elif content.is_dir():
        shutil.copytree(content, target, symlinks=False)
    else:
        shutil.copyfile(content, target)


def _sync_below(folder: Path) -> None:
    """Makes every file and folder below durable, so that the manifest never promises what a
    power cut took."""
    for parent, _, names in os.walk(folder):
        for name in names:
            handle = os.open(Path(parent, name), os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        manifest.sync_folder(Path(parent))


def arrays_bytes(arrays: Mapping[str, Array]) -> bytes:
    """Arrays as a compressed .npz file, the same bytes for the same arrays."""
    buffer = io.BytesIO()
    samples.save(buffer, dict(arrays), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def json_bytes(value: Any) -> bytes:
    """A JSON document as packages hold it: indented, in the order given, with a line end."""
    return (json.dumps(value, indent=1) + "\n").encode()
