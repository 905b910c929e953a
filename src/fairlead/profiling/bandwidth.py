"""How fast a line is, as people write it: 10Mbit, 1.5 Gbit/s, 500kbit."""

from __future__ import annotations

import re

from fairlead.core.errors import BadUsage

_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKmMgG])bit(?:/s)?\Z", re.ASCII)
_UNITS = {"k": 1e3, "m": 1e6, "g": 1e9}
_MOST = 1e15


def bits_per_s(text: str) -> float:
    """Bits per second. Raises BadUsage."""
    found = _RATE.match(text.strip())
    rate = float(found[1]) * _UNITS[found[2].lower()] if found else 0.0
    if not 0 < rate <= _MOST:
        raise BadUsage(f"{text[:40]!r} is no bandwidth", fix="Write it as 500kbit, 10Mbit or 1Gbit")
    return rate


def shown(rate: float) -> str:
    """The same for people."""
    for unit, size in (("Gbit/s", 1e9), ("Mbit/s", 1e6)):
        if rate >= size:
            return f"{rate / size:g} {unit}"
    return f"{rate / 1e3:g} kbit/s"
