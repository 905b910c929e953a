"""What is in the ledger, with its price: costs by caller, model and time, and a month's lines.

Free allowances are used up in the order of time and over all models and keys of a tenant, so what
is asked for is priced together with what came before it in the month, and picked out afterwards.
Memory is bounded by what one tenant used in the months that are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from fairlead.core.calendar import window, zone
from fairlead.core.money import together, written
from fairlead.core.plans import History, Plan
from fairlead.usage.query import TIMES, between
from fairlead.usage.rating import Line, Used, priced
from fairlead.usage.records import DECISION, STATUS
from fairlead.usage.stores.formats import Database
from fairlead.usage.stores.ledger import BY, QUANTITIES, LedgerStore
from fairlead.usage.stores.plans import PlanStore

QUARTER_NS = 900 * 10**9
_A_DAY = 96
_MARGIN = 2 * _A_DAY
"""Quarters before a month's first: in another time zone it began earlier."""
_FIXED = ("quarter", BY["price"], BY["status"])

Key = tuple[Any, ...]
Costs = dict[Key, dict[str, Decimal]]
"""By the values of what is grouped by: by currency, what it cost, exactly."""


class Prices(NamedTuple):
    """Every revision of every plan by its title, and which time zone each tenant had when."""

    plans: Mapping[str, Plan]
    history: History

    @classmethod
    def of(cls, database: Database) -> Prices:
        """What stands in the database of the keys. Raises what a `Database` raises."""
        store = PlanStore(database)
        with database.reading():
            return cls(store.tables(), store.history())


def costs(
    store: LedgerStore,
    prices: Prices,
    by: Sequence[str] = (),
    zone_name: str = "UTC",
    since: str = "",
    until: str = "",
    only: Mapping[str, str] | None = None,
) -> Costs:
    """What usage cost, grouped and narrowed as by `query.totals`, which has taken these arguments.

    What has no price has no currency here. Raises PriceUnknown, BadUsage and BadSetting.
    """
    place, wanted = zone(zone_name), dict(only or {})
    first, after = between(store, place, since, until)
    found: dict[tuple[Key, str], list[Decimal]] = {}
    for tenant in _tenants(store, first, after, wanted):
        used, facts = _used(store, tenant, _begin(prices.history, tenant, first), after, by, wanted)
        charges = priced(used, *prices).charges
        for row, fact, charge in zip(used, facts, charges, strict=True):
            quarter = row.start_ns // QUARTER_NS
            if charge is None or quarter < first or any(fact[k] != v for k, v in wanted.items()):
                continue
            key = tuple(time_word(n, quarter, place) if n in TIMES else fact[n] for n in by)
            found.setdefault((key, charge.currency.code), []).append(charge.exact)
    grouped: Costs = {}
    for (key, code), amounts in found.items():
        grouped.setdefault(key, {})[code] = together(amounts)
    return grouped


def with_costs(rows: Sequence[dict[str, Any]], by: Sequence[str], found: Costs) -> None:
    """Puts `cost` into rows of `query.totals`: by currency, an exact amount as text."""
    for row in rows:
        its = found.get(tuple(row[name] for name in by), {})
        row["cost"] = {code: written(its[code]) for code in sorted(its)}


def statement(store: LedgerStore, prices: Prices, tenant: str, month: date) -> list[Line]:
    """The lines of a tenant's month, by any day of it. Raises PriceUnknown."""
    first = month.replace(day=1)
    start = datetime.combine(first, time(), UTC)
    begin = int(start.timestamp()) * 10**9 // QUARTER_NS - _MARGIN
    used, _ = _used(store, tenant, begin, begin + 2 * _MARGIN + 31 * _A_DAY, (), {})
    return [line for line in priced(used, *prices).lines if line.month == first]


def line_to_json(line: Line) -> dict[str, str]:
    """A line as people and programs get it: every number is text, since none may be rounded."""
    tenths = 9 if line.unit == "compute_second" else 0
    counted, free = (written(Decimal(n).scaleb(-tenths)) for n in (line.counted, line.free))
    return {
        "tenant": line.tenant,
        "month": f"{line.month:%Y-%m}",
        "price_table": line.price,
        "unit": line.unit,
        "count": counted,
        "free": free,
        "each": str(line.each),
        "amount": str(line.amount),
    }


def _tenants(
    store: LedgerStore, first: int, after: int, wanted: Mapping[str, str]
) -> Iterator[str]:
    only = {BY[name]: value for name, value in wanted.items() if name == "tenant"}
    for row in store.grouped([BY["tenant"]], first, after, only):
        yield str(row[0])


def _begin(history: History, tenant: str, quarter: int) -> int:
    """The quarter from which usage counts against the allowances of a month."""
    moment = quarter * QUARTER_NS
    place = zone(history.at(tenant, moment).zone)
    return window("month", place, moment).start_ns // QUARTER_NS - _MARGIN


def _used(
    store: LedgerStore,
    tenant: str,
    first: int,
    after: int,
    by: Sequence[str],
    wanted: Mapping[str, str],
) -> tuple[list[Used], list[dict[str, Any]]]:
    """What a tenant used, and of each row the values of what is grouped and narrowed by."""
    names = [name for name in dict.fromkeys((*by, *wanted)) if name not in TIMES]
    asked = [*_FIXED, *(BY[name] for name in names)]
    used: list[Used] = []
    facts: list[dict[str, Any]] = []
    for row in store.grouped(asked, first, after, {BY["tenant"]: tenant}):
        values: list[Any] = [*row]
        quarter, price, status = values[:3]
        sums = values[len(asked) + len(DECISION) :]
        amounts = {name: int(sums[n] or 0) for n, name in enumerate(QUANTITIES)}
        used.append(
            Used(
                int(quarter) * QUARTER_NS,
                tenant,
                price,
                STATUS[int(status)],
                amounts["requests"],
                amounts["rows"],
                amounts["withheld"],
                amounts["compute_ns"],
            )
        )
        known = zip(names, values[len(_FIXED) : len(asked)], strict=True)
        facts.append({name: value_word(name, value) for name, value in known})
    return used, facts


def value_word(name: str, value: Any) -> Any:
    """A value of the tables, as `query.totals` says it."""
    if name == "status":
        return STATUS[int(value)]
    return DECISION[int(value)] if name == "decision" else value


@lru_cache(maxsize=65_536)
def time_word(name: str, quarter: int, place: ZoneInfo) -> str:
    """A quarter's month, day or hour, as `query.totals` says it."""
    moment = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=15 * quarter)).astimezone(place)
    if name == "hour":
        ahead = moment.strftime("%z")
        return f"{moment:%Y-%m-%dT%H:00}{ahead[:3]}:{ahead[3:5]}"
    return f"{moment:%Y-%m}" if name == "month" else f"{moment:%Y-%m-%d}"
