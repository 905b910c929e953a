"""The next version of a packed model: other words, the same graph.

A version never changes, so what the owner edits becomes a version of its own; every other file is
copied as it was verified.
"""

from __future__ import annotations

from pathlib import Path

from fairlead.core.errors import BadUsage, FileUnreadable, ModelNotFound
from fairlead.core.package import Package, check_name, parse_version
from fairlead.packages.read import open_package, read_verified
from fairlead.packages.repository import committed
from fairlead.packing import write
from fairlead.packing.words import FILE

_MOST_BYTES = 1 << 20


def amend(repository: Path, model: str, words: Path) -> Package:
    """Writes the version after the newest of `model` ("name" or "name@version").

    words: the new model.toml. Raises ModelNotFound, FileUnreadable, or PackageInvalid for words
    that cannot be served; then nothing is written.
    """
    package = find(repository, model)
    files: dict[str, bytes | Path] = {
        relative: read_verified(package, relative) for relative in package.files
    }
    files[FILE] = _read(words)
    facts = {
        "runtime": package.runtime,
        "isolated": package.isolated,
        "graph": package.graph,
        "reason": package.reason,
        "trained": package.trained,
        "environment": package.environment,
        "amended": package.version,
    }
    if files[FILE] == read_verified(package, FILE):
        raise BadUsage("the words are those of that version already", fix="Edit the file first")
    return write.commit(repository, package.name, None, facts, files)


def find(repository: Path, model: str) -> Package:
    """The version that "name" (the newest) or "name@version" means. Raises ModelNotFound."""
    name, at, number = model.partition("@")
    check_name(name)
    found = [f for f in committed(repository) if f.name == name]
    wanted = parse_version(number) if at else max((f.version for f in found), default=-1)
    for version in found:
        if version.version == wanted:
            return open_package(version.folder)
    known = ", ".join(str(f.version) for f in found)
    raise ModelNotFound(
        f"there is no {model} in {repository}",
        fix=f"Versions of {name}: {known}" if known else "Pack it first",
    )


def _read(words: Path) -> bytes:
    try:
        raw = words.read_bytes()
    except OSError as error:
        raise FileUnreadable(f"{words} cannot be read: {error.strerror}") from error
    if len(raw) > _MOST_BYTES:
        raise FileUnreadable(f"{words} is larger than 1 MiB")
    return raw
