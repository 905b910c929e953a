"""What rating costs, and whether it is exact: the ledger's sums against calls priced one by one.

The second reckoning shares no arithmetic with the first: it goes call by call, in fractions, with
months by the calendar of the zone alone.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from math import floor
from zoneinfo import ZoneInfo

from benchmarks.report import Part, Promise, table
from fairlead.core.money import Price, currency
from fairlead.core.plans import UNITS, Assigned, History, Plan
from fairlead.usage.rating import Used, priced

CASES = 10_000
ROWS = 100_000
_QUARTER_S = 900
_ZONES = ["UTC", "Asia/Kathmandu", "America/Havana", "Africa/Cairo", "Australia/Lord_Howe",
          "America/St_Johns", "Pacific/Apia", "Europe/Berlin"]  # fmt: skip
_BEGIN = int(datetime(2027, 10, 1, tzinfo=UTC).timestamp())
_DAYS = 160  # over a leap day, and clocks that go back and forth
_TITLES = ["ash@1", "gold@1", "gold@2", "gold@10"]


def run(cases: int = CASES, rows: int = ROWS) -> Part:
    """Random plans, streams and zones; then how long many rows take."""
    chance = random.Random(4)
    calls = wrong = lines = 0
    for _ in range(cases):
        plans, zone = _plans(chance), chance.choice(_ZONES)
        stream = [_call(chance) for _ in range(chance.randrange(40))]
        history = History({"acme": [Assigned(0, "", zone)]})
        rated = {
            line[1:4]: line.amount.minor for line in priced(_sums(stream), plans, history).lines
        }
        wanted = _reckoned(stream, plans, ZoneInfo(zone))
        calls, lines = calls + len(stream), lines + len(wanted)
        wrong += sum(abs(rated.get(place, 0) - wanted.get(place, 0)) for place in {*rated, *wanted})
    each_us = _speed(rows)
    shown = table(
        ("rating", "figure"),
        [
            ("random plans, streams and zones", f"{cases:,}"),
            ("calls in them", f"{calls:,}"),
            ("lines that were compared", f"{lines:,}"),
            ("minor units by which they differ", f"{wrong}"),
            (f"a row of the ledger, of {rows:,}", f"{each_us:.1f} us"),
        ],
    )
    figures = {"cases": cases, "lines": lines, "drift": wrong, "row_us": each_us}
    promise = Promise("Rated as call by call, minor units", 0, wrong, f"{wrong}", most=True)
    return Part("Rating", shown, figures, [promise])


def _plans(chance: random.Random) -> dict[str, Plan]:
    found: dict[str, Plan] = {}
    for title in _TITLES:
        name, number = title.split("@")
        unit = currency(chance.choice(["EUR", "JPY", "KWD"]))
        units = [u for u in UNITS if chance.random() < 0.7]
        found[title] = Plan(
            name=name,
            revision=int(number),
            currency=unit,
            prices=tuple((u, Price(_amount(chance), unit)) for u in units),
            free=tuple((u, chance.randrange(30)) for u in units if chance.random() < 0.5),
            rounding=chance.choice(["half-up", "half-even"]),
        )
    return found


def _amount(chance: random.Random) -> Decimal:
    """Often one that many of make exactly half a minor unit."""
    places = chance.choice([1, 2, 3, 4, 6, 12])
    return Decimal(chance.randrange(5 * 10**places)).scaleb(-places)


def _call(chance: random.Random) -> tuple[int, str, str, int, int, int]:
    """Second, price table, status, rows, withheld rows, compute nanoseconds."""
    rows = chance.randrange(8)
    return (
        _BEGIN + chance.randrange(_DAYS * 86_400),
        chance.choice(_TITLES),
        chance.choice(["ok", "ok", "abandoned", "failed"]),
        rows,
        chance.randrange(rows + 1),
        chance.choice([0, 1, 5 * 10**8, chance.randrange(10**10)]),
    )


def _sums(stream: list[tuple[int, str, str, int, int, int]]) -> list[Used]:
    sums: dict[tuple[int, str, str], list[int]] = defaultdict(lambda: [0] * 4)
    for second, title, status, rows, withheld, compute_ns in stream:
        values = sums[second // _QUARTER_S, title, status]
        values[:] = [a + b for a, b in zip(values, (1, rows, withheld, compute_ns), strict=True)]
    return [Used(q * _QUARTER_S * 10**9, "acme", t, s, *v) for (q, t, s), v in sums.items()]


def _reckoned(
    stream: list[tuple[int, str, str, int, int, int]], plans: dict[str, Plan], place: ZoneInfo
) -> dict[tuple[date, str, str], int]:
    taken: dict[tuple[date, str], Fraction] = defaultdict(Fraction)
    owed: dict[tuple[date, str, str], Fraction] = {}
    in_order = sorted(stream, key=lambda c: (c[0] // _QUARTER_S, _TITLES.index(c[1])))
    for second, title, status, rows, withheld, compute_ns in in_order:
        if status == "failed":
            continue
        # Midnight is on a quarter, and no zone of these sets its clocks back over a month's end.
        month = datetime.fromtimestamp(second, place).date().replace(day=1)
        things = [Fraction(1), Fraction(rows - withheld), Fraction(compute_ns, 10**9)]
        amounts = dict(zip(UNITS, [*things, Fraction(withheld)], strict=True))
        free = dict(plans[title].free)
        for unit, price in plans[title].prices:
            before = taken[month, unit]
            after = taken[month, unit] = before + amounts[unit]
            over = max(Fraction(0), after - free.get(unit, 0))
            paid = over - max(Fraction(0), before - free.get(unit, 0))
            if amounts[unit]:
                line = month, title, unit
                owed[line] = owed.get(line, Fraction(0)) + Fraction(price.amount) * paid
    return {line: _minor(exact, plans[line[1]]) for line, exact in owed.items()}


def _minor(exact: Fraction, plan: Plan) -> int:
    unit = plan.currency
    if unit is None:
        raise AssertionError("the plans of this benchmark have currencies")
    scaled = exact * 10**unit.exponent
    whole = floor(scaled)
    rest = scaled - whole
    half = Fraction(1, 2)
    return whole + (rest > half or (rest == half and (plan.rounding == "half-up" or whole % 2)))


def _speed(rows: int) -> float:
    """Microseconds for each of many rows of ten tenants' month."""
    unit = currency("EUR")
    prices = tuple((u, Price.of("0.00002", unit)) for u in UNITS)
    plan = Plan(name="gold", revision=1, currency=unit, prices=prices, free=(("row", 10**6),))
    history = History({f"t{n}": [Assigned(0, "", "Europe/Berlin")] for n in range(10)})
    used = [
        Used(
            (_BEGIN + n % 2976 * _QUARTER_S) * 10**9, f"t{n % 10}", "gold@1", "ok", 9, 90, 1, 10**6
        )
        for n in range(rows)
    ]
    start = time.perf_counter()
    priced(used, {plan.title: plan}, history)
    return (time.perf_counter() - start) / rows * 1e6
