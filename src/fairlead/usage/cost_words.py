"""True costs as people and programs get them: amounts as text, each price with its source.

`usage/true_cost.py` works them out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from fairlead.core.money import written
from fairlead.usage.stores.machine import HourPrice
from fairlead.usage.true_cost import Cost, TrueCosts

UNSAID = "nobody has said what the machine costs, so nothing is known of what calls cost it"
HOW = "Say it in fairlead.toml: [usage] machine or machine_usd_per_hour; it counts from then on"
COLUMNS = (
    "machine_usd",
    "busy_usd",
    "idle_usd",
    "usd_per_million",
    "machine",
    "usd_per_hour",
    "source",
    "date",
    "table",
)
"""What is written of a row beside its usage, where nothing is rounded."""
SHORT = (*COLUMNS[:4], "at_the_price")
"""What a table for people has."""
_PLACES = -12
_SHOWN = Decimal("0.000001")


def with_true_costs(rows: Sequence[dict[str, Any]], by: Sequence[str], found: TrueCosts) -> None:
    """Puts `machine` into rows of `query.totals`: amounts as text, since none may be rounded.

    None where no call of the row was made while a price was on record. `unpriced_requests` are
    those that were not; they are in no amount.
    """
    for row in rows:
        cost = found.rows.get(tuple(row[name] for name in by))
        row["machine"] = None if cost is None else _shown(cost, row["requests"])


def _shown(cost: Cost, requests: int) -> dict[str, Any]:
    whole = cost.busy + cost.idle
    million = whole * 10**6 // cost.requests if cost.requests else 0
    return {
        "usd": usd(whole),
        "busy_usd": usd(cost.busy),
        "idle_usd": usd(cost.idle),
        "usd_per_million": usd(million) if cost.requests else None,
        "unpriced_requests": max(0, requests - cost.requests),
        "prices": [price_to_json(price) for price in sorted(cost.prices)],
    }


def summary(found: TrueCosts) -> dict[str, Any] | None:
    """All that the machine cost, and where it went; None where no price was ever on record."""
    if not found.stretches:
        return None
    busy = sum(cost.busy for cost in found.rows.values())
    idle = sum(cost.idle for cost in found.rows.values())
    return {
        "usd": usd(found.pico),
        "busy_usd": usd(busy),
        "idle_usd": usd(idle),
        "other_calls_usd": usd(found.others),
        "nobody_usd": usd(found.nobody),
        "hours": round(found.served_ns / 3.6e12, 4),
        "hours_without_price": round(found.unpriced_ns / 3.6e12, 4),
        "prices": [
            price_to_json(one.price)
            | {"workers": one.workers, "from": _time(one.began_ns), "until": _time(one.until_ns)}
            for one in found.stretches
        ],
    }


def price_to_json(price: HourPrice) -> dict[str, str]:
    """A price with all that is on record of it."""
    return {
        "usd_per_hour": usd(price.pico),
        "machine": price.machine,
        "region": price.region,
        "source": price.source,
        "date": price.date,
        "confidence": price.confidence,
        "table": price.version,
    }


def usd(pico: int) -> str:
    """US dollars in plain digits, nothing rounded."""
    return written(Decimal(pico).scaleb(_PLACES))


def _time(wall_ns: int) -> str:
    return datetime.fromtimestamp(wall_ns // 10**9, UTC).isoformat()


def columns_of(told: Mapping[str, Any] | None) -> dict[str, str]:
    """A row's `machine` in the columns; all are empty where nothing is known."""
    if told is None:
        return dict.fromkeys(COLUMNS, "")
    prices: list[dict[str, str]] = told["prices"]
    full = [{**price, "machine": named(price)} for price in prices]
    joined = {name: " + ".join(price[name] for price in full) for name in COLUMNS[4:]}
    amounts = {name: told[name] or "" for name in COLUMNS[1:4]}
    return {"machine_usd": told["usd"], **amounts, **joined}


def short_of(told: Mapping[str, Any] | None) -> dict[str, str]:
    """The same in the columns of a table for people: a millionth of a dollar is the least."""
    if told is None:
        return dict.fromkeys(SHORT, "")
    whole = columns_of(told)
    amounts = {name: rounded(whole[name]) for name in SHORT[:4]}
    prices: list[dict[str, str]] = told["prices"]
    return {**amounts, "at_the_price": " + ".join(map(briefly, prices))}


def lines(whole: Mapping[str, Any]) -> Iterator[str]:
    """Where all that the machine cost went, and each price that was on record."""
    yield (
        f"The machine cost {rounded(whole['usd'])} USD in {whole['hours']:,.2f} hours: "
        f"{rounded(whole['busy_usd'])} busy and {rounded(whole['idle_usd'])} idle of the calls "
        f"above, by their compute time; {rounded(whole['other_calls_usd'])} of other calls; "
        f"{rounded(whole['nobody_usd'])} on days without calls, of nobody."
    )
    if whole["hours_without_price"]:
        yield f"In {whole['hours_without_price']:,.2f} more hours no price was on record."
    for price in joined(whole["prices"]):
        name = named(price) or "the machine"
        yield (
            f"{name}: {briefly(price)}, {price['source']}; {price['workers']} workers, "
            f"{price['from']} to {price['until']}"
        )


def joined(prices: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Prices with the times in which they held, those that follow each other unchanged as one."""
    found: list[dict[str, Any]] = []
    for price in prices:
        alike = found and {**found[-1], **_times(price)} == {**price}
        if alike:
            found[-1]["until"] = price["until"]
        else:
            found.append({**price})
    return found


def _times(price: Mapping[str, Any]) -> dict[str, Any]:
    return {"from": price["from"], "until": price["until"]}


def unpriced(rows: Sequence[Mapping[str, Any]]) -> int:
    """How many requests of rows have no cost: they were made while no price was on record."""
    return sum(
        row["requests"] if row["machine"] is None else row["machine"]["unpriced_requests"]
        for row in rows
    )


def named(price: Mapping[str, Any]) -> str:
    """What machine a price is of; "" where the owner said a price alone."""
    return f"{price['machine']} {price['region']}".strip()


def briefly(price: Mapping[str, Any]) -> str:
    """A price with the day that it is of, and the version of its table."""
    dated = [price["date"], f"table {price['table']}" if price["table"] else ""]
    known = ", ".join(word for word in dated if word)
    return f"{price['usd_per_hour']} USD/h" + (f" ({known})" if known else "")


def rounded(amount: str) -> str:
    """An amount for people: to a millionth of a dollar, and in full where it is less."""
    exact = Decimal(amount or 0)
    return amount if not amount or 0 < exact < _SHOWN else written(exact.quantize(_SHOWN), 2)
