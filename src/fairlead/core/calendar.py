"""Days and months as a tenant's calendar has them: a window is computed, never reset.

A window is known by its first day, and begins and ends at midnight of the tenant's time zone; a
day may have 23 or 25 hours. Nothing happens when one ends: the next is another counter. So no job
can come too late, run twice, or wipe out what was used meanwhile.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fairlead.core.allowance import Period
from fairlead.core.errors import BadSetting

_SECOND_NS = 1_000_000_000


class Window(NamedTuple):
    """A day or month: its first day, and wall-clock nanoseconds [start, end)."""

    first: date
    start_ns: int
    end_ns: int


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """A time zone by its IANA name, such as `Europe/Amsterdam`. Raises BadSetting.

    Also for `right/...` and `localtime`: days with leap seconds, and what each machine means by it.
    """
    try:
        if not name[:1].isupper():
            raise ValueError
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadSetting(
            f"{name[:80]!r} is no time zone",
            fix="Give an IANA name such as Europe/Amsterdam or UTC",
        ) from None


def window(period: Period, place: ZoneInfo, wall_ns: int) -> Window:
    """The `day` or `month` of a place that holds a time. Raises ValueError for another period."""
    local = datetime.fromtimestamp(wall_ns // _SECOND_NS, place).date()
    found = _of(period, local, place)
    if wall_ns >= found.end_ns:
        # Clocks went back over midnight: what comes twice belongs to the day that had begun.
        found = _of(period, local + timedelta(days=1), place)
    return found


def _of(period: Period, day: date, place: ZoneInfo) -> Window:
    if period == "day":
        return _between(day, day + timedelta(days=1), place)
    if period == "month":
        first = day.replace(day=1)
        return _between(first, (first + timedelta(days=32)).replace(day=1), place)
    raise ValueError(f"{period!r} is no period of a calendar")


def _between(first: date, after: date, place: ZoneInfo) -> Window:
    return Window(first, _midnight_ns(first, place), _midnight_ns(after, place))


def _midnight_ns(day: date, place: ZoneInfo) -> int:
    """When a day begins. Of a midnight that comes twice it is the first, and where clocks jump
    over midnight it is the moment of the jump: so PEP 495 reads a time with fold 0."""
    return int(datetime.combine(day, time(), place).timestamp()) * _SECOND_NS
