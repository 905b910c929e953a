"""From a trained file to a package: which format it is decides which way it takes."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fairlead.core.errors import BadUsage, FileUnreadable
from fairlead.core.names import is_name
from fairlead.core.package import Package
from fairlead.core.version import __version__
from fairlead.packages.read import open_package
from fairlead.packages.repository import Found, committed
from fairlead.packing import onnx_file
from fairlead.packing.airlock.process import Airlock
from fairlead.packing.faithful import Say, Wanted, silent
from fairlead.packing.formats import FRAMEWORKS, ONNX, PYTHON, TORCHSCRIPT, TrainedFile, detect
from fairlead.packing.pack import pack_converted
from fairlead.packing.pack_onnx import pack_onnx
from fairlead.packing.python_file import look

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


def pack_file(
    given: str, wanted: Wanted, airlock: Airlock, say: Say, *, allow_code: bool = False
) -> Package:
    """Packs a trained file, a SavedModel folder or "source.py:name".

    allow_code: TorchScript may run its own code, in the airlock and a runner.
    Raises FormatUnknown, UnsafeFile, ConversionFailed, MissingExtra and the like.
    """
    file = detect(given)
    say("read", f"{FRAMEWORKS[file.format]} ({file.format})")
    if file.format == TORCHSCRIPT and not allow_code:
        raise BadUsage(
            "a TorchScript file holds code of its own",
            where=file.path.name,
            fix="Save the model by torch.export instead, or let the code run in the airlock and a "
            "runner only: fairlead pack --allow-code",
        )
    if file.format == PYTHON:
        look(file.path, file.object)  # says what the file defines, if not that
    trained = facts_of(file)
    if file.format == ONNX:
        if wanted.input_names:
            raise BadUsage("an ONNX graph names its inputs itself", fix="Leave --input-names out")
        return pack_onnx(wanted, file.path, trained, say)

    def convert(job: dict[str, Any], out: Path) -> dict[str, Any]:
        own = {
            "format": file.format,
            "path": str(file.path.absolute()),
            "object": file.object,
            "allow_code": allow_code,
            "requirements": wanted.requirements,
        }
        return airlock.convert(job | own, out)

    return pack_converted(wanted, convert, trained, say)


def facts_of(file: TrainedFile) -> dict[str, Any]:
    """Format, name, size and SHA-256 of a trained file, for the manifest."""
    facts = {"format": file.format, "file": file.path.name}
    return facts | {"size": size_of(file.path), "sha256": _digest(file.path)}


def _files(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    return sum(p.stat().st_size for p in _files(path))


def _digest(path: Path) -> str:
    """SHA-256 of the file, or over the names and digests of a folder's files."""
    try:
        if path.is_file():
            with path.open("rb") as handle:
                return hashlib.file_digest(handle, "sha256").hexdigest()
        whole = hashlib.sha256()
        for inner in _files(path):
            whole.update(f"{inner.relative_to(path).as_posix()}\0{_digest(inner)}\0".encode())
        return whole.hexdigest()
    except OSError as error:
        raise FileUnreadable(f"{path} cannot be read: {error.strerror}") from error


def pack_to_cache(
    given: str,
    cache: Path,
    name: str,
    airlock: Airlock,
    say: Say = silent,
    *,
    version: int | None = None,
) -> Package:
    """The package of a trained file, packed now or found from an earlier time.

    name: "" takes the file's own. version: None takes 1. The cache is a repository per
    content, so that a changed file is packed again.
    """
    file = detect(given)
    name = name or name_of(file.path)
    settings = f"{__version__}\0{file.object}\0{airlock.python}\0{sorted(airlock.allow)}\0{name}"
    if version is not None:
        settings += f"\0{version}"
    content = "\0".join(_digest(part) for part in _parts(file))
    key = hashlib.sha256(f"{content}\0{settings}".encode()).hexdigest()[:16]
    repository = cache / key
    with _alone(repository):
        known: list[Found] = committed(repository)
        if known:
            return open_package(known[-1].folder)
        return pack_file(given, Wanted(name, repository, version), airlock, say)


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    """Makes a folder, and waits until no other process packs into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise FileUnreadable(
            f"the cache cannot be written: {error.strerror}", where=str(folder)
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _parts(file: TrainedFile) -> list[Path]:
    """The trained file, and what an ONNX graph keeps beside it."""
    if file.format != ONNX:
        return [file.path]
    facts = onnx_file.read(file.path.read_bytes())
    onnx_file.check_external(facts, file.path.parent)
    return [file.path, *(file.path.parent / name for name in sorted(facts.external))]


def name_of(path: Path) -> str:
    """A model's name made of a file's."""
    found = _NOT_IN_NAMES.sub("-", path.resolve().name.split(".")[0]).strip("-._")
    return found if is_name(found) else "model"


def requirements_text(file: str) -> str:
    """The text of a requirements file, "" without one. Raises FileUnreadable."""
    if not file:
        return ""
    try:
        return Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise FileUnreadable(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FileUnreadable(f"{file} is not UTF-8") from error
