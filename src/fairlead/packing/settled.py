"""The next version of a model with other limits, and with what was measured of it inside."""

from __future__ import annotations

import re
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairlead.core.errors import PackageInvalid
from fairlead.core.package import Package
from fairlead.packages.read import read_verified
from fairlead.packing.amend import amend
from fairlead.packing.words import FILE

_SECTION = re.compile(r"[ \t]*\[limits\][ \t]*(?:#.*)?\Z")
_ANY_SECTION = re.compile(r"[ \t]*\[")
_SET = ("max_batch", "threads")
_LIMIT = re.compile(r"[ \t]*(max_batch|threads)[ \t]*=")


def settled(
    repository: Path,
    package: Package,
    *,
    max_batch: int,
    threads: int,
    profile: Mapping[str, Any],
) -> Package:
    """Writes it. threads: 0 leaves the choice to warm-up. Raises what `amend` raises.

    Graph, contract and guards are those of the version that was measured.
    """
    words = read_verified(package, FILE).decode()
    limits = {"max_batch": max_batch, **({"threads": threads} if threads else {})}
    with tempfile.TemporaryDirectory(prefix="fairlead-amend-") as folder:
        file = Path(folder) / FILE
        file.write_text(with_limits(words, limits), encoding="utf-8")
        model = f"{package.name}@{package.version}"
        return amend(repository, model, file, profile=profile)


def with_limits(words: str, limits: Mapping[str, int]) -> str:
    """The owner's words with these limits, and with whatever else stands there.

    Raises PackageInvalid where they are written in a way in which they cannot be set.
    """
    lines = words.splitlines()
    kept: list[str] = []
    inside = False
    section = -1
    for line in lines:
        if _ANY_SECTION.match(line):
            inside = bool(_SECTION.match(line))
            section = len(kept) if inside else section
        if not (inside and _LIMIT.match(line)):
            kept.append(line)
    added = [f"{name} = {value}" for name, value in limits.items()]
    if section < 0:
        kept += ["", "[limits]", *added]
    else:
        kept[section + 1 : section + 1] = added
    made = "\n".join(kept) + "\n"
    if not _says(made, words, limits):
        raise PackageInvalid(
            "model.toml: [limits] is written in an unusual way",
            where=FILE,
            fix="Write it as a section of its own, with `fairlead amend --model-toml`",
        )
    return made


def _says(made: str, words: str, limits: Mapping[str, int]) -> bool:
    """Whether a text says what the words do, but for these limits."""
    before: dict[str, Any] = tomllib.loads(words)
    own = {name: v for name, v in before.get("limits", {}).items() if name not in _SET}
    try:
        return tomllib.loads(made) == {**before, "limits": {**own, **limits}}
    except tomllib.TOMLDecodeError:
        return False
