"""One section of a model.toml: its keys, each known and of a value that it may have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, cast

from fairlead.core.errors import PackageInvalid

Known = Mapping[str, tuple[str, Callable[[Any], bool]]]
"""The keys of a section: what each must be, in words, and whether a value is."""


def section(words: Mapping[str, Any], name: str, known: Known, where: str) -> dict[str, Any]:
    """What a section says; {} where it is not there.

    words: the sections of a model.toml, each a table. Raises PackageInvalid, with the nearest key
    for one that is not known.
    """
    given = cast("dict[str, Any]", words.get(name, {}))
    for key, value in given.items():
        if key not in known:
            near = get_close_matches(key, known, 1)
            raise PackageInvalid(
                f"model.toml: [{name}] {key[:80]} is not known",
                where=where,
                fix=f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}",
            )
        wanted, accepts = known[key]
        if not accepts(value):
            raise PackageInvalid(f"model.toml: [{name}] {key} must be {wanted}", where=where)
    return given
