"""The lender: lends the limits of a host to its workers, who then ask nobody for each call.

A lease is 1 % of a limit at most, and no more than a worker has lately used in 40 ms; what calls
wait for is lent whatever it is. What one worker is refused and others may hold unused is recalled
from them first. Units that were lent and not brought back are used: when a worker dies nothing of
rates, quotas and credits is lent again. Its places among concurrent calls are free two seconds
later, unless it comes back before and says which it still has.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

from fairlead.access.metering import Meters
from fairlead.core.allowance import SECONDS, Limit, parse_limit
from fairlead.core.clock import monotonic_ns
from fairlead.core.metering import MS, NEVER, SCALE, Back, Lent, Want

TERM_NS = 2_000 * MS
"""A lease ends after so long without news."""

_COVERS_NS = 40 * MS
_RECALL_NS = 100 * MS
_AGAIN_NS = 20 * MS
"""Nobody is asked more often than this to bring back the same thing."""
_PACE_NS = 5 * MS
_GATE_NS = 200 * MS
SIZES = 16_384
"""Limits whose use by one worker is remembered; at least."""

Line = Hashable
Send = Callable[[Any, Mapping[str, Any]], bool]


class _Side:
    """What the lender knows of one worker."""

    __slots__ = ("held", "lent", "promised", "recalled", "reported", "since", "sizes", "worker")

    def __init__(self, now_ns: int) -> None:
        self.since = now_ns
        self.worker = ""
        self.reported = False
        self.held: dict[str, _Held] = {}
        # Quotas and credits lent since they were recalled last.
        self.lent: set[str] = set()
        self.recalled: dict[str, int] = {}
        self.promised: dict[str, int] = {}
        self.sizes: dict[str, tuple[int, int]] = {}


class _Held:
    """Places among concurrent calls that a worker has."""

    __slots__ = ("limit", "units", "zone")

    def __init__(self, limit: Limit, zone: str) -> None:
        self.limit, self.zone, self.units = limit, zone, 0


class _Ask:
    """What a worker has asked for and not been told yet."""

    __slots__ = ("line", "recalled", "until_ns", "waits_for", "wants")

    def __init__(self, line: Line, wants: Sequence[Want]) -> None:
        self.line, self.wants = line, wants
        self.recalled = False
        self.waits_for: set[Line] = set()
        self.until_ns = 0


class Lending:
    """Lends what `meters` count. Lines are whatever `send` can send to.

    careful: whoever lent before did not end in order, so that workers may hold places that they
             have not told of yet.
    """

    def __init__(
        self,
        meters: Meters,
        send: Send,
        *,
        careful: bool,
        now_ns: Callable[[], int] = monotonic_ns,
    ) -> None:
        self._meters, self._send, self._now_ns = meters, send, now_ns
        self._gate_ns = now_ns() + TERM_NS if careful else 0
        self._sides: dict[Line, _Side] = {}
        self._lost: dict[tuple[str, str], tuple[_Held, int]] = {}
        self._asks: list[_Ask] = []
        self.asked = 0
        """Groups of wants that were put to the meters."""

    @property
    def idle(self) -> bool:
        """Whether nobody holds a place among concurrent calls."""
        return not self._lost and not any(side.held for side in self._sides.values())

    def joined(self, line: Line) -> None:
        """A worker is there; it is asked what it still holds."""
        self._side(line)
        self._tell(line, [], hello=True)

    def _side(self, line: Line) -> _Side:
        found = self._sides.get(line)
        if found is None:
            found = self._sides[line] = _Side(self._now_ns())
        return found

    def lost(self, line: Line) -> None:
        """A worker's line has ended."""
        side = self._sides.pop(line, None)
        if side is not None:
            until = self._now_ns() + TERM_NS
            for name, held in side.held.items():
                before = self._lost.pop((side.worker, name), None)
                if before is not None:
                    held.units += before[0].units
                self._lost[side.worker, name] = held, until
        self._asks = [ask for ask in self._asks if ask.line != line]
        for ask in self._asks:
            ask.waits_for.discard(line)

    def take(self, line: Line, message: Mapping[str, Any]) -> None:
        """A worker's message: what it brings back, has used, still holds, and wants."""
        side = self._side(line)
        side.worker = str(message["worker"])
        for name, written, ticket, units in message.get("back", ()):
            self._back(side, Back(name, parse_limit(written), (ticket[0], ticket[1]), units))
        if "holds" in message:
            self._reported(side, message["holds"])
        for name, written, place, units in message.get("owed", ()):
            self._owed(side, Want(name, parse_limit(written), place, units, units, units))
        for name in message.get("recalled", ()):
            side.lent.discard(name)
        if message.get("recalled"):
            for ask in self._asks:
                ask.waits_for.discard(line)
        for group in message.get("wants", ()):
            self._ask(_Ask(line, [self._want(side, *entry) for entry in group]))
        if not message.get("wants"):
            self._tell(line, [])
        self._retry()

    def beat(self) -> None:
        """Frees what dead workers held, and answers those who waited long enough."""
        now = self._now_ns()
        for known, (held, until) in list(self._lost.items()):
            if now >= until:
                del self._lost[known]
                self._meters.give_back(Back(known[1], held.limit, (0, 0), held.units))
        self._retry()

    # --- what is asked --------------------------------------------------------------------

    def _want(
        self, side: _Side, name: str, written: str, place: str, least: int, sure: int
    ) -> Want:
        limit = parse_limit(written)
        if not least and not sure:
            return Want(name, limit, place, 0, 0, 0)
        most = _lease(limit)
        now = self._now_ns()
        size, then = side.sizes.get(name, (0, 0))
        lately = size * _COVERS_NS // max(1, now - then)
        return Want(name, limit, place, least, sure, min(most, lately, 2 * size))

    def _ask(self, ask: _Ask) -> None:
        if not self._gate_is_open(ask):
            ask.until_ns = ask.until_ns or self._now_ns() + _GATE_NS
            if self._now_ns() >= ask.until_ns:
                self._away(ask)
            else:
                self._asks.append(ask)
            return
        self.asked += 1
        self._meters.take(ask.wants, lambda lent: self._taken(ask, lent))

    def _gate_is_open(self, ask: _Ask) -> bool:
        """Places are lent once it is known who has which."""
        if all(want.limit.dimension != "concurrency" for want in ask.wants):
            return True
        now = self._now_ns()
        if now < self._gate_ns:
            return False
        # Who is silent for so long has ended its own leases.
        return all(s.reported or now - s.since > TERM_NS for s in self._sides.values())

    def _taken(self, ask: _Ask, lent: Sequence[Lent] | None) -> None:
        side = self._sides.get(ask.line)
        if lent is None:
            self._away(ask)
        elif all(one.wait_ns == 0 for one in lent):
            if side is None:
                self._drop(ask.wants, lent)
                return
            for want, one in zip(ask.wants, lent, strict=True):
                self._note(side, want, one)
            self._told(ask, lent)
        elif side is not None and not self._recall(ask, lent):
            self._told(ask, lent)

    def _note(self, side: _Side, want: Want, lent: Lent) -> None:
        """What a worker has from now on."""
        name, now = want.meter, self._now_ns()
        side.promised.pop(name, None)
        if not lent.units:
            return
        if want.limit.dimension == "concurrency":
            held = side.held.setdefault(name, _Held(want.limit, want.zone))
            held.units += lent.units
        elif want.limit.period not in SECONDS:
            if len(side.lent) >= SIZES:
                side.lent.clear()  # these come back by themselves
            side.lent.add(name)
        if len(side.sizes) >= SIZES:
            side.sizes.clear()
        side.sizes[name] = lent.units, now

    def _drop(self, wants: Sequence[Want], lent: Sequence[Lent]) -> None:
        """The worker is gone that wanted this. It was never told, so nothing of it is used."""
        for want, one in zip(wants, lent, strict=True):
            self._meters.give_back(Back(want.meter, want.limit, one.ticket, one.units))

    # --- what comes back ------------------------------------------------------------------

    def _back(self, side: _Side, back: Back) -> None:
        if back.limit.dimension == "concurrency":
            held = side.held.get(back.meter)
            units = min(back.units, held.units if held else 0)
            if held is None or units <= 0:
                return
            held.units -= units
            if not held.units:
                del side.held[back.meter]
            back = back._replace(units=units)
        self._meters.give_back(back)

    def _owed(self, side: _Side, want: Want) -> None:
        self._meters.owe(want)
        size, then = side.sizes.get(want.meter, (0, self._now_ns()))
        side.sizes[want.meter] = size + want.least, then

    def _reported(self, side: _Side, holds: Iterable[Sequence[Any]]) -> None:
        """The places that a worker still has: what it had on a line that was lost is settled."""
        side.reported = True
        for known in [known for known in self._lost if known[0] == side.worker]:
            held, _ = self._lost.pop(known)
            self._meters.give_back(Back(known[1], held.limit, (0, 0), held.units))
        for name, written, place, units in holds:
            limit = parse_limit(written)
            self._meters.owe(Want(name, limit, place, units, units, units))
            side.held.setdefault(name, _Held(limit, place)).units += units

    def _recall(self, ask: _Ask, lent: Sequence[Lent]) -> bool:
        """Whether others are asked for what they hold unused of what was refused."""
        if ask.recalled:
            return False
        now = self._now_ns()
        short = [w.meter for w, one in zip(ask.wants, lent, strict=True) if one.wait_ns != 0]
        for line, side in list(self._sides.items()):
            names = [
                name
                for name in short
                if line != ask.line
                and (name in side.lent or name in side.held)
                and now - side.recalled.get(name, -_AGAIN_NS) >= _AGAIN_NS
            ]
            if names and self._send(line, {"kind": "recall", "meters": names}):
                if len(side.recalled) >= SIZES:
                    side.recalled.clear()
                side.recalled.update(dict.fromkeys(names, now))
                ask.waits_for.add(line)
        if not ask.waits_for:
            return False
        ask.recalled, ask.until_ns = True, now + _RECALL_NS
        self._asks.append(ask)
        return True

    def _retry(self) -> None:
        """Asks again for those whose recalls have come back, or who have waited long enough."""
        if not self._asks:
            return
        now = self._now_ns()
        asks, self._asks = self._asks, []
        for ask in asks:
            if ask.waits_for and now < ask.until_ns:
                self._asks.append(ask)
            else:
                self._ask(ask)

    # --- what is told ---------------------------------------------------------------------

    def _told(self, ask: _Ask, lent: Sequence[Lent]) -> None:
        now = self._now_ns()
        entries: list[list[Any]] = []
        for want, one in zip(ask.wants, lent, strict=True):
            again = one.wait_ns
            if want.limit.period in SECONDS and (again or _used_up(want, one)):
                again = self._paced(ask.line, want, again or 0, now)
            ends = one.ends_ns
            entries.append([want.meter, one.units, one.ticket, ends, one.left, again])
        self._tell(ask.line, entries)

    def _paced(self, line: Line, want: Want, wait_ns: int, now_ns: int) -> int:
        """When to ask again: late enough for a whole lease, and not all workers at one time."""
        step = _step_ns(want.limit)
        ahead = sum(
            1
            for other, side in self._sides.items()
            if other != line and side.promised.get(want.meter, 0) > now_ns
        )
        again = max(wait_ns, step * (ahead + 1))
        promised = self._sides[line].promised
        if len(promised) >= SIZES:
            promised.clear()
        promised[want.meter] = now_ns + again
        return again

    def _away(self, ask: _Ask) -> None:
        entries = [[want.meter, 0, (0, 0), NEVER, 0, -1] for want in ask.wants]
        self._tell(ask.line, entries)

    def _tell(self, line: Line, entries: list[list[Any]], *, hello: bool = False) -> None:
        workers = len(self._sides)
        message = {"kind": "lent", "lent": entries, "workers": workers, "hello": hello}
        self._send(line, message)


def _lease(limit: Limit) -> int:
    """The most that is lent without being asked for: 1 % of a limit, and less than its burst."""
    scale = SCALE.get(limit.dimension, 1)
    most = limit.amount * scale // 100
    if limit.burst:
        most = min(most, limit.burst * scale // 2)
    return max(1, most)


def _used_up(want: Want, lent: Lent) -> bool:
    """Whether this was the last, and to ask for each unit that time brings would be too often."""
    return bool(lent.units) and lent.left == 0 and _step_ns(want.limit) >= 2 * _unit_ns(want.limit)


def _step_ns(limit: Limit) -> int:
    """Nanoseconds in which time brings a lease of a rate, but not more than a caller may notice."""
    return min(_PACE_NS, _lease(limit) * _unit_ns(limit))


def _unit_ns(limit: Limit) -> int:
    """Nanoseconds in which a rate lets one more unit pass."""
    amount = limit.amount * SCALE.get(limit.dimension, 1)
    return SECONDS[limit.period] * 1_000_000_000 // amount
