"""A worker's side of limits: calls take from what was lent to it, from every limit or from none.

Nothing here waits. A call that finds too little is parked until the lender has answered, about a
millisecond; what the lender has refused is refused here for as long as it said. Without the lender
rates go on with this worker's part of them, and what must never be exceeded is refused once what
was lent is used up. A lease ends when nothing was heard for two seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fairlead.access.asking import Asking
from fairlead.access.lease import COMPUTE, CONCURRENCY, NOTHING, Grant, Lease, Route
from fairlead.access.limits import SHARED, Left, Rules, above, unavailable, used_up
from fairlead.access.meters import Rate
from fairlead.access.parking import Again, Parking
from fairlead.access.routes import Routes
from fairlead.core.access import Caller
from fairlead.core.allowance import Cost
from fairlead.core.clock import monotonic_ns
from fairlead.core.errors import FairleadError
from fairlead.core.metering import MS, NEVER, SCALE, Ticket

TERM_NS = 2_000 * MS

_AHEAD = 8
"""A lease of so many units is followed by the next before it is used up."""
_IDLE_NS = 100 * MS
_NEWS_NS = 500 * MS
_AWAY_NS = 100 * MS
_PLACES_NS = 20 * MS
_SECOND_NS = 1_000 * MS


class Leases:
    """The leases of one worker. send: to the bookkeeper; False when it is not on its way."""

    def __init__(
        self,
        send: Callable[[Mapping[str, Any]], bool],
        now_ns: Callable[[], int] = monotonic_ns,
    ) -> None:
        self._now_ns = now_ns
        self._asking = Asking(send, now_ns)
        self._routes = Routes(self._asking)
        self._parking = Parking(now_ns)
        self._held: dict[str, Lease] = {}
        self._closing = False
        # Until then something that the lender refused may still be refused here.
        self._blocked_ns = 0
        # Whether there is a line, and whether anything is heard on it.
        self._linked = self._up = False
        self._workers = 0
        self._heard_ns = now_ns()

    @property
    def away(self) -> bool:
        """Whether nothing is heard from the lender."""
        return not self._up

    @property
    def quiet(self) -> bool:
        """Whether nothing is held, asked for or waited for: beats may be a tenth of a second apart
        until it ends."""
        return not (self._held or self._asking.waiting or len(self._parking))

    def adopt(self, rules: Rules) -> None:
        """Goes on under other rules; what was used stays used."""
        self._routes.adopt(rules)

    # --- the path -------------------------------------------------------------------------

    def take(
        self, caller: Caller, model: str, cost: Cost, now_ns: int, wall_ns: int
    ) -> Grant | None:
        """Takes the cost of a call from every limit that applies, or from none.

        None when something has to be asked for first: park the call with `wait`. now_ns:
        monotonic. wall_ns: for days and months. Raises ResourceExhausted, whose `retry_after` says
        when to ask again; AboveLimit for a cost that no waiting makes possible; and
        LimitsUnavailable when nobody can say how much is left.
        """
        route = self._routes.seen.get((caller, model)) or self._routes.route(caller, model)
        leases = route.leases
        if not leases:
            return NOTHING
        units = cost.units
        if route.computes and not units[COMPUTE]:
            # How long it takes is known afterwards: it must find something left, however little.
            units = (*units[:COMPUTE], 1, *units[COMPUTE + 1 :])
        for one in leases:
            if one.units < units[one.place] or wall_ns >= one.ends_ns:
                if not self._lacking(route, units, now_ns, wall_ns):
                    return None
                break
        tickets: list[Ticket | None] = []
        for one in leases:
            one.units = left = one.units - units[one.place]
            one.used_ns = now_ns
            tickets.append(one.ticket)
            if left < one.low:
                self._ask_ahead(one)
        for one in route.holding:
            one.busy += units[CONCURRENCY]
        return Grant(self, route, units, tickets)

    def _ask_ahead(self, one: Lease) -> None:
        """Asks for more while there is some, so that calls need not wait for it."""
        one.low = 0  # once for each lease
        if self._up and not one.asked and not self._closing:
            one.asked, one.least, one.sure = True, 1, 1
            self._asking.want([one])
            if not self._parking.moving:
                self._asking.flush()

    def fits(self, caller: Caller, model: str, requests: int, size: int, now_ns: int) -> None:
        """Raises as `take` would if it is known by now that a call will not pass; takes nothing.

        size: bytes of the body.
        """
        route = self._routes.seen.get((caller, model)) or self._routes.route(caller, model)
        if route.leases and (now_ns < self._blocked_ns or size > route.most_bytes):
            units = Cost(requests=requests, size=size, compute_ns=1).units
            self._refuse_known(route, units, now_ns)

    def wait(self, again: Again) -> None:
        """Parks a call: `again` is called once when something has come, or when nothing will.

        It must ask `take` at once; first come, first served. Raises Overloaded when too many wait.
        """
        self._parking.wait(again)

    def left(self, caller: Caller, model: str, now_ns: int, wall_ns: int) -> list[Left]:
        """What is left of the caller's own limits; not of those that it shares with others.

        A limit of which nothing was heard yet is left out.
        """
        found: list[Left] = []
        for one in self._routes.route(caller, model).leases:
            if one.account.whose not in SHARED and one.left >= 0:
                remaining = one.remaining(now_ns)
                reset = one.reset_s(remaining, wall_ns)
                whole = remaining // SCALE.get(one.limit.dimension, 1)
                found.append(Left(one.account, one.limit, whole, reset))
        return found

    def look(self, caller: Caller, model: str) -> bool:
        """Asks how much is left of a caller's limits; whether there is an answer to `wait` for."""
        if not self._up:
            return False
        own = [o for o in self._routes.route(caller, model).leases if o.account.whose not in SHARED]
        asking = [one for one in own if not one.asked]
        for one in asking:
            one.asked, one.least, one.sure = True, 0, 0
        if asking:
            self._asking.want(asking)
            self._asking.flush()
        return bool(own)

    # --- what is not there ----------------------------------------------------------------

    def _lacking(self, route: Route, units: tuple[int, ...], now_ns: int, wall_ns: int) -> bool:
        """Whether all is there after all. If not, it has been asked for; or raises."""
        for one in route.leases:
            if wall_ns >= one.ends_ns:
                self._lapse(one)
        self._refuse_known(route, units, now_ns)
        lacking = [one for one in route.leases if one.units < units[one.place]]
        if not lacking:
            return True
        if not self._up or self._parking.given_up:
            self._alone(lacking, units, now_ns, wall_ns)
            return True
        if any(now_ns < one.away_ns for one in lacking):
            raise unavailable()
        asking = [one for one in lacking if not one.asked]
        for one in lacking:
            need = units[one.place] - one.units
            one.sure += units[one.place] if one.sure else need
            if not one.asked:
                one.asked, one.least = True, need
        if asking:
            self._asking.want(asking)
            if not self._parking.moving and not self._asking.flush():
                self._alone(lacking, units, now_ns, wall_ns)
                return True
        return False

    def _refuse_known(self, route: Route, units: tuple[int, ...], now_ns: int) -> None:
        """Raises what the lender has said of a limit: of several, the one that lasts longest."""
        worst: FairleadError | None = None
        longest = -1.0
        for one in route.leases:
            need = units[one.place]
            if need > one.most:
                raise above(one.account, one.limit)
            if one.refused(need, now_ns):
                wait = None if one.wait_ns is None else max(0, one.wait_ns - now_ns)
                if one.place == CONCURRENCY:
                    wait = _SECOND_NS  # a call may end at any time
                lasts = float("inf") if wait is None else wait
                if lasts > longest:
                    longest, worst = lasts, used_up(one.account, one.limit, wait)
        if worst is not None:
            raise worst

    def _alone(
        self, lacking: Sequence[Lease], units: tuple[int, ...], now_ns: int, wall_ns: int
    ) -> None:
        """Without the lender: rates go on with this worker's part, everything else is refused."""
        parts: list[tuple[Lease, Rate, int]] = []
        for one in lacking:
            need = units[one.place] - one.units
            if not one.rate or not self._workers:
                raise unavailable()
            if one.part is None:
                one.part = Rate(one.limit, now_ns, self._workers)
                # What was used lately is not known: it begins used up.
                one.part.take(one.part.most, now_ns, wall_ns)
            if not one.part.fits(need, now_ns, wall_ns):
                wait = one.part.wait_ns(need, now_ns, wall_ns)
                raise used_up(one.account, one.limit, _SECOND_NS if wait is None else wait)
            parts.append((one, one.part, need))
        for one, part, need in parts:
            part.take(need, now_ns, wall_ns)
            one.units += need
            one.ticket = None
            self._held[one.name] = one

    def _lapse(self, one: Lease) -> None:
        """The day or month is over of which these units are."""
        self._asking.give_back(one, one.ticket, one.units)
        one.ticket = None
        one.units = 0
        one.until_ns = 0
        one.ends_ns = NEVER

    # --- what grants give back ------------------------------------------------------------

    def freed(self, lease: Lease, units: int) -> None:
        """Places among concurrent calls are free."""
        lease.busy -= units
        if self._up:
            lease.units += units
            self._held[lease.name] = lease
            if self._closing:
                self._asking.give(lease)
                self._asking.flush()
        elif self._linked:
            self._asking.give_back(lease, lease.ticket, units)  # once it is heard again

    def unused(self, lease: Lease, ticket: Ticket | None, units: int) -> None:
        """Units that were taken were not used. Of rates, the lender knows what still counts."""
        if ticket is None:
            return
        if ticket == lease.ticket and not lease.rate and self._up:
            lease.units += units
            self._held[lease.name] = lease
        else:
            self._asking.give_back(lease, ticket, units)

    def more(self, lease: Lease, units: int) -> None:
        """More was used than had been taken: the lender counts what is not there."""
        here = min(units, lease.units)
        lease.units -= here
        if units > here:
            self._asking.owe(lease, units - here)

    # --- the lender -----------------------------------------------------------------------

    def heard(self, message: Mapping[str, Any]) -> None:
        """Takes what the lender has said: a message of the kind `lent` or `recall`."""
        now = self._heard_ns = self._now_ns()
        if message["kind"] == "recall":
            self._recalled(message["meters"], now)
            return
        self._linked = self._up = True
        self._workers = message["workers"]
        if message["hello"]:
            self._asking.report(list(self._routes.leases.values()))
        for name, units, ticket, ends_ns, left, again_ns in message["lent"]:
            self._lent(name, units, (ticket[0], ticket[1]), ends_ns, left, again_ns, now)
        self._move()

    def _lent(
        self, name: str, units: int, ticket: Ticket, ends_ns: int, left: int,
        again_ns: int | None, now_ns: int,
    ) -> None:  # fmt: skip
        one = self._routes.leases.get(name)
        if one is None:
            return  # nobody asks for what is forgotten: see _forget
        least, one.asked, one.sure = one.least, False, 0
        one.away_ns = 0
        if again_ns is not None and again_ns < 0:
            one.away_ns = now_ns + _AWAY_NS
            return
        one.left, one.left_ns = left, now_ns
        if units:
            if not one.rate and one.units and one.ticket != ticket:
                self._asking.give(one)
            if one.units <= 0 or one.ticket is None:
                one.ticket = ticket
            one.units += units
            one.used_ns = now_ns
            one.until_ns = 0
            one.part = None
            one.low = units // 2 if one.place != CONCURRENCY and units >= _AHEAD else 0
            self._held[name] = one
            if again_ns:
                # That was the last: who needs more is refused here until there is some.
                one.low = 0
                self._refused(one, 1, again_ns, now_ns)
        elif least and again_ns != 0:
            self._refused(one, least, again_ns, now_ns)
        if ends_ns != one.ends_ns and (units or not one.units):
            one.ends_ns = ends_ns
            if not units:
                one.ticket = None  # what calls of the day before give back is not of this one

    def _refused(self, one: Lease, least: int, again_ns: int | None, now_ns: int) -> None:
        """So much is not to be had for a while."""
        one.short = least
        one.wait_ns = None if again_ns is None else now_ns + again_ns
        if not one.rate:
            # Somebody may bring something back before.
            again_ns = _PLACES_NS if one.place == CONCURRENCY else _AWAY_NS
        one.until_ns = now_ns + (again_ns or _AWAY_NS)
        self._blocked_ns = max(self._blocked_ns, one.until_ns)

    def _recalled(self, names: Sequence[str], now_ns: int) -> None:
        for name in names:
            one = self._routes.leases.get(name)
            if one is not None:
                one.wanted_ns = now_ns + _SECOND_NS
                self._asking.give(one)
        self._asking.tell(recalled=list(names))

    def lost(self) -> None:
        """The line to the lender broke. What was asked for will not come."""
        self._up = self._linked = False
        self._asking.lost()
        for one in self._routes.leases.values():
            one.asked, one.sure, one.until_ns = False, 0, 0
            if one.place == CONCURRENCY:
                # The lender lends these to others soon; those in use it is told of when it is back.
                one.units = 0
        self._move(given_up=True)

    def beat(self, now_ns: int) -> None:
        """To be called every 20 to 50 ms, or every 100 while it is `quiet`: gives idle leases back,
        and ends waiting."""
        if self._up and now_ns - self._heard_ns > TERM_NS:
            self._up = False
            for one in self._routes.leases.values():
                self._asking.give(one)
        elif self._up:
            self._give_idle(now_ns)
        news = now_ns - self._asking.sent_ns >= _NEWS_NS
        if self._linked and (self._asking.waiting or news):
            self._asking.flush(always=True)
        self._parking.end(now_ns)

    def _give_idle(self, now_ns: int) -> None:
        """What was not used for a while, or others wanted lately, goes back."""
        for name, one in list(self._held.items()):
            if now_ns - one.used_ns >= _IDLE_NS or now_ns < one.wanted_ns:
                if one.units > 0:
                    self._asking.give(one)
                if not one.busy:
                    del self._held[name]

    def _move(self, *, given_up: bool = False) -> None:
        """Lets parked calls ask again, and sends what they want."""
        self._parking.move(given_up=given_up)
        if self._asking.waiting and not self._parking.moving:
            self._asking.flush()

    def close(self) -> None:
        """Gives everything back; from now on places are given back as they become free."""
        self._closing = True
        for one in self._routes.leases.values():
            self._asking.give(one)
        self._asking.flush(always=True)
