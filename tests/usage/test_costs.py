"""Costs of what is in the ledger: groups add up to the month, whatever is asked for."""

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count

import pytest

from fairlead.core.access import journal_name
from fairlead.core.errors import PriceUnknown
from fairlead.core.money import Price, together
from fairlead.core.plans import Assigned, History, parse_plan
from fairlead.usage.costs import Prices, costs, line_to_json, statement, with_costs
from fairlead.usage.query import DIMENSIONS, totals
from fairlead.usage.stores.database import open_database
from fairlead.usage.stores.ledger import PART, LedgerStore
from fairlead.usage.stores.plans import PlanStore

GOLD = parse_plan("""
[plan]
name = "gold"
revision = 1
currency = "EUR"
[price]
row = "0.01"
abstention = "0.001"
compute_second = "0.5"
[free]
rows = 10
""")
YEN = parse_plan('[plan]\nname="yen"\nrevision=2\ncurrency="JPY"\n[price]\nrequest="3"')
PLANS = {plan.title: plan for plan in (GOLD, YEN)}
ZONE = "America/Havana"
PRICES = Prices(PLANS, History({"acme": [Assigned(0, "gold@1", ZONE)]}))
OK, FAILED, ABANDONED = range(3)
CUTS = [*((name,) for name in DIMENSIONS), ("tenant", "month"), ("hour", "key"), ("day", "model")]


def quarter(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) // 900


@pytest.fixture
def store(place):
    store = LedgerStore(open_database(place, "", name="test"), "here")
    store.database.adopt(PART)
    yield store
    store.database.close()


_numbers = count()


def put(
    store: LedgerStore, when: str, rows: int = 1, price: str = "gold@1", tenant: str = "acme",
    key: str = "key_a", model: str = "iris", status: int = OK, decision: int = 0, withheld: int = 0,
    compute_ns: int = 0, requests: int = 1,
) -> None:  # fmt: skip
    who = journal_name(key, tenant, price.partition("@")[0], price)
    name = f"writer-{next(_numbers):06d}.segment"
    values = [requests, rows, 100, 200, compute_ns, withheld]
    sums = {(quarter(when), model, 1, who, status, decision): values}
    assert store.add(name, 0, 1, requests, sums)


def month(store: LedgerStore) -> None:
    """A month of Havana with a day of 25 hours, and what lies before and behind it."""
    put(store, "2026-11-01T03:45", rows=50)  # the last quarter of October
    put(store, "2026-11-01T04:00", rows=6)
    put(store, "2026-11-01T05:15", rows=3, model="wine")  # within the hour that comes twice
    put(store, "2026-11-10T12:00", rows=5, withheld=2, decision=2, key="key_b")
    put(store, "2026-11-20T12:00", rows=4, compute_ns=1, status=ABANDONED)
    put(store, "2026-11-20T12:15", rows=900, status=FAILED)
    put(store, "2026-11-20T12:30", price="")
    put(store, "2026-11-20T12:45", price="yen@2", requests=7)
    put(store, "2026-12-01T04:45", rows=1)
    put(store, "2026-12-01T05:00", rows=60)  # December: midnight is at five now
    put(store, "2026-11-15T00:00", rows=12, tenant="beta")


def test_a_months_lines_are_what_was_used_in_it(store):
    month(store)
    lines = statement(store, PRICES, "acme", date(2026, 11, 25))
    assert [
        (line.price, line.unit, line.counted, line.free, str(line.amount)) for line in lines
    ] == [
        ("gold@1", "row", 6 + 3 + 3 + 4 + 1, 10, "0.07 EUR"),
        ("gold@1", "compute_second", 1, 0, "0.00 EUR"),
        ("gold@1", "abstention", 2, 0, "0.00 EUR"),
        ("yen@2", "request", 7, 0, "21 JPY"),
    ]
    assert statement(store, PRICES, "nobody", date(2026, 11, 1)) == []
    assert [line.counted for line in statement(store, PRICES, "acme", date(2026, 10, 1))] == [50]


def test_costs_are_exact_and_add_up_to_the_lines_of_the_month(store):
    month(store)
    found = costs(store, PRICES, zone_name=ZONE, since="2026-11-01", until="2026-12-01",
                  only={"tenant": "acme"})  # fmt: skip
    assert found == {(): {"EUR": Decimal("0.0720000005"), "JPY": Decimal(21)}}


@pytest.mark.parametrize("by", CUTS, ids="-".join)
def test_groups_add_up_however_they_are_cut(store, by):
    month(store)
    asked = {"zone_name": ZONE, "since": "2026-11-01", "until": "2026-12-01"}
    grouped = costs(store, PRICES, by, **asked)
    whole = costs(store, PRICES, **asked)[()]
    for code, amount in whole.items():
        assert together(its.get(code, Decimal(0)) for its in grouped.values()) == amount
    rows = totals(store, by, **asked)
    assert grouped.keys() <= {tuple(row[name] for name in by) for row in rows}
    with_costs(rows, by, grouped)
    shown: dict[str, list[Decimal]] = defaultdict(list)
    for row in rows:
        for code, text in row["cost"].items():
            shown[code].append(Decimal(text))
    assert {code: together(amounts) for code, amounts in shown.items()} == whole


def test_what_is_free_is_decided_by_the_whole_month_whatever_is_asked_for(store):
    month(store)
    asked = {"zone_name": ZONE, "until": "2026-12-01"}
    one = costs(store, PRICES, since="2026-11-10T07:00", **asked, only={"key": "key_b"})
    # Nine rows came before it: of its three, one is free.
    assert one == {(): {"EUR": Decimal("0.022")}}
    only = costs(store, PRICES, since="2026-11-01", **asked, only={"model": "wine"})
    assert only == {(): {"EUR": Decimal(0)}}


def test_what_has_no_price_has_no_cost(store):
    put(store, "2026-11-20T12:30", price="")
    assert costs(store, PRICES, ["price"]) == {}
    rows = totals(store, ["price"])
    with_costs(rows, ["price"], costs(store, PRICES, ["price"]))
    assert rows[0]["cost"] == {}


def test_prices_are_those_of_the_database_of_the_keys(store):
    """Here it is the ledger's database too."""
    plans = PlanStore(store.database)
    plans.put(GOLD, 1)
    plans.create("acme", 2, "gold", ZONE)
    plans.put(replace(GOLD, prices=(("row", Price.of(9, "EUR")),), free=()), 3)
    month(store)
    prices = Prices(Prices.of(store.database).plans | {"yen@2": YEN}, plans.history())
    assert Prices.of(store.database).history.at("acme", 9).zone == ZONE
    november = date(2026, 11, 1)
    assert statement(store, prices, "acme", november) == statement(store, PRICES, "acme", november)


def test_an_empty_ledger_costs_nothing(store):
    assert costs(store, PRICES) == {}
    assert statement(store, PRICES, "acme", date(2026, 11, 1)) == []


def test_a_price_table_that_is_gone_is_named(store):
    put(store, "2026-11-20T12:30", price="gone@1")
    with pytest.raises(PriceUnknown, match="gone@1"):
        costs(store, PRICES)


def test_a_line_is_told_in_text_that_nothing_rounds(store):
    month(store)
    lines = statement(store, PRICES, "acme", date(2026, 11, 1))
    assert line_to_json(lines[1]) == {
        "tenant": "acme",
        "month": "2026-11",
        "price_table": "gold@1",
        "unit": "compute_second",
        "count": "0.000000001",
        "free": "0",
        "each": "0.5 EUR",
        "amount": "0.00 EUR",
    }
    assert line_to_json(lines[3])["amount"] == "21 JPY"


@pytest.mark.parametrize("moved", ["2026-10-31T12:00", "2026-11-01T04:00", "2026-11-30T20:00"])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_every_call_is_in_one_month_of_a_tenant_that_moves(store, moved, zone):
    """To where it is 25 hours later or earlier: the months add up to all that was used."""
    at_ns = quarter(moved) * 900 * 10**9
    away = "Pacific/Pago_Pago" if zone == "Pacific/Kiritimati" else "Pacific/Kiritimati"
    history = History({"acme": [Assigned(0, "", away), Assigned(at_ns, "", zone)]})
    for day in ("2026-10-30", "2026-10-31", "2026-11-01", "2026-11-30", "2026-12-01"):
        for hour in range(0, 24, 3):
            put(store, f"{day}T{hour:02}:00")
    prices = Prices(PLANS, history)
    months = [date(2026, number, 1) for number in (9, 10, 11, 12)]
    rows = [
        line.counted
        for one in months
        for line in statement(store, prices, "acme", one)
        if line.unit == "row"
    ]
    assert sum(rows) == 40
    paid = [line for one in months for line in statement(store, prices, "acme", one)]
    exact = costs(store, prices)[()]["EUR"]
    assert exact == together(
        line.each.times(line.counted - line.free) for line in paid if line.unit == "row"
    )
