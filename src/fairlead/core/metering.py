"""Words between whoever lends a limit out and whatever counts it, here or in a shared database.

Units are those of a `Cost`: compute time in nanoseconds, everything else as it is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from fairlead.core.allowance import Limit

NEVER = 2**63 - 1
"""A time, in nanoseconds, that does not come."""

MS = 1_000_000
SCALE = {"compute_ms": MS}
"""A `Cost` counts compute time in nanoseconds; every other dimension in its own units."""

Ticket = tuple[int, int]
"""What a meter must be told to take units back: two numbers of its own."""


class Want(NamedTuple):
    """Units of one limit that somebody asks for.

    meter: names the account and the limit. zone: of the limit's calendar. least: nothing is lent
    below it; 0 only asks how much is left. sure: what will be used at once. most: what may be lent
    beyond that, when there is plenty.
    """

    meter: str
    limit: Limit
    zone: str
    least: int
    sure: int
    most: int


class Lent(NamedTuple):
    """What was lent. Of several that are wanted together, all are lent or none.

    ends_ns: the wall clock at which unused units end, NEVER for most. left: units that could still
    be lent. wait_ns: until `least` could be lent, 0 where it can; None where time brings nothing.
    """

    units: int
    ticket: Ticket
    ends_ns: int
    left: int
    wait_ns: int | None


class Back(NamedTuple):
    """Units that were lent and not used."""

    meter: str
    limit: Limit
    ticket: Ticket
    units: int


class Kept(NamedTuple):
    """What was used of one limit, as it outlives a restart.

    first: the first day of a quota's window as `2026-11-25`, "" for others. at_ns: when it was so.
    until_ns: when it no longer matters. Both are wall clock.
    """

    meter: str
    first: str
    used: int
    at_ns: int
    until_ns: int


class MeterKeep(Protocol):
    """Keeps what was used of this host's limits over a restart. Every method may block.

    All raise StateUnavailable when the database cannot be read or written now.
    """

    def read(self, wall_ns: int) -> tuple[bool, list[Kept]]:
        """Whether whoever counted before had ended in order, and all that still matters.

        From now on whoever counts has not ended in order, until `close` says so.
        """
        ...

    def write(self, kept: Sequence[Kept]) -> None:
        """On the disk when it returns; all of it or nothing."""
        ...

    def close(self, in_order: bool) -> None:
        """in_order: nothing is lent any more, and everything was written."""
        ...


class Asked(NamedTuple):
    """A want as a shared store understands it: no calendar, no names. No number is above WHOLE.

    key:    the row. kind: `rate` (falls by `amount` every `period_us`), `sum` (quotas, credits) or
            `held` (concurrency, by holder). most: units that may ever be out at once.
    least, sure, wish: as in `Want`.
    until_ns: wall clock at which the row may be forgotten, of a `sum` only; NEVER for credits.
    """

    key: str
    kind: str
    most: int
    amount: int
    period_us: int
    least: int
    sure: int
    wish: int
    until_ns: int


class Told(NamedTuple):
    """The answer to an `Asked`. wait_us: -1 where time brings nothing.

    then, since: of a rate, by the store's clock; whoever gives units back tells them again.
    """

    units: int
    left: int
    wait_us: int
    then: int
    since: int


class Returned(NamedTuple):
    """Units for a shared store to take back, or, below zero, to count without asking.

    Of a `held` it is how many the holder has now, all told. then, since: from the `Told` that lent
    them.
    """

    key: str
    kind: str
    amount: int
    period_us: int
    units: int
    then: int
    since: int
    until_ns: int


WHOLE = 2**53 - 1
"""The largest number of a shared store: beyond it not all of them count exactly."""

PRESENT_NS = 10_000 * MS
"""A holder of which a shared store has heard nothing for so long holds nothing any more."""


class MeterStore(Protocol):
    """Counts limits for several hosts, by its own clock. Every method may block.

    All raise StateUnavailable when it cannot be reached, or has not said whether it did something.
    """

    def lend(
        self, holder: str, groups: Sequence[Sequence[Asked]], returned: Sequence[Returned]
    ) -> list[list[Told]]:
        """Takes back what is returned, then lends each group, all of it or none. The holder is
        present by that."""
        ...

    def present(self, holder: str) -> int:
        """This holder is there, and what it holds it still holds; how many holders there are."""
        ...

    def leave(self, holder: str) -> None:
        """This holder holds nothing any more."""
        ...

    def close(self) -> None:
        """Ends the connection."""
        ...
