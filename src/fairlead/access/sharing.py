"""What counts limits that several hosts share: the true meters are rows of a store elsewhere.

One call to the store at a time; what is asked meanwhile goes together into the next. When the store
is away, rates go on with this host's part of them, and nothing else is lent. What was told to the
store without an answer counts as used; places among concurrent calls are told as they are, again
and again, so nothing of them is ever lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from datetime import date
from itertools import chain
from secrets import token_hex
from typing import Any

from fairlead.access.metering import Behind, Done, share
from fairlead.access.meters import Rate
from fairlead.access.shared_rows import Row, row, row_of, steps
from fairlead.core.allowance import CALENDAR, SECONDS, Limit
from fairlead.core.clock import monotonic_ns
from fairlead.core.clock import wall_ns as clock_wall_ns
from fairlead.core.metering import (
    MS,
    NEVER,
    PRESENT_NS,
    Back,
    Lent,
    MeterStore,
    Returned,
    Told,
    Want,
)

PLACES_END_NS = PRESENT_NS * 8 // 10
"""Places that were lent are used no longer without asking again: less than a holder is present."""

MOST = 16_384
"""Entries of each list and map that grows with what is asked."""

_GROUPS, _RETURNED = 64, 512
_LATE_NS = 1_000 * MS
_GREET_NS = 1_000 * MS
_TELL_ALL_NS = 30_000 * MS
_ALONE = (-1, 0)

_Ask = tuple[Sequence[Want], Done]


class _Call:
    """A call to the store that is under way. over: those who asked have been answered."""

    __slots__ = ("asks", "over", "returned", "wall_ns")

    def __init__(self, asks: list[_Ask], returned: Sequence[Returned], wall_ns: int) -> None:
        self.asks, self.returned, self.wall_ns = asks, returned, wall_ns
        self.over = False


class _Part:
    """This host's part of a rate, and what was taken of it since the store went away."""

    __slots__ = ("rate", "taken")

    def __init__(self, limit: Limit, hosts: int, lost_ns: int) -> None:
        self.rate = Rate(limit, lost_ns, hosts)
        # What was used before, here and elsewhere, is not known: it begins used up.
        self.rate.resume(self.rate.most, lost_ns, lost_ns)
        self.taken = 0

    def take(self, units: int, now_ns: int) -> None:
        self.rate.take(units, now_ns, 0)
        self.taken += units


class SharedMeters:
    """The limits of a host that shares them with others; one of `Meters`.

    store: called through `behind` only. changed: is told when the store goes away and comes back,
    and why. The holder's name is new each time: what a dead one held is free after PRESENT_NS.
    """

    def __init__(
        self,
        store: MeterStore,
        behind: Behind,
        changed: Callable[[bool, str], None],
        now_ns: Callable[[], int] = monotonic_ns,
        wall_ns: Callable[[], int] = clock_wall_ns,
    ) -> None:
        self._store, self._behind, self._changed = store, behind, changed
        self._now_ns, self._wall_ns = now_ns, wall_ns
        self._holder = token_hex(12)
        self._hosts = 0
        self._away = False
        self._asks: deque[_Ask] = deque()
        self._busy: _Call | None = None
        self._since_ns = self._lost_ns = 0
        self._heard_ns = now_ns()
        self._greeted_ns = self._told_all_ns = self._heard_ns - _TELL_ALL_NS
        # By row: places that this host has, all told; those that the store has not heard of yet.
        self._held: dict[str, int] = {}
        self._untold: dict[str, None] = {}
        self._back: dict[tuple[str, int, int], Returned] = {}
        self._owed: dict[str, Returned] = {}
        self._parts: dict[str, _Part] = {}

    @property
    def away(self) -> bool:
        """Whether the store does not answer."""
        return self._away

    @property
    def hosts(self) -> int:
        """Hosts that were there when the store was last heard of, this one too; 0 before."""
        return self._hosts

    # --- as Meters ----------------------------------------------------------------------------

    def take(self, wants: Sequence[Want], done: Done) -> None:
        if self._away or len(self._asks) >= MOST:
            self._alone(wants, done)
            return
        self._asks.append((wants, done))
        self._go()

    def give_back(self, back: Back) -> None:
        if back.units <= 0 or back.ticket == _ALONE:
            return
        limit, (then, since) = back.limit, back.ticket
        first = date.fromordinal(then) if limit.period in CALENDAR else None
        one = row_of(back.meter, limit, first)
        if one.kind == "held":
            self._holds(one.key, -back.units)
            self._go()
            return
        known = one.key, then, since
        units = back.units // steps(limit)
        before = self._back.get(known)
        if before is not None:
            self._back[known] = before._replace(units=before.units + units)
        elif units and len(self._back) < MOST:
            self._back[known] = one.returned(units, then, since)

    def owe(self, want: Want) -> None:
        one = self._row(want, self._wall_ns())
        if one.kind == "held":
            self._holds(one.key, want.least)
            self._go()
            return
        if self._away and one.kind == "rate" and self._hosts:
            self._part(want).take(want.least, self._now_ns())
            return
        self._owe(one, -(-want.least // steps(want.limit)))

    def save(self) -> None:
        """Every second: the store hears that this host is there, and whether it is back."""
        if self._busy is not None and self._now_ns() - self._since_ns > _LATE_NS:
            self._lose("it does not answer")
        self._go(greet=True)

    def close(self, in_order: bool) -> None:
        try:
            while not self._away and (self._back or self._owed):
                self._store.lend(self._holder, (), self._pending())
            if in_order:
                self._store.leave(self._holder)
        finally:
            self._store.close()

    # --- the store ----------------------------------------------------------------------------

    def _go(self, *, greet: bool = False) -> None:
        """Calls the store, if there is something to say and nothing under way."""
        now, wall = self._now_ns(), self._wall_ns()
        greet = greet or now - self._greeted_ns >= _GREET_NS
        if self._busy is not None:
            return
        if now - self._told_all_ns >= _TELL_ALL_NS or now - self._heard_ns >= PRESENT_NS // 2:
            self._told_all_ns = now
            self._untold.update(dict.fromkeys(self._held))
        asks: list[_Ask] = []
        if not self._away:
            asks = [self._asks.popleft() for _ in range(min(_GROUPS, len(self._asks)))]
        if not (greet or asks or self._untold or self._owed) or (self._away and not greet):
            return
        returned = [] if self._away else self._pending()
        groups = [[self._row(want, wall).asked(want) for want in wants] for wants, _ in asks]

        def work() -> tuple[int, list[list[Told]]]:
            told = self._store.lend(self._holder, groups, returned) if groups or returned else []
            return (self._store.present(self._holder) if greet else 0), told

        call = self._busy = _Call(asks, returned, wall)
        self._since_ns = now
        if greet:
            self._greeted_ns = now
        self._behind(work, lambda result: self._answered(call, result))

    def _answered(self, call: _Call, result: Any) -> None:
        if isinstance(result, Exception):
            self._unheard(call)
            self._lose(str(result))
            self._busy = None
            return
        self._busy, self._heard_ns = None, self._now_ns()
        hosts, told = result
        self._hosts = hosts or self._hosts
        self._heard(call, told)
        if self._away:
            self._return()
        self._go()

    def _heard(self, call: _Call, told: list[list[Told]]) -> None:
        for (wants, done), answers in zip(call.asks, told, strict=True):
            pairs = zip(wants, answers, strict=True)
            lent = [self._lent(want, one, call.wall_ns) for want, one in pairs]
            if not call.over:
                done(lent)
                continue
            # Nobody waits for it any more.
            for want, one in zip(wants, lent, strict=True):
                self.give_back(Back(want.meter, want.limit, one.ticket, one.units))

    def _lent(self, want: Want, told: Told, wall_ns: int) -> Lent:
        one, step = self._row(want, wall_ns), steps(want.limit)
        wait: int | None = told.wait_us * 1000 if told.wait_us >= 0 else None
        ticket, ends = (told.then, told.since), one.ends_ns
        if one.kind == "sum":
            ticket = one.first.toordinal() if one.first else 0, 0
            if wait is None and one.first and want.least <= one.most * step:
                wait = max(1, ends - wall_ns)
        elif one.kind == "held":
            ticket, ends = (0, 0), wall_ns + PLACES_END_NS
            if told.units:
                self._held[one.key] = self._held.get(one.key, 0) + told.units
        return Lent(told.units * step, ticket, ends, told.left * step, wait)

    def _unheard(self, call: _Call) -> None:
        """What the store may have done or not. What is owed is told again, twice at worst; what was
        given back or lent is used. How many places there are is told once more."""
        for one in call.returned:
            if one.kind == "held":
                self._untold[one.key] = None
            elif one.units < 0:
                before = self._owed.get(one.key)
                units = one.units + (before.units if before else 0)
                self._owed[one.key] = one._replace(units=units)
        for want in chain.from_iterable(wants for wants, _ in call.asks):
            if want.limit.dimension == "concurrency":
                self._untold[want.meter] = None

    # --- what is to be told -------------------------------------------------------------------

    def _row(self, want: Want, wall_ns: int) -> Row:
        return row(want.meter, want.limit, want.zone, wall_ns)

    def _holds(self, key: str, more: int) -> None:
        units = self._held.get(key, 0) + more
        if units > 0:
            self._held[key] = units
        else:
            self._held.pop(key, None)
        self._untold[key] = None

    def _owe(self, one: Row, units: int) -> None:
        before = self._owed.get(one.key)
        if before is not None:
            self._owed[one.key] = before._replace(units=before.units - units)
        elif len(self._owed) < MOST:
            self._owed[one.key] = one.returned(-units, 0, 0)

    def _pending(self) -> list[Returned]:
        """The next of what the store is to be told: what comes back is last."""
        found: list[Returned] = []
        for name in list(self._owed)[:_RETURNED]:
            found.append(self._owed.pop(name))
        for key in list(self._untold)[: _RETURNED - len(found)]:
            del self._untold[key]
            found.append(Returned(key, "held", 1, 1, self._held.get(key, 0), 0, 0, NEVER))
        for known in list(self._back)[: _RETURNED - len(found)]:
            found.append(self._back.pop(known))
        return found

    # --- without the store --------------------------------------------------------------------

    def _lose(self, reason: str) -> None:
        """The store is away: whoever waits is answered."""
        first, self._away = not self._away, True
        waiting = list(self._asks)
        self._asks.clear()
        if self._busy is not None and not self._busy.over:
            waiting = self._busy.asks + waiting
            self._busy.over = True
        if first:
            self._lost_ns = self._now_ns()
            self._changed(True, reason)
        for wants, done in waiting:
            self._alone(wants, done)

    def _return(self) -> None:
        """The store is back: it hears what was used of rates meanwhile, and what is held."""
        now, self._away = self._now_ns(), False
        for name, part in self._parts.items():
            limit = part.rate.limit
            used = min(part.taken, part.rate.used(now))
            if used:
                self._owe(row_of(name, limit, None), -(-used // steps(limit)))
        self._parts.clear()
        self._untold.update(dict.fromkeys(self._held))
        self._changed(False, "")

    def _part(self, want: Want) -> _Part:
        found = self._parts.get(want.meter)
        if found is None:
            found = self._parts[want.meter] = _Part(want.limit, self._hosts, self._lost_ns)
        elif found.rate.limit != want.limit:
            found.rate.change(want.limit, self._now_ns())
        return found

    def _alone(self, wants: Sequence[Want], done: Done) -> None:
        rates = all(want.limit.period in SECONDS for want in wants)
        if not rates or not self._hosts or len(self._parts) + len(wants) > MOST:
            done(None)
            return
        now = self._now_ns()
        parts = [(self._part(want), want) for want in wants]
        waits = [part.rate.wait_ns(want.least, now, 0) for part, want in parts]
        lent: list[Lent] = []
        for (part, want), wait in zip(parts, waits, strict=True):
            units = 0 if any(w != 0 for w in waits) else share(part.rate.left(now, 0), want)
            part.take(units, now)
            # What is more than this host's part may be had when the store is back.
            again = _LATE_NS if wait is None else wait
            lent.append(Lent(units, _ALONE, NEVER, part.rate.left(now, 0), again))
        done(lent)
