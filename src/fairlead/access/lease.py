"""What a worker holds of one limit, and what one call has taken of all that apply to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from fairlead.access.limits import Account, meter_name
from fairlead.access.meters import Rate
from fairlead.core.allowance import DIMENSIONS, SECONDS, Limit
from fairlead.core.metering import NEVER, SCALE, Ticket

BYTES, COMPUTE, CONCURRENCY, CREDITS = map(
    DIMENSIONS.index, ("bytes", "compute_ms", "concurrency", "credits")
)


class Lease:
    """Units of one limit that this worker may use without asking.

    place:   of the limit's dimension in the units of a `Cost`. most: what may ever be used at once.
    units:   what is there. ends_ns: the wall clock at which that ends. ticket: of the oldest part
             of it, which says least about how much still counts; None where nobody would take it.
    used_ns: when something was taken last. busy: places among concurrent calls that are in use.
    asked:   whether an answer is awaited. least, sure: what the first, and all, of the calls that
             wait for it need.
    short:   so much, or more, is not to be had before until_ns; wait_ns is when it will be, None
             where no waiting helps. away_ns: until then what counts the limit is out of reach.
    low:     when less is there, more is asked for before it is needed; 0 when that was done.
    left:    what others could still have, when it was heard last, at left_ns; -1 before that.
    owed:    what was used and is not yet counted.
    """

    __slots__ = (
        "account", "asked", "away_ns", "busy", "ends_ns", "least", "left", "left_ns", "limit",
        "low", "most", "name", "owed", "part", "place", "rate", "short", "sure", "ticket", "units",
        "until_ns", "used_ns", "wait_ns", "wanted_ns", "zone",
    )  # fmt: skip

    def __init__(self, account: Account, limit: Limit, zone: str) -> None:
        self.account, self.zone = account, zone
        self.name = meter_name(account, limit)
        self.place = DIMENSIONS.index(limit.dimension)
        self.rate = limit.period in SECONDS
        self.units = self.busy = self.owed = self.least = self.sure = self.low = 0
        self.used_ns = self.left_ns = self.wanted_ns = self.away_ns = 0
        self.ends_ns = NEVER
        self.ticket: Ticket | None = None
        self.asked = False
        self.part: Rate | None = None
        self.left = -1
        self.change(limit)

    def change(self, limit: Limit) -> None:
        """Goes on under another amount."""
        self.limit = limit
        self.most = (limit.burst or limit.amount) * SCALE.get(limit.dimension, 1)
        self.short = NEVER
        self.until_ns = 0
        self.wait_ns: int | None = 0
        self.part = None

    def refused(self, need: int, now_ns: int) -> bool:
        """Whether it is known that so much is not to be had now."""
        return now_ns < self.until_ns and need - self.units >= self.short

    def remaining(self, now_ns: int) -> int:
        """Units that are left for the caller, as far as it is known here."""
        found = self.left + self.units
        if self.rate:
            span = SECONDS[self.limit.period] * 1_000_000_000
            amount = self.limit.amount * SCALE.get(self.limit.dimension, 1)
            found += max(0, now_ns - self.left_ns) * amount // span
        return max(0, min(found, self.most))

    def reset_s(self, remaining: int, wall_ns: int) -> int | None:
        """Seconds until everything is there again, None where time brings nothing."""
        if remaining >= self.most:
            return 0
        if self.rate:
            amount = self.limit.amount * SCALE.get(self.limit.dimension, 1)
            return -(-(self.most - remaining) * SECONDS[self.limit.period] // amount)
        if self.ends_ns == NEVER:
            return None
        return max(1, -(-(self.ends_ns - wall_ns) // 1_000_000_000))


class Route:
    """Every lease that calls of one caller to one model take from.

    most_bytes: the largest body that any of them ever lets pass.
    holding, settling: those of concurrency, and those that change when a call is over.
    computes: whether compute time is counted.
    """

    __slots__ = ("computes", "holding", "leases", "most_bytes", "settling")

    def __init__(self, leases: Sequence[Lease]) -> None:
        self.leases = tuple(leases)
        self.holding = tuple(one for one in leases if one.place == CONCURRENCY)
        self.settling = tuple(one for one in leases if one.place in (COMPUTE, CONCURRENCY, CREDITS))
        self.most_bytes = min([o.most for o in leases if o.place == BYTES], default=NEVER)
        self.computes = any(one.place == COMPUTE for one in leases)


class Taker(Protocol):
    """What grants give back to."""

    def freed(self, lease: Lease, units: int) -> None:
        """Places among concurrent calls are free."""
        ...

    def unused(self, lease: Lease, ticket: Ticket | None, units: int) -> None:
        """Units that were taken were not used."""
        ...

    def more(self, lease: Lease, units: int) -> None:
        """More units were used than had been taken."""
        ...


class Grant:
    """What one call has taken. It is settled or refunded once; a second time changes nothing."""

    __slots__ = ("_route", "_taker", "_tickets", "_units")

    def __init__(
        self,
        taker: Taker,
        route: Route | None,
        units: tuple[int, ...],
        tickets: list[Ticket | None],
    ) -> None:
        self._taker, self._route, self._units, self._tickets = taker, route, units, tickets

    def settle(
        self, now_ns: int, wall_ns: int, compute_ns: int = 0, credits: int | None = None
    ) -> None:
        """The call is over, and this is what it used.

        Its place among concurrent calls is free again. Compute time may be more than was held:
        the rest is counted now, and later calls wait for it. Credits may not: ValueError.
        None leaves the credits as they were held.
        """
        route = self._route
        if route is None:
            return
        units = self._units
        if credits is not None and credits > units[CREDITS]:
            raise ValueError("a call used more credits than were held for it")
        self._route = None
        for lease in route.settling:
            if lease.place == CONCURRENCY:
                self._taker.freed(lease, units[CONCURRENCY])
                continue
            used = compute_ns if lease.place == COMPUTE else credits
            surplus = 0 if used is None else used - units[lease.place]
            if surplus > 0:
                self._taker.more(lease, surplus)
            elif surplus < 0:
                ticket = self._tickets[route.leases.index(lease)]
                self._taker.unused(lease, ticket, -surplus)

    def refund(self, now_ns: int) -> None:
        """The call was never executed: everything is given back, as far as it still counts."""
        route, self._route = self._route, None
        if route is None:
            return
        for lease, ticket in zip(route.leases, self._tickets, strict=True):
            units = self._units[lease.place]
            if lease.place == CONCURRENCY:
                self._taker.freed(lease, units)
            elif units:
                self._taker.unused(lease, ticket, units)


class NoTaker:
    """Takes nothing back, since nothing was taken."""

    def freed(self, lease: Lease, units: int) -> None:
        return

    def unused(self, lease: Lease, ticket: Ticket | None, units: int) -> None:
        return

    def more(self, lease: Lease, units: int) -> None:
        return


NOTHING = Grant(NoTaker(), None, (), [])
"""The grant of every call to which no limit applies."""


def to_json(lease: Lease, *rest: Any) -> list[Any]:
    """A lease as messages name it: what it is called, its limit, and what follows."""
    return [lease.name, str(lease.limit), *rest]
