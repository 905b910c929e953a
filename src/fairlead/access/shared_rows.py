"""The rows of a shared store: what a limit is called there, and its numbers.

Compute time is in microseconds there, so that no number is too large to be exact; what is lent is
rounded up, and what comes back down.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from fairlead.core.allowance import SECONDS, Limit
from fairlead.core.calendar import window, zone
from fairlead.core.metering import NEVER, SCALE, WHOLE, Asked, Returned, Want

_SECOND_US = 1_000_000
_LONGER_NS = 2 * 86_400 * 10**9
"""A day or month is kept longer than it lasts: clocks of hosts differ, or are set back."""


class Row(NamedTuple):
    """A row, and the day or month that it is about. first: its first day, of a quota only.
    ends_ns: wall clock, NEVER for others. Everything else as in `Asked`."""

    key: str
    kind: str
    most: int
    amount: int
    period_us: int
    first: date | None
    ends_ns: int

    def asked(self, want: Want) -> Asked:
        """A want in the store's units."""
        step = steps(want.limit)
        least, sure, wish = (min(WHOLE, -(-n // step)) for n in (want.least, want.sure, want.most))
        return Asked(
            self.key, self.kind, self.most, self.amount, self.period_us,
            least, sure, wish, self._until_ns,
        )  # fmt: skip

    def returned(self, units: int, then: int, since: int) -> Returned:
        """Units that come back, or were used without asking where they are below zero."""
        return Returned(
            self.key, self.kind, self.amount, self.period_us, units, then, since, self._until_ns
        )

    @property
    def _until_ns(self) -> int:
        return NEVER if self.ends_ns == NEVER else self.ends_ns + _LONGER_NS


def steps(limit: Limit) -> int:
    """Units of a `Cost` in one of the store's."""
    return 1000 if limit.dimension == "compute_ms" else 1


def row(meter: str, limit: Limit, place: str, wall_ns: int) -> Row:
    """The row that counts a limit at a time. place: the time zone of its calendar."""
    if limit.period not in ("day", "month"):
        return row_of(meter, limit, None)
    found = window(limit.period, zone(place), wall_ns)
    return row_of(meter, limit, found.first, found.end_ns)


def row_of(meter: str, limit: Limit, first: date | None, ends_ns: int = NEVER) -> Row:
    """The row of a limit, for a quota that of the day or month that begins on a day."""
    scale = SCALE.get(limit.dimension, 1) // steps(limit)
    rate = limit.period in SECONDS
    kind = "rate" if rate else "held" if limit.dimension == "concurrency" else "sum"
    most = limit.burst or limit.amount if rate else limit.amount
    return Row(
        f"{meter} {first.isoformat()}" if first else meter,
        kind,
        min(WHOLE, most * scale),
        min(WHOLE, limit.amount * scale),
        SECONDS[limit.period] * _SECOND_US if rate else 1,
        first,
        ends_ns,
    )
