"""A worker's side of limits: calls take from what was lent to it, from every limit or from none.

Nothing here waits. A call that finds too little is parked until the lender has answered, about a
millisecond; what the lender has refused is refused here for as long as it said. Without the lender
rates go on with this worker's part of them, and what must never be exceeded is refused once what
was lent is used up. A lease ends when nothing was heard for two seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from secrets import token_hex
from typing import Any

from fairlead.access.lease import (
    COMPUTE,
    CONCURRENCY,
    NOTHING,
    Grant,
    Lease,
    Route,
    to_json,
)  # fmt: skip
from fairlead.access.limits import SHARED, Left, Rules, above, applying, used_up
from fairlead.access.meters import Rate
from fairlead.core.access import Caller
from fairlead.core.allowance import Cost
from fairlead.core.clock import monotonic_ns
from fairlead.core.errors import FairleadError, LimitsUnavailable, Overloaded
from fairlead.core.metering import MS, SCALE, Ticket

TERM_NS = 2_000 * MS
WAIT_NS = 250 * MS
WAITING = 4096
"""Calls that may be parked at one time."""
ROUTES = 16_384
"""Pairs of caller and model whose leases are remembered at least; at most twice as many."""

_AHEAD = 8
"""A lease of so many units is followed by the next before it is used up."""
_IDLE_NS = 100 * MS
_NEWS_NS = 500 * MS
_AWAY_NS = 100 * MS
_PLACES_NS = 20 * MS
_SECOND_NS = 1_000 * MS

Again = Callable[[], None]


class Leases:
    """The leases of one worker. send: to the bookkeeper; False when it is not on its way."""

    def __init__(
        self,
        send: Callable[[Mapping[str, Any]], bool],
        now_ns: Callable[[], int] = monotonic_ns,
    ) -> None:
        self._send, self._now_ns = send, now_ns
        self._worker = token_hex(8)
        self._rules = Rules()
        self._leases: dict[str, Lease] = {}
        self._held: dict[str, Lease] = {}
        # By caller and model. Two generations: what was idle for a whole one is forgotten.
        self._seen: dict[tuple[Caller, str], Route] = {}
        self._before: dict[tuple[Caller, str], Route] = {}
        self._parked: deque[tuple[Again, int]] = deque()
        self._wanted: list[list[Lease]] = []
        self._back: dict[tuple[str, Ticket], list[Any]] = {}
        self._owing: dict[str, Lease] = {}
        self._draining = self._given_up = self._closing = False
        self._deadline_ns = 0
        # Until then something that the lender refused may still be refused here.
        self._blocked_ns = 0
        self._up = False
        self._workers = 0
        self._heard_ns = self._sent_ns = now_ns()

    @property
    def away(self) -> bool:
        """Whether nothing is heard from the lender."""
        return not self._up

    def adopt(self, rules: Rules) -> None:
        """Goes on under other rules; what was used stays used."""
        self._rules = rules
        self._seen, self._before = {}, {}

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
        route = self._seen.get((caller, model)) or self._route(caller, model)
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
            self._wanted.append([one])
            if not self._draining:
                self._flush()

    def fits(self, caller: Caller, model: str, requests: int, size: int, now_ns: int) -> None:
        """Raises as `take` would if it is known by now that a call will not pass; takes nothing.

        size: bytes of the body.
        """
        route = self._seen.get((caller, model)) or self._route(caller, model)
        if route.leases and (now_ns < self._blocked_ns or size > route.most_bytes):
            units = Cost(requests=requests, size=size, compute_ns=1).units
            self._refuse_known(route, units, now_ns)

    def wait(self, again: Again) -> None:
        """Parks a call: `again` is called once when something has come, or when nothing will.

        It must ask `take` at once; first come, first served. Raises Overloaded when too many wait.
        """
        if len(self._parked) >= WAITING:
            raise Overloaded("too many calls wait for their limits", fix="Try again in a second")
        # A call that waits again has what is left of its time.
        until = self._deadline_ns if self._draining else self._now_ns() + WAIT_NS
        self._parked.append((again, until))

    def left(self, caller: Caller, model: str, now_ns: int, wall_ns: int) -> list[Left]:
        """What is left of the caller's own limits; not of those that it shares with others.

        A limit of which nothing was heard yet is left out.
        """
        found: list[Left] = []
        for one in self._route(caller, model).leases:
            if one.account.whose not in SHARED and one.left >= 0:
                remaining = one.remaining(now_ns)
                reset = one.reset_s(remaining, wall_ns)
                whole = remaining // SCALE.get(one.limit.dimension, 1)
                found.append(Left(one.account, one.limit, whole, reset))
        return found

    def look(self, caller: Caller, model: str) -> bool:
        """Asks how much is left of a caller's limits; whether there is an answer to `wait` for."""
        own = [o for o in self._route(caller, model).leases if o.account.whose not in SHARED]
        asking = [one for one in own if not one.asked]
        for one in asking:
            one.asked, one.least, one.sure = True, 0, 0
        if asking:
            self._wanted.append(asking)
            self._flush()
        return bool(own) and self._up

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
        if not self._up or self._given_up:
            self._alone(lacking, units, now_ns, wall_ns)
            return True
        if any(now_ns < one.away_ns for one in lacking):
            raise _unavailable()
        asking = [one for one in lacking if not one.asked]
        for one in lacking:
            need = units[one.place] - one.units
            one.sure += units[one.place] if one.sure else need
            if not one.asked:
                one.asked, one.least = True, need
        if asking:
            self._wanted.append(asking)
            if not self._draining and not self._flush():
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
                raise _unavailable()
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
        self._return(one, one.ticket, one.units)
        one.units = 0
        one.until_ns = 0
        one.ends_ns = 2**63 - 1

    # --- what grants give back ------------------------------------------------------------

    def freed(self, lease: Lease, units: int) -> None:
        """Places among concurrent calls are free."""
        lease.busy -= units
        if self._up:
            lease.units += units
            self._held[lease.name] = lease
            if self._closing:
                self._give(lease)
                self._flush()

    def unused(self, lease: Lease, ticket: Ticket | None, units: int) -> None:
        """Units that were taken were not used. Of rates, the lender knows what still counts."""
        if ticket is None:
            return
        if ticket == lease.ticket and not lease.rate and self._up:
            lease.units += units
            self._held[lease.name] = lease
        else:
            self._return(lease, ticket, units)

    def more(self, lease: Lease, units: int) -> None:
        """More was used than had been taken: the lender counts what is not there."""
        here = min(units, lease.units)
        lease.units -= here
        if units > here:
            lease.owed += units - here
            self._owing[lease.name] = lease

    def _give(self, one: Lease) -> None:
        """Everything unused goes back."""
        self._return(one, one.ticket, one.units)
        one.units = 0

    def _return(self, one: Lease, ticket: Ticket | None, units: int) -> None:
        if ticket is None or units <= 0:
            return
        known = one.name, ticket
        before = self._back.get(known)
        if before is None:
            self._back[known] = to_json(one, ticket, units)
        else:
            before[-1] += units

    # --- the lender -----------------------------------------------------------------------

    def heard(self, message: Mapping[str, Any]) -> None:
        """Takes what the lender has said: a message of the kind `lent` or `recall`."""
        now = self._heard_ns = self._now_ns()
        if message["kind"] == "recall":
            self._recalled(message["meters"], now)
            return
        self._up = True
        self._workers = message["workers"]
        if message["hello"]:
            self._report()
        for name, units, ticket, ends_ns, left, again_ns in message["lent"]:
            self._lent(name, units, (ticket[0], ticket[1]), ends_ns, left, again_ns, now)
        self._drain(len(self._parked))

    def _lent(
        self, name: str, units: int, ticket: Ticket, ends_ns: int, left: int,
        again_ns: int | None, now_ns: int,
    ) -> None:  # fmt: skip
        one = self._leases.get(name)
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
                self._give(one)
            if one.units <= 0 or one.ticket is None:
                one.ticket = ticket
            one.units += units
            one.used_ns = now_ns
            one.until_ns = 0
            one.part = None
            one.low = units // 2 if one.place != CONCURRENCY and units >= _AHEAD else 0
            self._held[name] = one
        elif least and again_ns != 0:
            one.short = least
            one.wait_ns = None if again_ns is None else now_ns + again_ns
            if not one.rate:
                # Somebody may bring something back before.
                again_ns = _PLACES_NS if one.place == CONCURRENCY else _AWAY_NS
            one.until_ns = now_ns + (again_ns or _AWAY_NS)
            self._blocked_ns = max(self._blocked_ns, one.until_ns)
        one.ends_ns = ends_ns

    def _recalled(self, names: Sequence[str], now_ns: int) -> None:
        for name in names:
            one = self._leases.get(name)
            if one is not None:
                one.wanted_ns = now_ns + _SECOND_NS
                self._give(one)
        self._tell(recalled=list(names))

    def _report(self) -> None:
        """Tells a lender that has not known this worker which places are in use."""
        busy = [one for one in self._leases.values() if one.place == CONCURRENCY and one.busy > 0]
        self._tell(holds=[to_json(one, one.zone, one.busy) for one in busy])

    def lost(self) -> None:
        """The line to the lender broke. What was asked for will not come."""
        self._up = False
        self._wanted.clear()
        places = {one.name for one in self._leases.values() if one.place == CONCURRENCY}
        self._back = {known: back for known, back in self._back.items() if known[0] not in places}
        for one in self._leases.values():
            one.asked, one.sure, one.until_ns = False, 0, 0
            if one.place == CONCURRENCY:
                # The lender lends these to others soon; those in use it is told of when it is back.
                one.units = 0
        self._drain(len(self._parked), given_up=True)

    def beat(self, now_ns: int) -> None:
        """To be called every 20 to 50 ms: gives idle leases back, and ends waiting."""
        if self._up and now_ns - self._heard_ns > TERM_NS:
            self._up = False
            for one in self._leases.values():
                self._give(one)
        elif self._up:
            self._give_idle(now_ns)
        news = now_ns - self._sent_ns >= _NEWS_NS
        if self._back or self._owing or news:
            self._flush(always=True)
        over = 0
        for _, until in self._parked:
            if until > now_ns:
                break
            over += 1
        self._drain(over, given_up=True)

    def _give_idle(self, now_ns: int) -> None:
        """What was not used for a while, or others wanted lately, goes back."""
        for name, one in list(self._held.items()):
            if now_ns - one.used_ns >= _IDLE_NS or now_ns < one.wanted_ns:
                if one.units > 0:
                    self._give(one)
                if not one.busy:
                    del self._held[name]

    def close(self) -> None:
        """Gives everything back; from now on places are given back as they become free."""
        self._closing = True
        for one in self._leases.values():
            self._give(one)
        self._flush(always=True)

    def _drain(self, count: int, *, given_up: bool = False) -> None:
        """Lets parked calls ask again, in their order."""
        if self._draining:
            return
        self._draining, self._given_up = True, given_up
        try:
            for _ in range(min(count, len(self._parked))):
                again, self._deadline_ns = self._parked.popleft()
                again()
        finally:
            self._draining = self._given_up = False
        if self._wanted:
            self._flush()

    def _flush(self, *, always: bool = False) -> bool:
        """Sends what is wanted, owed and given back. Whether it is on its way."""
        groups, self._wanted = self._wanted, []
        wants = [[to_json(one, one.zone, one.least, one.sure) for one in g] for g in groups]
        if not (wants or always or self._back or self._owing):
            return True
        sent = self._tell(wants=wants)
        if not sent:
            for group in groups:
                for one in group:
                    one.asked, one.sure = False, 0
        return sent

    def _tell(self, **what: Any) -> bool:
        """Everything goes in the order in which it happened: first back, then wanted."""
        owing = list(self._owing.values())
        owed = [to_json(one, one.zone, one.owed) for one in owing]
        back = list(self._back.values())
        message = {"kind": "lease", "worker": self._worker, "back": back, "owed": owed, **what}
        if not self._send(message):
            return False
        self._back.clear()
        self._owing.clear()
        for one in owing:
            one.owed = 0
        self._sent_ns = self._now_ns()
        return True

    # --- which leases ---------------------------------------------------------------------

    def _route(self, caller: Caller, model: str) -> Route:
        """The leases of the calls of a caller to a model; remembered."""
        known = caller, model
        route = self._seen.get(known) or self._before.get(known)
        if route is None:
            route = Route([self._lease(*one) for one in applying(self._rules, caller, model)])
        if len(self._seen) >= ROUTES:
            self._before, self._seen = self._seen, {}
            self._forget()
        self._seen[known] = route
        return route

    def _lease(self, account: Any, limit: Any, zone: str) -> Lease:
        found = Lease(account, limit, zone)
        before = self._leases.setdefault(found.name, found)
        if before.limit != limit:
            before.change(limit)
        before.zone = zone
        return before

    def _forget(self) -> None:
        """Leases that nobody of the last two generations used go back."""
        routes = (*self._before.values(), *self._seen.values())
        used = {one.name for route in routes for one in route.leases}
        for name, one in list(self._leases.items()):
            if name not in used and not (one.asked or one.busy or one.owed):
                self._give(one)
                del self._leases[name]


def _unavailable() -> LimitsUnavailable:
    return LimitsUnavailable(
        "how much is left cannot be known at the moment", fix="Try again in a second"
    )
