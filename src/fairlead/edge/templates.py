"""What an address asks for, as the reference writes it: /predict/{model}, not /predict/iris.

Logs and traces name requests by it, so that what callers send makes no names of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairlead.core.promises import Wire

_KEPT, _LONGEST = 1024, 256
"""Addresses that are remembered, and characters of each at most: longer ones are looked up anew."""
_PLACE = re.compile(r"\\\{\w+\\\}")
_OURS = "fairlead.wires."


class Templates:
    """The addresses of all wires, in the order in which these are asked."""

    def __init__(self, wires: Iterable[Wire]) -> None:
        self._patterns: list[tuple[str, re.Pattern[str], str, str]] = []
        for wire in wires:
            for listed in wire.addresses:
                method, _, address = listed.partition(" ")
                pattern = _PLACE.sub("[^/]+?", re.escape(address))
                found = (method, re.compile(pattern + r"\Z"), address, _name(wire))
                self._patterns.append(found)
        # Where two fit, the one with fewer places says more.
        self._patterns.sort(key=lambda found: found[2].count("{"))
        self._known: dict[tuple[str, str], tuple[str, str]] = {}

    def of(self, method: str, path: str) -> tuple[str, str]:
        """The address and the name of its wire; "" and "" for what nobody answers."""
        known = self._known.get((method, path))
        if known is None:
            known = self._find(method, path)
            if len(method) + len(path) <= _LONGEST:
                if len(self._known) >= _KEPT:
                    self._known.clear()
                self._known[method, path] = known
        return known

    def _find(self, method: str, path: str) -> tuple[str, str]:
        method = "GET" if method == "HEAD" else method
        for wanted, pattern, address, wire in self._patterns:
            if wanted == method and pattern.match(path):
                return address, wire
        return "", ""


def _name(wire: Wire) -> str:
    """What a wire is called in logs: its file, or its room where that is another one."""
    module = type(wire).__module__
    return module.removeprefix(_OURS) if module.startswith(_OURS) else module.split(".")[1]
