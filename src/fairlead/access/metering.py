"""What counts the limits of one host: the true meters, which lend units out.

Rates and places among concurrent calls are counted in memory. What must not be forgotten (quotas,
credits, and rates that take longer than `SHORT_NS` to run off) is written down before it is lent:
whoever comes after a crash finds it used. What comes back is written with the next, or once a
second; when that is lost, less may be used, never more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, Protocol

from fairlead.access.meters import Meter, Quota, Rate, Stock, meter
from fairlead.core.allowance import Limit
from fairlead.core.calendar import zone
from fairlead.core.clock import monotonic_ns
from fairlead.core.clock import wall_ns as clock_wall_ns
from fairlead.core.metering import NEVER, Back, Kept, Lent, MeterKeep, Want

SHORT_NS = 2_000_000_000
"""A rate that has run off after this long is in memory only. After a crash it begins used up."""

_DAY_NS = 86_400 * 10**9
_SWEEP_NS = 60 * 10**9
UNITS_MOST = 2**63 - 1
"""No sum grows beyond it in a database: nobody ever uses so much."""

Done = Callable[[Sequence[Lent] | None], None]
"""Is told what was lent, None when it cannot be known now."""

Behind = Callable[[Callable[[], Any], Callable[[Any], None]], None]
"""Does something that may block elsewhere, in order, and tells its result, or its error, here."""


class Meters(Protocol):
    """Counts limits, here or elsewhere."""

    def take(self, wants: Sequence[Want], done: Done) -> None:
        """Lends everything that is wanted or nothing; `done` is told now or later."""
        ...

    def give_back(self, back: Back) -> None:
        """Takes units back that were not used."""
        ...

    def owe(self, want: Want) -> None:
        """Counts `least` units that were used already."""
        ...

    def save(self) -> None:
        """Writes what has not been written yet."""
        ...

    def close(self, in_order: bool) -> None:
        """Nothing is asked any more. in_order: nothing is lent either. May block."""
        ...


class OwnMeters:
    """The limits of a host that shares them with no other.

    keep: where they outlive a restart. behind: what writes there.
    """

    def __init__(
        self,
        keep: MeterKeep,
        behind: Behind,
        now_ns: Callable[[], int] = monotonic_ns,
        wall_ns: Callable[[], int] = clock_wall_ns,
    ) -> None:
        """Reads what was kept, which blocks. Raises StateUnavailable and StateInvalid."""
        self._keep, self._behind = keep, behind
        self._now_ns, self._wall_ns = now_ns, wall_ns
        self._started = self._swept = now_ns()
        in_order, kept = keep.read(wall_ns())
        self.in_order = in_order
        self._resumed: dict[str, list[Kept]] = {}
        for one in kept:
            self._resumed.setdefault(one.meter, []).append(one)
        self._meters: dict[str, Meter] = {}
        self._unwritten: dict[str, Meter] = {}
        self._waiting: list[Callable[[bool], None]] = []
        self._writing = False

    def take(self, wants: Sequence[Want], done: Done) -> None:
        now, wall = self._now_ns(), self._wall_ns()
        meters = [self._meter(want.meter, want.limit, want.zone, now) for want in wants]
        pairs = list(zip(meters, wants, strict=True))
        if not all(not w.least or one.fits(w.least, now, wall) for one, w in pairs):
            done([_nothing(one, want, now, wall) for one, want in pairs])
            return
        lent: list[Lent] = []
        written = False
        for one, want in pairs:
            units = _share(one, one.left(now, wall), want)
            taken = one.take(units, now, wall)
            ends = one.window(wall).end_ns if isinstance(one, Quota) else NEVER
            lent.append(Lent(units, taken[1:], ends, one.left(now, wall), 0))
            if units and durable(one):
                self._unwritten[want.meter] = one
                written = True
        if not written:
            done(lent)
            return

        def after(on_disk: bool) -> None:
            if not on_disk:
                for want, found in zip(wants, lent, strict=True):
                    self.give_back(Back(want.meter, want.limit, found.ticket, found.units))
            done(lent if on_disk else None)

        self._waiting.append(after)
        self._write()

    def give_back(self, back: Back) -> None:
        one = self._meters.get(back.meter)
        if one is None and back.meter in self._resumed:
            # It was lent before a restart, and nobody has asked since: the zone is told then.
            one = self._meter(back.meter, back.limit, "UTC", self._now_ns())
        if one is not None and back.units > 0:
            one.give_back((back.units, *back.ticket), back.units, self._now_ns())
            if durable(one):
                self._unwritten[back.meter] = one

    def owe(self, want: Want) -> None:
        now = self._now_ns()
        one = self._meter(want.meter, want.limit, want.zone, now)
        one.take(want.least, now, self._wall_ns())
        if durable(one):
            self._unwritten[want.meter] = one

    def save(self) -> None:
        self._write()
        now = self._now_ns()
        if now - self._swept >= _SWEEP_NS:
            self._swept = now
            self._sweep(now)

    def close(self, in_order: bool) -> None:
        rows, self._unwritten = self._rows(), {}
        if rows:
            self._keep.write(rows)
        self._keep.close(in_order)

    def _write(self) -> None:
        """One write at a time; what comes meanwhile goes into the next."""
        if self._writing or not (self._unwritten or self._waiting):
            return
        rows, waiting = self._rows(), self._waiting
        names = self._unwritten
        self._unwritten, self._waiting, self._writing = {}, [], True

        def written(result: object) -> None:
            self._writing = False
            on_disk = not isinstance(result, Exception)
            if not on_disk:
                self._unwritten = {**names, **self._unwritten}
            for after in waiting:
                after(on_disk)
            if on_disk:
                self._write()
            elif self._waiting:
                waiting_too, self._waiting = self._waiting, []
                for after in waiting_too:
                    after(False)

        self._behind(lambda: self._keep.write(rows), written)

    def _rows(self) -> list[Kept]:
        now, wall = self._now_ns(), self._wall_ns()
        rows: list[Kept] = []
        for name, one in self._unwritten.items():
            if isinstance(one, Quota):
                lasting = _lasting_days(one) * _DAY_NS
                rows += [
                    Kept(name, first.isoformat(), min(used, UNITS_MOST), wall, wall + lasting)
                    for first, used in one.windows().items()
                ]
            elif isinstance(one, Rate):
                until = wall + one.runs_off_ns
                used = min(one.used(now), UNITS_MOST)
                rows.append(Kept(name, "", used, wall, min(until, NEVER)))
            elif isinstance(one, Stock):
                rows.append(Kept(name, "", one.used, wall, NEVER))
        return rows

    def _meter(self, name: str, limit: Limit, place: str, now_ns: int) -> Meter:
        found = self._meters.get(name)
        if found is None:
            found = self._meters[name] = meter(limit, zone(place), now_ns)
            self._resume(name, found, now_ns)
        elif found.limit != limit:
            found.change(limit, now_ns)
        if isinstance(found, Quota):
            found.move(place)
        return found

    def _resume(self, name: str, one: Meter, now_ns: int) -> None:
        """What a new meter must know of the time before it."""
        for kept in self._resumed.pop(name, ()):
            if isinstance(one, Quota) and kept.first:
                one.resume(date.fromisoformat(kept.first), kept.used)
            elif isinstance(one, Rate) and not kept.first:
                then = now_ns - max(0, self._wall_ns() - kept.at_ns)
                one.resume(kept.used, then, now_ns)
            elif isinstance(one, Stock) and not kept.first:
                one.used = kept.used
        if isinstance(one, Rate) and not self.in_order and not durable(one):
            one.resume(one.most, self._started, now_ns)

    def _sweep(self, now_ns: int) -> None:
        """Forgets meters that are as new ones would be."""
        wall = self._wall_ns()
        for name, one in list(self._meters.items()):
            if name not in self._unwritten and _as_new(one, now_ns, wall):
                del self._meters[name]


def share(left: int, want: Want) -> int:
    """How much of what is left is lent: what will be used at once, and beyond that half at most."""
    sure = max(want.least, min(want.sure, left))
    return max(sure, min(want.most, left // 2))


def _share(one: Meter, left: int, want: Want) -> int:
    """As `share`, but of a rate all that is left: time brings more before anybody misses it.

    Halves of little would be asked for again and again.
    """
    if isinstance(one, Rate):
        return max(want.least, min(left, max(want.sure, want.most)))
    return share(left, want)


def durable(one: Meter) -> bool:
    """Whether what was taken must outlive a restart."""
    if isinstance(one, Rate):
        return one.runs_off_ns > SHORT_NS
    return isinstance(one, Quota) or one.limit.dimension == "credits"


def _lasting_days(one: Quota) -> int:
    """Days after the beginning of a window in which it may still matter.

    More than it has: a tenant may move to another time zone, and a clock may be set back.
    """
    return 3 if one.limit.period == "day" else 64


def _nothing(one: Meter, want: Want, now_ns: int, wall_ns: int) -> Lent:
    wait = one.wait_ns(want.least, now_ns, wall_ns)
    ends = one.window(wall_ns).end_ns if isinstance(one, Quota) else NEVER
    return Lent(0, (0, 0), ends, one.left(now_ns, wall_ns), wait)


def _as_new(one: Meter, now_ns: int, wall_ns: int) -> bool:
    if isinstance(one, Rate):
        return one.used(now_ns) == 0
    if isinstance(one, Quota):
        today = date.fromtimestamp(wall_ns // 10**9).toordinal()
        lasting = _lasting_days(one)
        windows = one.windows().items()
        return all(not used or first.toordinal() + lasting < today for first, used in windows)
    return isinstance(one, Stock) and one.used == 0
