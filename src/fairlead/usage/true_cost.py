"""What calls really cost: the ledger's compute time at the price of the machine that was on record.

For each day, all that the machine cost while the server ran is allotted to the day's calls by their
compute time, so a call costs the same whoever asks and however the rows are grouped. Calls made
while no price was on record have no cost: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from fairlead.core.calendar import Window, window, zone
from fairlead.usage.allotting import paid, parts, spread, within
from fairlead.usage.costs import QUARTER_NS, time_word, value_word
from fairlead.usage.ledger import Ledger
from fairlead.usage.query import TIMES, quarter_of
from fairlead.usage.records import DECISION
from fairlead.usage.stores.ledger import BY, QUANTITIES
from fairlead.usage.stores.machine import HourPrice, Stretch

_LATE_NS = 60 * 10**9
"""A stretch is noted every half minute: a call may be younger than what is on record."""
_REQUESTS, _COMPUTE = QUANTITIES.index("requests"), QUANTITIES.index("compute_ns")

Key = tuple[Any, ...]


@dataclass(slots=True)
class Cost:
    """What calls cost: shares in 10^-12 US dollars, and how many calls had a price at all."""

    busy: int = 0
    idle: int = 0
    requests: int = 0
    prices: set[HourPrice] = field(default_factory=set[HourPrice])


@dataclass(slots=True)
class TrueCosts:
    """What the machine cost in the days that were asked for, each whole, and whose that was.

    rows: by the values of what was grouped by. others: allotted to calls that were not asked for.
    nobody: of days without calls. pico: all of it, and the sum of the rest. Money is in 10^-12 US
    dollars. served_ns, unpriced_ns: how long servers ran with a price on record, and without one.
    stretches: those with a price.
    """

    rows: dict[Key, Cost] = field(default_factory=dict[Key, Cost])
    others: int = 0
    nobody: int = 0
    pico: int = 0
    served_ns: int = 0
    unpriced_ns: int = 0
    stretches: list[Stretch] = field(default_factory=list[Stretch])


class _Asked(NamedTuple):
    """A question. first, after: in quarters of an hour."""

    by: tuple[str, ...]
    place: ZoneInfo
    first: int
    after: int
    only: Mapping[str, str]


def true_costs(
    ledger: Ledger,
    by: Sequence[str] = (),
    zone_name: str = "UTC",
    since: str = "",
    until: str = "",
    only: Mapping[str, str] | None = None,
) -> TrueCosts:
    """What calls cost, grouped and narrowed as by `query.totals`, which has taken these arguments.

    Raises BadUsage and BadSetting.
    """
    place = zone(zone_name)
    every = ledger.machine.stretches()
    first, after = _span(ledger, every)
    first = max(first, quarter_of(since, place)) if since else first
    after = min(after, quarter_of(until, place)) if until else after
    asked = _Asked(tuple(by), place, first, after, dict(only or {}))
    found = TrueCosts()
    for day in _days(asked):
        # One that has just begun counts, too, though it has cost nothing yet.
        here = [s for s in every if s.began_ns < day.end_ns and s.until_ns >= day.start_ns]
        priced = [one for one in here if one.price.pico]
        served = sum(within(one, day.start_ns, day.end_ns) for one in priced)
        found.served_ns += served
        found.unpriced_ns += sum(within(one, day.start_ns, day.end_ns) for one in here) - served
        found.stretches += [one for one in priced if one not in found.stretches]
        if priced:
            _allot(ledger, asked, day, priced, found)
    return found


def _span(ledger: Ledger, every: Sequence[Stretch]) -> tuple[int, int]:
    """The quarters in which anything was called or any server ran."""
    spans = [(s.began_ns // QUARTER_NS, s.until_ns // QUARTER_NS + 1) for s in every]
    first, after = ledger.store.span()
    if after:
        spans.append((first, after))
    return min((s[0] for s in spans), default=0), max((s[1] for s in spans), default=0)


def _days(asked: _Asked) -> Iterator[Window]:
    moment = asked.first * QUARTER_NS
    while moment < asked.after * QUARTER_NS:
        day = window("day", asked.place, moment)
        yield day
        moment = day.end_ns


def _allot(
    ledger: Ledger, asked: _Asked, day: Window, priced: Sequence[Stretch], found: TrueCosts
) -> None:
    """Allots what the machine cost on a day to its calls."""
    whole = paid(priced, day.start_ns, day.end_ns)
    found.pico += whole.pico
    used, others = _used(ledger, asked, day, priced)
    keys = sorted(used)
    weights = [*(used[key][1] for key in keys), others]
    if not sum(weights):
        found.nobody += whole.pico
        _count(found, keys, used, priced)
        return
    busy, idle = parts(whole, sum(weights))
    busy_each, idle_each = spread(busy, weights), spread(idle, weights)
    found.others += busy_each.pop() + idle_each.pop()
    _count(found, keys, used, priced)
    for key, its_busy, its_idle in zip(keys, busy_each, idle_each, strict=True):
        found.rows[key].busy += its_busy
        found.rows[key].idle += its_idle


def _count(
    found: TrueCosts,
    keys: Sequence[Key],
    used: Mapping[Key, tuple[int, int]],
    priced: Sequence[Stretch],
) -> None:
    for key in keys:
        row = found.rows.setdefault(key, Cost())
        row.requests += used[key][0]
        row.prices |= {one.price for one in priced}


def _used(
    ledger: Ledger, asked: _Asked, day: Window, priced: Sequence[Stretch]
) -> tuple[dict[Key, tuple[int, int]], int]:
    """Requests and compute time of a day, of what was asked for by its key; and the compute time
    of all other calls. Only of quarters of an hour in which a price was on record."""
    first, after = day.start_ns // QUARTER_NS, day.end_ns // QUARTER_NS
    cut = first < asked.first or after > asked.after
    names = [n for n in dict.fromkeys((*asked.by, *asked.only)) if n not in TIMES]
    fine = ["quarter"] if cut or "hour" in asked.by else []
    used: dict[Key, tuple[int, int]] = {}
    others = 0
    for start, stop in _quarters(priced, first, after):
        for row in ledger.store.grouped([*fine, *(BY[n] for n in names)], start, stop, {}):
            quarter = int(row[0]) if fine else first
            values = row[len(fine) : len(fine) + len(names)]
            fact = {n: value_word(n, v) for n, v in zip(names, values, strict=True)}
            sums = row[len(fine) + len(names) + len(DECISION) :]
            requests, compute = int(sums[_REQUESTS] or 0), int(sums[_COMPUTE] or 0)
            inside = not cut or asked.first <= quarter < asked.after
            if not inside or any(fact[n] != value for n, value in asked.only.items()):
                others += compute
                continue
            key = tuple(
                time_word(n, quarter, asked.place) if n in TIMES else fact[n] for n in asked.by
            )
            before = used.get(key, (0, 0))
            used[key] = before[0] + requests, before[1] + compute
    return used, others


def _quarters(priced: Sequence[Stretch], first: int, after: int) -> list[tuple[int, int]]:
    """The quarters of a day in which a server ran at a price, as few [start, stop) as there are."""
    found: list[tuple[int, int]] = []
    for one in priced:
        start = max(first, one.began_ns // QUARTER_NS)
        stop = min(after, (one.until_ns + _LATE_NS) // QUARTER_NS + 1)
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(stop, found[-1][1])
        elif start < stop:
            found.append((start, stop))
    return found
