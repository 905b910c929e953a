"""The one refusal of the airlock's readers, and how a file's own words are shown."""

from __future__ import annotations

_MOST_SHOWN = 200


class Refused(Exception):
    """The file asks for objects that it may not have, or lies about itself.

    names: the objects, as "module.name", that an owner may allow.
    """

    def __init__(self, what: str, names: list[str] | None = None) -> None:
        super().__init__(what)
        self.names = names or []


def printable(text: str, most: int = _MOST_SHOWN) -> str:
    """A text from a file as a terminal may show it: no control characters, of bounded length."""
    short = text if len(text) <= most else text[: most - 3] + "..."
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in short)
