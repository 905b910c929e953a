"""Which objects a trained file may name, and what it may do with each.

Standalone: the standard library only. A line of `allowed.txt` is a module, a name and uses:

    made    an empty one is made, which then gets its state; nothing of ours or theirs is called
            but `__new__` without arguments. The only use when a line gives none.
    called  it is called with what the file holds. Few are, and `makers.py` stands in for most.
    kept    it may be a value, such as an element type or the function of a transformer.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

MADE, CALLED, KEPT = "made", "called", "kept"
EVERY = frozenset((MADE, CALLED, KEPT))


class AllowList:
    """The objects of `allowed.txt`, and those that the owner allows for every use.

    own: dotted names, as a refusal gives them.
    """

    def __init__(self, own: Sequence[str] = ()) -> None:
        self._own = frozenset(own)
        self._ours = _ours()

    def uses(self, module: str, name: str) -> frozenset[str]:
        """What a file may do with exactly this name of this module; nothing when not listed."""
        if self.is_own(module, name):
            return EVERY
        return self._ours.get(renamed(module, name), frozenset())

    def is_own(self, module: str, name: str) -> bool:
        """Whether the owner allows it."""
        return f"{module}.{name}" in self._own


def renamed(module: str, name: str) -> tuple[str, str]:
    """The name that is meant: protocols 0 to 2 write builtins by the names of Python 2."""
    if module != "__builtin__":
        return module, name
    return "builtins", {"xrange": "range", "unicode": "str", "long": "int"}.get(name, name)


def _ours() -> dict[tuple[str, str], frozenset[str]]:
    house = sys.modules["fairlead"].__path__[0]
    text = (Path(house) / "packing" / "airlock" / "allowed.txt").read_text(encoding="ascii")
    found: dict[tuple[str, str], frozenset[str]] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            module, name, *uses = line.split()
            found[module, name] = frozenset(uses or (MADE,))
    return found
