"""True costs: a day worked out by hand, and what holds for every day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.core import calendar
from fairlead.core.access import journal_name
from fairlead.core.errors import BadSetting, BadUsage
from fairlead.usage.cost_words import summary, usd, with_true_costs
from fairlead.usage.ledger import Ledger
from fairlead.usage.query import DIMENSIONS, totals
from fairlead.usage.stores.database import open_database
from fairlead.usage.stores.ledger import PART
from fairlead.usage.stores.machine import UNSAID, HourPrice
from fairlead.usage.true_cost import true_costs

HOUR = 3600 * 10**9
QUARTER = 900 * 10**9
PRICE = HourPrice(72_300_000_000, "aws/c7g.large", "us-east-1", "list", "2026-07-20", "high", "v1")
DEARER = PRICE._replace(pico=100_000_000_000, date="2026-11-20", version="v2")
CUTS = [*((name,) for name in DIMENSIONS), ("key", "model", "day"), ("hour", "key"), ()]
_numbers = count()


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


@pytest.fixture
def ledger(place):
    with_tables = open_database(place, "", name="test")
    with_tables.adopt(PART)
    found = Ledger(with_tables, "here")
    yield found
    found.close()


def put(
    ledger: Ledger, when: int, compute_ns: int, key: str = "key_a", model: str = "iris",
    requests: int = 1, tenant: str = "acme",
) -> None:  # fmt: skip
    who = journal_name(key, tenant, "", "")
    sums = {(when // QUARTER, model, 1, who, 0, 0): [requests, requests, 1, 1, compute_ns, 0]}
    assert ledger.store.add(f"writer-{next(_numbers):06d}.segment", 0, 1, requests, sums)


def ran(ledger: Ledger, began: str, until: str, price=PRICE, workers: int = 2) -> None:
    ledger.machine.note(workers, price, [(ns(began), ns(until))])


def asked(ledger: Ledger, by, *more, **narrowed):
    """The rows by key, and the summary, as programs get them."""
    rows = totals(ledger.store, by, *more, **narrowed)
    found = true_costs(ledger, by, *more, **narrowed)
    with_true_costs(rows, by, found)
    return {tuple(row[name] for name in by): row["machine"] for row in rows}, summary(found)


def a_day(ledger: Ledger) -> None:
    """A day of six hours of computing on two workers, and half a day without calls."""
    ran(ledger, "2026-11-20T00:00", "2026-11-21T12:00")
    put(ledger, ns("2026-11-20T08:00"), 2 * HOUR, requests=1000)
    put(ledger, ns("2026-11-20T20:00"), 1 * HOUR, requests=500)
    put(ledger, ns("2026-11-20T08:00"), 1 * HOUR, "key_b")
    put(ledger, ns("2026-11-20T23:45"), 2 * HOUR, "key_b", "wine", requests=4000)


def test_a_day_worked_out_by_hand(ledger):
    """24 h at 0.0723 are 1.7352 USD. Two workers could compute for 48 h and did for 6: an eighth,
    0.2169, is busy and 1.5183 idle. key_a computed for 3 of the 6 hours: it has half of each."""
    a_day(ledger)
    rows, whole = asked(ledger, ["key", "model", "day"])
    first = rows["key_a", "iris", "2026-11-20"]
    assert first["busy_usd"] == "0.10845"
    assert first["idle_usd"] == "0.75915"
    assert first["usd"] == "0.8676"
    assert first["usd_per_million"] == "578.4"  # of 1,500 requests
    assert rows["key_b", "iris", "2026-11-20"]["usd"] == "0.2892"
    assert rows["key_b", "wine", "2026-11-20"]["usd"] == "0.5784"
    assert first["unpriced_requests"] == 0
    assert first["prices"] == [
        {
            "usd_per_hour": "0.0723",
            "machine": "aws/c7g.large",
            "region": "us-east-1",
            "source": "list",
            "date": "2026-07-20",
            "confidence": "high",
            "table": "v1",
        }
    ]
    assert whole is not None
    assert whole["usd"] == "2.6028"  # 36 h
    assert (whole["busy_usd"], whole["idle_usd"]) == ("0.2169", "1.5183")
    assert (whole["nobody_usd"], whole["other_calls_usd"]) == ("0.8676", "0")
    assert (whole["hours"], whole["hours_without_price"]) == (36.0, 0.0)
    assert whole["prices"][0]["from"] == "2026-11-20T00:00:00+00:00"
    assert whole["prices"][0]["until"] == "2026-11-21T12:00:00+00:00"


def test_a_call_costs_the_same_whoever_asks_for_which_part(ledger):
    a_day(ledger)
    rows, whole = asked(ledger, ["key"], only={"model": "wine"})
    assert {key: row["usd"] for key, row in rows.items()} == {("key_b",): "0.5784"}
    assert whole["other_calls_usd"] == "1.1568"
    rows, whole = asked(ledger, ["key"], since="2026-11-20T12:00", until="2026-11-20T22:00")
    assert {key: row["usd"] for key, row in rows.items()} == {("key_a",): "0.2892"}
    assert whole["usd"] == "1.7352"
    assert whole["other_calls_usd"] == "1.446"


@pytest.mark.parametrize("by", CUTS, ids="-".join)
def test_groups_add_up_however_they_are_cut(ledger, by):
    a_day(ledger)
    rows, whole = asked(ledger, by, "America/Havana")
    shares = [Decimal(row["usd"]) for row in rows.values()]
    assert sum(shares, Decimal(0)) + Decimal(whole["nobody_usd"]) == Decimal("2.6028")
    for row in rows.values():
        assert Decimal(row["busy_usd"]) + Decimal(row["idle_usd"]) == Decimal(row["usd"])


def test_what_was_asked_while_no_price_was_on_record_has_no_cost(ledger):
    ran(ledger, "2026-11-20T00:00", "2026-11-20T12:00", UNSAID)
    ran(ledger, "2026-11-20T12:00", "2026-11-21T00:00")
    put(ledger, ns("2026-11-20T08:00"), HOUR, "key_old", requests=7)
    put(ledger, ns("2026-11-20T09:00"), HOUR, requests=7)
    put(ledger, ns("2026-11-20T13:00"), HOUR, requests=2)
    rows, whole = asked(ledger, ["key"])
    assert rows["key_old",] is None
    assert rows["key_a",]["usd"] == "0.8676"  # all of the twelve hours
    assert rows["key_a",]["unpriced_requests"] == 7
    assert (whole["hours"], whole["hours_without_price"]) == (12.0, 12.0)


def test_where_no_price_was_ever_said_nothing_is_guessed(ledger):
    ran(ledger, "2026-11-20T00:00", "2026-11-20T12:00", UNSAID)
    put(ledger, ns("2026-11-20T08:00"), HOUR)
    rows, whole = asked(ledger, ["key"])
    assert rows == {("key_a",): None}
    assert whole is None
    assert true_costs(ledger).unpriced_ns == 12 * HOUR


def test_a_call_younger_than_what_is_on_record_has_its_price(ledger):
    """The server is noted every half minute, and a quarter of an hour began since."""
    ran(ledger, "2026-11-20T08:00", "2026-11-20T08:59:40")
    put(ledger, ns("2026-11-20T09:00:05"), HOUR)
    rows, _ = asked(ledger, ["key"])
    assert rows["key_a",]["unpriced_requests"] == 0


def test_a_server_that_has_just_begun_has_a_price_and_has_cost_nothing(ledger):
    ran(ledger, "2026-11-20T08:00", "2026-11-20T08:00")
    put(ledger, ns("2026-11-20T08:00:01"), HOUR)
    rows, whole = asked(ledger, ["key"])
    assert rows["key_a",]["usd"] == "0"
    assert rows["key_a",]["unpriced_requests"] == 0
    assert whole["prices"][0]["usd_per_hour"] == "0.0723"


def test_days_are_those_of_the_zone(ledger):
    """23:45 of a day is 18:45 in Havana; its day ends at five."""
    a_day(ledger)
    rows, _ = asked(ledger, ["day"], "America/Havana")
    assert rows.keys() == {("2026-11-20",)}
    paid = Decimal(rows["2026-11-20",]["usd"])
    assert paid == Decimal("1.7352")  # from five to five
    assert true_costs(ledger, (), "America/Havana").nobody == 72_300_000_000 * 12


def test_several_servers_of_a_database_are_one_fleet(ledger):
    a_day(ledger)
    other = Ledger(ledger.store.database, "there")
    ran(other, "2026-11-20T00:00", "2026-11-21T00:00")
    rows, whole = asked(ledger, ["key"], until="2026-11-21")
    assert whole["usd"] == "3.4704"
    assert Decimal(whole["busy_usd"]) == Decimal("0.2169")
    assert rows["key_a",]["usd"] == "1.7352"


def test_what_is_dropped_costs_nobody_anything(ledger):
    a_day(ledger)
    ran(ledger, "2027-01-10T00:00", "2027-01-11T00:00")
    ledger.forget_months(datetime(2027, 1, 20, tzinfo=UTC), 1)
    assert usd(true_costs(ledger).pico) == "1.7352"


@pytest.mark.parametrize(
    ("more", "error"),
    [({"zone_name": "Nowhere"}, BadSetting), ({"since": "soon"}, BadUsage)],
)
def test_what_cannot_be_asked_is_said(ledger, more, error):
    with pytest.raises(error):
        true_costs(ledger, **more)


def test_an_empty_ledger_has_no_cost(ledger):
    assert summary(true_costs(ledger, ["key"])) is None


CALLS = st.lists(
    st.tuples(
        st.integers(0, 4 * 96 - 1), st.integers(0, 10**13), st.sampled_from("ab"),
        st.sampled_from(["iris", "wine"]),
    ),
    max_size=12,
)  # fmt: skip
PRICES = st.sampled_from([PRICE, DEARER, UNSAID])
RUNS = st.lists(
    st.tuples(st.integers(0, 4 * 24 * 60), st.integers(1, 3000), PRICES),
    min_size=1, max_size=5,
)  # fmt: skip
BEGIN = ns("2026-11-20T00:00")
LATER = st.lists(
    st.tuples(st.integers(0, 3000), st.integers(1, 3000), st.integers(1, 10**15)), max_size=3
)


def _filled(folder, runs, calls) -> Ledger:
    database = open_database(folder / "x.sqlite", "", name="test")
    database.adopt(PART)
    ledger = Ledger(database, "here")
    for began, minutes, price in sorted(runs, key=lambda run: run[0]):
        start = BEGIN + began * 60 * 10**9
        ledger.machine.note(2, price, [(start, start + minutes * 60 * 10**9)])
    for quarter, compute, key, model in calls:
        put(ledger, BEGIN + quarter * QUARTER, compute, f"key_{key}", model)
    return ledger


@given(RUNS, CALLS, LATER, st.sampled_from(["UTC", "Asia/Kathmandu", "America/Havana"]))
@settings(max_examples=40, deadline=None)
def test_all_that_was_paid_is_allotted_and_no_past_day_ever_changes(
    tmp_path_factory, runs, calls, later, zone
):
    """Whatever is noted later, at whatever price, the days before today cost what they did."""
    ledger = _filled(tmp_path_factory.mktemp("s"), runs, calls)
    by = ["key", "model", "day"]
    found = true_costs(ledger, by, zone)
    shares = sum(cost.busy + cost.idle for cost in found.rows.values())
    assert shares + found.others + found.nobody == found.pico
    exact = sum(one.price.pico * (one.until_ns - one.began_ns) // HOUR for one in found.stretches)
    assert found.pico == exact
    before, _ = asked(ledger, by, zone)
    today = end = max(one.until_ns for one in ledger.machine.stretches())
    for pause, minutes, pico in later:
        start = end + pause * 60 * 10**9
        end = start + minutes * 60 * 10**9
        changed = PRICE._replace(pico=pico, version="another table", source="another")
        ledger.machine.note(2, changed, [(start, end)])
    after, _ = asked(ledger, by, zone)
    place = calendar.zone(zone)
    for key, row in before.items():
        midnight = datetime.fromisoformat(key[2]).replace(tzinfo=place) + timedelta(days=1)
        if midnight.timestamp() * 1e9 <= today:
            assert after[key] == row
    ledger.close()
