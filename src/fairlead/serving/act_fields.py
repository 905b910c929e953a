"""The fields of an administrative act as somebody gave them: each of its type, and none unknown."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, cast

from fairlead.core.errors import KeyFieldInvalid

MOST_TEXT = 65_536
MOST_LIST = 100
"""Characters of a text, and texts of a list, that are looked at."""


class Fields:
    """What was given for one act. Everything it raises is KeyFieldInvalid and names the field.

    known: the fields that the act has.
    """

    def __init__(self, given: Mapping[str, Any], *known: str) -> None:
        for name in given:
            if name not in known:
                near = get_close_matches(name[:80], known, 1)
                listed = f"Known: {', '.join(known)}" if known else "Leave it out"
                raise KeyFieldInvalid(
                    f"there is no field {name[:80]!r}",
                    where=name[:80],
                    fix=f"Did you mean {near[0]}?" if near else listed,
                )
        self._given = given

    def __contains__(self, name: str) -> bool:
        return self._given.get(name) is not None

    def text(self, name: str, default: str | None = None) -> str:
        """A text; required where there is no default. null is as good as nothing."""
        value = self._given.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or len(value) > MOST_TEXT or "\0" in value:
            raise _wrong(name, "a text", missing=value is None)
        return value

    def texts(self, name: str) -> list[str]:
        """A list of texts; nothing is an empty one."""
        value = self._given.get(name)
        if value is None:
            return []
        parts = cast("list[Any]", value if isinstance(value, list | tuple) else [None])
        if len(parts) > MOST_LIST or not all(isinstance(part, str) for part in parts):
            raise _wrong(name, f"a list of up to {MOST_LIST} texts")
        return list(parts)

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number within bounds."""
        value = self._given.get(name)
        if value is None:
            return default
        if type(value) is not int or not low <= value <= high:
            raise _wrong(name, f"a whole number from {low} to {high}")
        return value

    def truth(self, name: str) -> bool:
        """True or false; nothing is false."""
        value = self._given.get(name)
        if value is None:
            return False
        if type(value) is not bool:
            raise _wrong(name, "true or false")
        return value

    def table(self, name: str) -> Mapping[str, Any]:
        """A JSON object; required."""
        value = self._given.get(name)
        if not isinstance(value, dict):
            raise _wrong(name, "an object", missing=value is None)
        return cast("Mapping[str, Any]", value)


def _wrong(name: str, wanted: str, *, missing: bool = False) -> KeyFieldInvalid:
    what = f"{name} is missing" if missing else f"{name} cannot be this"
    return KeyFieldInvalid(what, where=name, fix=f"Give {wanted}")
