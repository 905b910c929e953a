"""What recorded usage costs: ledger rows in, exact charges and the lines of a month out.

Every row names the price table that was valid when its calls were answered, such as `gold@3`, and
that revision never changes: the past is rated as it was, whatever a plan costs today. A charge is
exact; a line of a statement is rounded, once, and a total is the sum of its lines.

Billed is what was executed: calls that were answered (`ok`), and calls whose caller left before
the answer did (`abandoned`). A call that was answered with an error (`failed`) costs nothing, and
one that was refused or dropped before it was executed has no record. Of a billed call, rows that
were served or warned cost `row`, and rows that were abstained or rejected cost `abstention`.

A free allowance holds for a calendar month of the tenant's time zone. It is used up in the order
of time, over every plan that the tenant had in that month: a change of plan brings no second one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from fairlead.core.calendar import window, zone
from fairlead.core.errors import PriceUnknown
from fairlead.core.money import Currency, Money, Price, rounded, together
from fairlead.core.plans import UNITS, History, Plan, Unit, parse_title

BILLED = frozenset({"ok", "abandoned"})
"""The status of calls that cost something."""

_TENTHS = {"compute_second": 9}
"""Compute time is counted in nanoseconds; everything else as it is priced."""


class Used(NamedTuple):
    """What calls that began in one quarter of an hour used, of one tenant under one price table.

    start_ns: of that quarter, wall clock. price: the table's title; "" where nothing was priced.
    withheld: of the rows, those that were abstained or rejected.
    """

    start_ns: int
    tenant: str
    price: str
    status: str
    requests: int
    rows: int
    withheld: int
    compute_ns: int


class Charge(NamedTuple):
    """What some usage costs, exactly, in major units: nothing is rounded yet."""

    exact: Decimal
    currency: Currency


class Line(NamedTuple):
    """One line of a tenant's statement for a month.

    month: its first day. counted, free: units of which `free` cost nothing; compute time in
    nanoseconds. amount: rounded to the minor unit, as the plan says.
    """

    tenant: str
    month: date
    price: str
    unit: Unit
    counted: int
    free: int
    each: Price
    amount: Money


class Rated(NamedTuple):
    """Usage with its price.

    charges: of each row that was given, in their order; None for one under no price table or one
             whose plan has no currency. lines: by tenant, month, price table and unit.
    """

    charges: list[Charge | None]
    lines: list[Line]


class _Rate(NamedTuple):
    """A price of a plan. free: units of a month that cost nothing, counted as `Line.counted`."""

    unit: Unit
    each: Price
    free: int
    tenths: int


_Place = tuple[str, date, str, Unit]


def priced(used: Sequence[Used], plans: Mapping[str, Plan], history: History) -> Rated:
    """What usage costs, row by row and as the lines of statements.

    used:    any number of tenants, in any order. Free allowances are counted from the rows that
             are given, so each month must be there from its first quarter of an hour.
    plans:   by title. history: says in which time zone a tenant's month began.
    Raises PriceUnknown for a price table that is not among the plans.
    """
    rates = {title: _rates(title, plans) for title in {row.price for row in used if row.price}}
    months: dict[tuple[str, int], date] = {}
    gone: dict[tuple[str, date, Unit], int] = {}
    sums: dict[_Place, list[int]] = {}
    charges: list[Charge | None] = [None] * len(used)
    for number in sorted(range(len(used)), key=lambda number: _in_time(used[number])):
        row = used[number]
        its = rates.get(row.price, ())
        if not its:
            continue
        when = row.tenant, row.start_ns
        month = months.get(when) or months.setdefault(when, month_of(history, *when))
        exact = Decimal(0)
        for rate in its:
            units = _units(row, rate.unit)
            before = gone.get((row.tenant, month, rate.unit), 0)
            gone[row.tenant, month, rate.unit] = before + units
            free = min(units, max(0, rate.free - before))
            place = sums.setdefault((row.tenant, month, row.price, rate.unit), [0, 0])
            place[0] += units
            place[1] += free
            exact = together((exact, rate.each.times(units - free, rate.tenths)))
        charges[number] = Charge(exact, its[0].each.currency)
    lines = [
        _line(place, counted, free, plans)
        for place, (counted, free) in sorted(sums.items(), key=_order)
        if counted
    ]
    return Rated(charges, lines)


def listed(plan: Plan, row: Used) -> Charge | None:
    """What usage costs by the prices of a plan, as if nothing of it were free.

    None where the plan has no prices.
    """
    if plan.currency is None or not plan.prices:
        return None
    each = [price.times(_units(row, unit), _TENTHS.get(unit, 0)) for unit, price in plan.prices]
    return Charge(together(each), plan.currency)


def month_of(history: History, tenant: str, wall_ns: int) -> date:
    """The first day of the month in which a time lies for a tenant, in its zone of that time."""
    place = zone(history.at(tenant, wall_ns).zone)
    return window("month", place, wall_ns).first


def totals(lines: Iterable[Line]) -> dict[str, Money]:
    """The sum of lines, by the code of their currency."""
    found: dict[str, Money] = {}
    for line in lines:
        code = line.amount.currency.code
        found[code] = found.get(code, Money(0, line.amount.currency)) + line.amount
    return found


def _rates(title: str, plans: Mapping[str, Plan]) -> tuple[_Rate, ...]:
    plan = plans.get(title)
    if plan is None:
        raise PriceUnknown(
            f"usage was recorded under the price table {title[:80]!r}, which is not kept here",
            where=title[:80],
            fix="Restore ledger and plans from the same backup",
        )
    free = dict(plan.free)
    return tuple(
        _Rate(unit, each, free.get(unit, 0) * 10 ** _TENTHS.get(unit, 0), _TENTHS.get(unit, 0))
        for unit, each in plan.prices
    )


def _units(row: Used, unit: Unit) -> int:
    """How many units of a kind a row is billed for."""
    if row.status not in BILLED:
        return 0
    if not 0 <= row.withheld <= row.rows:
        raise ValueError("more rows were withheld than there are")
    if unit == "request":
        return row.requests
    if unit == "row":
        return row.rows - row.withheld
    return row.withheld if unit == "abstention" else row.compute_ns


def _in_time(row: Used) -> tuple[int, tuple[str, int]]:
    # Which table came first within a quarter is not known; by title it is always the same order.
    return row.start_ns, parse_title(row.price) if row.price else ("", 0)


def _order(summed: tuple[_Place, list[int]]) -> tuple[str, date, tuple[str, int], int]:
    tenant, month, title, unit = summed[0]
    return tenant, month, parse_title(title), UNITS.index(unit)


def _line(place: _Place, counted: int, free: int, plans: Mapping[str, Plan]) -> Line:
    tenant, month, title, unit = place
    plan = plans[title]
    each = dict(plan.prices)[unit]
    exact = each.times(counted - free, _TENTHS.get(unit, 0))
    amount = rounded(exact, each.currency, plan.rounding)
    return Line(tenant, month, title, unit, counted, free, each, amount)
