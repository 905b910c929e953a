"""What is said to a store of shared limits, and what it answers: one JSON text for every kind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fairlead.core.metering import NEVER, WHOLE, Asked, Returned, Told

CENTURY_US = 2**52
"""The longest that a rate may take to run off, 142 years: what would take longer is cut to it."""

_US = 1000


def written(
    groups: Sequence[Sequence[Asked]], returned: Sequence[Returned]
) -> tuple[list[str], str]:
    """The rows that are meant, and everything else as a JSON text.

    That holds `meters` [key, kind, most, amount, period, full, until], `back` [meter, units, then,
    since] and `groups` of [meter, least, sure, wish]; a meter is told by its place. full:
    microseconds in which a whole burst runs off. until: microseconds, 0 for a row that is kept.
    """
    meters: dict[tuple[Any, ...], int] = {}

    def place(one: Asked | Returned, most: int) -> int:
        until = 0 if one.until_ns == NEVER else max(1, one.until_ns // _US)
        full = min(CENTURY_US, -(-most * one.period_us // one.amount))
        known = one.key, one.kind, most, one.amount, one.period_us, full, until
        return meters.setdefault(known, len(meters))

    back = [[place(one, WHOLE), one.units, one.then, one.since] for one in returned]
    asked = [
        [[place(one, one.most), one.least, one.sure, one.wish] for one in group] for group in groups
    ]
    said = {"meters": list(meters), "back": back, "groups": asked}
    return [known[0] for known in meters], json.dumps(said, separators=(",", ":"))


def told(groups: Sequence[Sequence[Sequence[Any]]]) -> list[list[Told]]:
    """The answer: five whole numbers for each want."""
    return [[Told(*map(int, one)) for one in group] for group in groups]
