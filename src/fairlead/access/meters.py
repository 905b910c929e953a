"""What counts one limit: a rate, a quota of the calendar, a stock, or a number at one time.

A meter is asked in two steps, so that a call takes from all of its meters or from none: `fits`
changes nothing, `take` never refuses. All sums are integers. One thread asks.

A rate is the generic cell rate algorithm in its leaky-bucket form (ITU-T I.371, Annex A): a level
rises by what is taken and falls by `amount` in each period; what would lift it over the burst does
not pass. It is kept in units x nanoseconds of the period, so no step is ever rounded.
"""

from __future__ import annotations

from datetime import date
from typing import Protocol
from zoneinfo import ZoneInfo

from fairlead.core.allowance import CALENDAR, DIMENSIONS, SECONDS, Limit
from fairlead.core.calendar import Window, window, zone
from fairlead.core.metering import SCALE

SECOND_NS = 1_000_000_000

Taken = tuple[int, int, int]
"""What a meter must know to give something back: units, and two numbers of its own."""


class Meter(Protocol):
    """Counts one limit of one account.

    place: of its dimension in the units of a `Cost`. most: units that may ever pass at once.
    """

    limit: Limit
    place: int
    most: int

    def change(self, limit: Limit, now_ns: int) -> None:
        """Counts on under another amount of the same dimension and period."""
        ...

    def fits(self, units: int, now_ns: int, wall_ns: int) -> bool:
        """Whether so many units may pass now."""
        ...

    def take(self, units: int, now_ns: int, wall_ns: int) -> Taken:
        """Counts units, whether they fit or not."""
        ...

    def give_back(self, taken: Taken, units: int, now_ns: int) -> None:
        """Uncounts up to `units` of what was taken; never more than is still counted of it."""
        ...

    def left(self, now_ns: int, wall_ns: int) -> int:
        """Units that would pass now."""
        ...

    def wait_ns(self, units: int, now_ns: int, wall_ns: int) -> int | None:
        """Nanoseconds until so many units pass if nobody takes any; None if time brings none."""
        ...


class Rate:
    """So much per second, minute or hour, and no more than the burst at once."""

    __slots__ = (
        "_amount", "_changed", "_full", "_last", "_level", "_parts", "_period", "_returned",
        "limit", "most", "place",
    )  # fmt: skip

    def __init__(self, limit: Limit, now_ns: int, parts: int = 1) -> None:
        """parts: so many share the limit, and this one lets a part of it pass."""
        self.place = DIMENSIONS.index(limit.dimension)
        self._parts = parts
        self._level = 0
        self._returned = 0
        self._last = now_ns
        self._amount = 0
        self.change(limit, now_ns)

    def change(self, limit: Limit, now_ns: int) -> None:
        """Counts on under another amount or burst: what was taken stays taken."""
        self._level = self._now(now_ns)
        self._last = self._changed = max(self._last, now_ns)
        scale = SCALE.get(limit.dimension, 1)
        self.limit = limit
        self.most = max(1, (limit.burst or limit.amount) * scale // self._parts)
        self._amount = limit.amount * scale
        self._period = SECONDS[limit.period] * SECOND_NS * self._parts
        self._full = self.most * self._period

    def _now(self, now_ns: int) -> int:
        """The level by now."""
        elapsed = now_ns - self._last
        if elapsed <= 0:
            return self._level
        level = self._level - elapsed * self._amount
        return level if level > 0 else 0

    def fits(self, units: int, now_ns: int, wall_ns: int) -> bool:
        return self._now(now_ns) + units * self._period <= self._full

    def take(self, units: int, now_ns: int, wall_ns: int) -> Taken:
        self._level = level = self._now(now_ns) + units * self._period
        if now_ns > self._last:
            self._last = now_ns
        return units, level + self._returned, self._last

    def give_back(self, taken: Taken, units: int, now_ns: int) -> None:
        # What was taken lay on top of the level of then. What has run off since, and what others
        # have been given back, came out below it: the rest is still there, and no more.
        _, top, then = taken
        level = self._now(now_ns)
        self._level = level
        self._last = now_ns = max(self._last, now_ns)
        if then < self._changed:
            return  # how much has run off under another amount is not known
        remains = top - self._returned - (now_ns - then) * self._amount
        back = max(0, min(units * self._period, remains, level))
        self._level = level - back
        self._returned += back

    def left(self, now_ns: int, wall_ns: int) -> int:
        return max(0, self._full - self._now(now_ns)) // self._period

    @property
    def runs_off_ns(self) -> int:
        """Nanoseconds in which a whole burst runs off."""
        return -(-self._full // self._amount)

    def used(self, now_ns: int) -> int:
        """Units that have not run off, a broken one as a whole one."""
        return -(-self._now(now_ns) // self._period)

    def resume(self, units: int, then_ns: int, now_ns: int) -> None:
        """Counts units as taken then, before this meter began to count."""
        left = units * self._period - max(0, now_ns - then_ns) * self._amount
        self._level = self._now(now_ns) + max(0, left)
        self._last = max(self._last, now_ns)

    def wait_ns(self, units: int, now_ns: int, wall_ns: int) -> int | None:
        if units > self.most:
            return None
        over = self._now(now_ns) + units * self._period - self._full
        return max(0, -(-over // self._amount))


class Quota:
    """So much per day or month of the tenant's calendar."""

    __slots__ = ("_used", "_window", "_zone", "limit", "most", "place")

    def __init__(self, limit: Limit, place: ZoneInfo) -> None:
        self.place = DIMENSIONS.index(limit.dimension)
        self._zone = place
        self._window: Window | None = None
        # By first day: this window, and the one before for a clock that is set back.
        self._used: dict[date, int] = {}
        self.change(limit, 0)

    def change(self, limit: Limit, now_ns: int) -> None:
        """Counts on under another amount."""
        self.limit = limit
        self.most = limit.amount * SCALE.get(limit.dimension, 1)

    def move(self, place: str) -> None:
        """Its days and months begin in this time zone: what was used on a date stays used then."""
        if self._zone.key != place:
            self._zone, self._window = zone(place), None

    def window(self, wall_ns: int) -> Window:
        """The day or month that holds a time."""
        found = self._window
        if found is None or not found.start_ns <= wall_ns < found.end_ns:
            found = self._window = window(self.limit.period, self._zone, wall_ns)
            self._used.setdefault(found.first, 0)
            for first in sorted(self._used)[:-2]:
                if first != found.first:
                    del self._used[first]
        return found

    def used(self, wall_ns: int) -> tuple[date, int]:
        """The first day of the window that holds a time, and the units used in it."""
        first = self.window(wall_ns).first
        return first, self._used[first]

    def windows(self) -> dict[date, int]:
        """What was used, by the first day of each window that is remembered."""
        return self._used

    def resume(self, first: date, units: int) -> None:
        """Takes over what was used in a window before this meter began to count."""
        self._used[first] = max(self._used.get(first, 0), units)

    def fits(self, units: int, now_ns: int, wall_ns: int) -> bool:
        return self._used[self.window(wall_ns).first] + units <= self.most

    def take(self, units: int, now_ns: int, wall_ns: int) -> Taken:
        first = self.window(wall_ns).first
        self._used[first] += units
        return units, first.toordinal(), 0

    def give_back(self, taken: Taken, units: int, now_ns: int) -> None:
        first = date.fromordinal(taken[1])
        if first in self._used:
            self._used[first] -= units

    def left(self, now_ns: int, wall_ns: int) -> int:
        return max(0, self.most - self._used[self.window(wall_ns).first])

    def wait_ns(self, units: int, now_ns: int, wall_ns: int) -> int | None:
        if units > self.most:
            return None
        if self.fits(units, now_ns, wall_ns):
            return 0
        return self.window(wall_ns).end_ns - wall_ns


class Stock:
    """So much in all (`credits`), or at one time (`concurrency`): only giving back makes room."""

    __slots__ = ("limit", "most", "place", "used")

    def __init__(self, limit: Limit) -> None:
        self.place = DIMENSIONS.index(limit.dimension)
        self.used = 0
        self.change(limit, 0)

    def change(self, limit: Limit, now_ns: int) -> None:
        """Counts on under another amount: a credit that is bought makes it larger."""
        self.limit = limit
        self.most = limit.amount

    def fits(self, units: int, now_ns: int, wall_ns: int) -> bool:
        return self.used + units <= self.most

    def take(self, units: int, now_ns: int, wall_ns: int) -> Taken:
        self.used += units
        return units, 0, 0

    def give_back(self, taken: Taken, units: int, now_ns: int) -> None:
        self.used -= units

    def left(self, now_ns: int, wall_ns: int) -> int:
        return max(0, self.most - self.used)

    def wait_ns(self, units: int, now_ns: int, wall_ns: int) -> int | None:
        return 0 if self.used + units <= self.most else None


def meter(limit: Limit, place: ZoneInfo, now_ns: int) -> Meter:
    """What counts a limit from now on. place: the time zone of its calendar."""
    if limit.period in SECONDS:
        return Rate(limit, now_ns)
    return Quota(limit, place) if limit.period in CALENDAR else Stock(limit)
