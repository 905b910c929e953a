"""Rating: every price by its record, exact charges, lines that are rounded once and add up."""

import random
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from math import floor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import PriceUnknown
from fairlead.core.money import Money, Price, currency, together
from fairlead.core.plans import UNITS, Assigned, History, Plan, parse_plan
from fairlead.usage.journal import DECISION, STATUS
from fairlead.usage.rating import BILLED, Line, Used, listed, month_of, priced, totals

QUARTER = 900 * 10**9
ZONES = ["UTC", "Asia/Kathmandu", "America/Havana", "Africa/Cairo", "Pacific/Apia",
         "Australia/Lord_Howe", "America/St_Johns"]  # fmt: skip
HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "sell-plans.md"


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


def used(
    start_ns: int = at("2026-11-25"), price: str = "gold@1", status: str = "ok", rows: int = 1,
    withheld: int = 0, compute_ns: int = 0, requests: int = 1, tenant: str = "acme",
) -> Used:  # fmt: skip
    return Used(start_ns, tenant, price, status, requests, rows, withheld, compute_ns)


def plan(price: str, free: str = "", name: str = "gold", code: str = "EUR", more: str = "") -> Plan:
    """A plan from the lines of its tables."""
    about = f'[plan]\nname = "{name}"\ncurrency = "{code}"\nrevision = 1\n{more}\n'
    return parse_plan(f"{about}[price]\n{price}\n[free]\n{free}")


def known(*plans: Plan) -> dict[str, Plan]:
    return {one.title: one for one in plans}


def zoned(name: str) -> History:
    return History({"acme": [Assigned(0, "", name)]})


# --- what is billed ---------------------------------------------------------------------------

EACH = known(plan('request = "1"\nrow = "0.1"\nabstention = "0.01"\ncompute_second = "1000"'))


@pytest.mark.parametrize(
    ("row", "cost"),
    [
        (used(rows=3), "1.3"),
        (used(rows=3, withheld=1), "1.21"),
        (used(rows=3, withheld=3), "1.03"),
        (used(rows=3, status="abandoned"), "1.3"),
        (used(rows=3, status="failed"), "0"),
        (used(rows=3, status="interrupted"), "0"),
        (used(rows=0, compute_ns=1), "1.000001"),
        (used(requests=5, rows=0), "5"),
    ],
)
def test_what_was_executed_is_billed_and_what_failed_is_not(row, cost):
    [charge] = priced([row], EACH, History({})).charges
    assert charge == (Decimal(cost), currency("EUR"))


@pytest.mark.parametrize("withheld", [0, 1, 3])
def test_the_price_of_one_call_is_what_it_is_charged_where_nothing_is_free(withheld):
    row = used(rows=3, withheld=withheld, compute_ns=5_000_000)
    [charge] = priced([row], EACH, History({})).charges
    assert listed(EACH["gold@1"], row) == charge
    generous = plan('row = "0.1"', free="rows = 100")
    assert listed(generous, used(rows=3)) == (Decimal("0.3"), currency("EUR"))


def test_a_plan_without_prices_has_no_price_of_a_call():
    assert listed(plan("", name="free"), used(rows=3)) is None


def test_a_withheld_row_costs_nothing_unless_its_plan_says_so():
    plans = known(plan('row = "0.1"'))
    assert priced([used(rows=5, withheld=5)], plans, History({})).lines == []


def test_every_status_is_billed_or_not_and_the_how_to_says_which():
    assert set(STATUS) >= BILLED
    text = HOW_TO.read_text()
    for status in STATUS:
        [row] = re.findall(rf"^\| `{status}` \|.*$", text, re.MULTILINE)
        assert ("| yes |" in row) is (status in BILLED)
    assert set(DECISION) == {"serve", "warn", "abstain", "reject"}


def test_usage_without_a_price_table_has_no_charge():
    free = known(plan("", name="free"))
    rated = priced([used(price=""), used(price="free@1")], free, History({}))
    assert rated.charges == [None, None]
    assert rated.lines == []


def test_a_price_table_that_is_not_kept_is_named():
    with pytest.raises(PriceUnknown, match="gold@7"):
        priced([used(price="gold@7")], EACH, History({}))


def test_more_withheld_rows_than_rows_are_a_mistake_and_no_refund():
    with pytest.raises(ValueError, match="withheld"):
        priced([used(rows=1, withheld=2)], EACH, History({}))


def test_the_past_is_rated_by_the_table_of_its_record():
    cheap = plan('row = "0.01"')
    dear = replace(cheap, revision=2, prices=(("row", Price.of(5, "EUR")),))
    before = priced([used(rows=100)], known(cheap), History({}))
    after = priced([used(rows=100)], known(cheap, dear), History({}))
    assert before == after
    assert totals(after.lines) == {"EUR": Money.of(1, "EUR")}


@pytest.mark.parametrize(("rule", "cents"), [("half-up", [1, 2]), ("half-even", [0, 2])])
def test_a_line_is_rounded_as_its_plan_says(rule, cents):
    plans = known(plan('row = "0.005"\nrequest = "0.015"', more=f'rounding = "{rule}"'))
    lines = priced([used()], plans, History({})).lines
    assert [line.amount.minor for line in lines] == [cents[1], cents[0]]


def test_the_tenth_revision_comes_after_the_second():
    """Within a quarter of an hour the lower revision is the earlier one, in lines too."""
    second = replace(plan('row = "1"', "rows = 3"), revision=2)
    tenth = replace(second, revision=10)
    rows = [used(price="gold@10", rows=2), used(price="gold@2", rows=2)]
    rated = priced(rows, known(second, tenth), History({}))
    assert [charge.exact for charge in rated.charges] == [1, 0]
    assert [line.price for line in rated.lines] == ["gold@2", "gold@10"]


def test_amounts_of_two_currencies_are_two_totals():
    plans = known(plan('row = "1"'), plan('row = "100"', name="yen", code="JPY"))
    rows = [used(rows=2), used(rows=3, price="yen@1")]
    assert totals(priced(rows, plans, History({})).lines) == {
        "EUR": Money.of(2, "EUR"),
        "JPY": Money.of(300, "JPY"),
    }


# --- free allowances --------------------------------------------------------------------------


@pytest.mark.parametrize("free", [0, 1, 10])
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_free_allowance_ends_exactly_where_it_says(free, more):
    count = free + more
    if count < 0:
        return
    plans = known(plan('row = "1"', f"rows = {free}"))
    lines = priced([used(rows=count)], plans, History({})).lines
    assert sum(line.amount.minor for line in lines) == 100 * max(0, more)
    assert sum(line.free for line in lines) == min(free, count)


@pytest.mark.parametrize(("over_ns", "cost"), [(-1, "0"), (0, "0"), (1, "0.000000001")])
def test_free_seconds_end_at_the_nanosecond(over_ns, cost):
    plans = known(plan('compute_second = "1"', "compute_seconds = 2"))
    [charge] = priced([used(compute_ns=2 * 10**9 + over_ns)], plans, History({})).charges
    assert charge.exact == Decimal(cost)


def test_what_comes_first_is_free_first():
    plans = known(plan('row = "1"', "rows = 3"))
    later, first = used(at("2026-11-02"), rows=2), used(at("2026-11-01"), rows=2)
    charges = priced([later, first], plans, History({})).charges
    assert [charge.exact for charge in charges] == [1, 0]


def test_a_change_of_plan_brings_no_second_allowance():
    plans = known(plan('row = "1"', "rows = 3"), plan('row = "2"', "rows = 4", name="silver"))
    rows = [
        used(at("2026-11-01"), rows=3),
        used(at("2026-11-02"), price="silver@1", rows=3),
        used(at("2026-11-03"), rows=1),
    ]
    assert [charge.exact for charge in priced(rows, plans, History({})).charges] == [0, 4, 1]


def test_every_tenant_and_month_has_its_own_allowance():
    plans = known(plan('row = "1"', "rows = 3"))
    rows = [
        used(at("2026-10-31T23:45"), rows=3),
        used(at("2026-11-01"), rows=3),
        used(at("2026-11-01"), rows=3, tenant="beta"),
    ]
    assert priced(rows, plans, History({})).lines == [
        Line(who, month, "gold@1", "row", 3, 3, Price.of(1, "EUR"), Money.of(0, "EUR"))
        for who, month in [
            ("acme", date(2026, 10, 1)),
            ("acme", date(2026, 11, 1)),
            ("beta", date(2026, 11, 1)),
        ]
    ]


# --- months of a zone -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "last", "first", "month"),
    [
        ("UTC", "2028-02-29T23:45", "2028-03-01T00:00", 3),
        ("Asia/Kathmandu", "2028-02-29T18:00", "2028-02-29T18:15", 3),
        ("Australia/Lord_Howe", "2026-10-31T12:45", "2026-10-31T13:00", 11),
        ("America/St_Johns", "2026-11-01T02:15", "2026-11-01T02:30", 11),
        # Midnight of 1 November comes twice: the month begins at the first.
        ("America/Havana", "2026-11-01T03:45", "2026-11-01T04:00", 11),
        # 31 October has 25 hours: clocks go from midnight back to 23:00.
        ("Africa/Cairo", "2024-10-31T21:45", "2024-10-31T22:00", 11),
    ],
)
def test_a_month_ends_at_midnight_of_the_zone(zone, last, first, month):
    history = zoned(zone)
    assert month_of(history, "acme", at(last)).month == month - 1
    assert month_of(history, "acme", at(first)).month == month


@pytest.mark.parametrize("zone", ZONES)
def test_every_quarter_of_a_year_is_in_one_month_and_months_follow_one_another(zone):
    history = zoned(zone)
    start = at("2027-12-31")
    months = [month_of(history, "acme", start + n * QUARTER) for n in range(0, 96 * 430)]
    assert months == sorted(months)
    assert len(set(months)) in (15, 16)


def test_days_of_23_and_25_hours_lose_no_usage_and_bill_none_twice():
    """March and November of New York, a call in every quarter: 4 more or fewer than of days."""
    history = zoned("America/New_York")
    start = at("2026-03-01T05:00")
    rows = [used(start + n * QUARTER) for n in range(96 * 275)]
    lines = priced(rows, known(plan('row = "1"')), history).lines
    counted = {line.month.month: line.counted for line in lines}
    assert counted[3] == 96 * 31 - 4
    assert counted[11] == 96 * 30 + 4
    assert counted[4] == 96 * 30
    assert sum(counted.values()) == len(rows)


def test_a_change_of_zone_puts_no_usage_into_two_months():
    """From UTC to Tokyo within November: what was October's stays so, the rest is counted once."""
    moved = at("2026-11-30T12:00")
    history = History({"acme": [Assigned(0, "", "UTC"), Assigned(moved, "", "Asia/Tokyo")]})
    rows = [used(at("2026-11-30") + n * QUARTER) for n in range(96)]
    lines = priced(rows, known(plan('row = "1"')), history).lines
    assert [(line.month.month, line.counted) for line in lines] == [(11, 60), (12, 36)]


# --- against a reckoning from events ------------------------------------------------------------

amounts = st.integers(0, 10**13).map(lambda n: Decimal(n).scaleb(-12))
codes = st.sampled_from(["EUR", "JPY", "KWD"])


@st.composite
def revisions(draw: st.DrawFn, name: str, revision: int) -> Plan:
    unit = currency(draw(codes))
    priced_units = draw(st.lists(st.sampled_from(UNITS), unique=True))
    free_units = draw(st.lists(st.sampled_from(priced_units), unique=True)) if priced_units else []
    return Plan(
        name=name,
        revision=revision,
        currency=unit,
        prices=tuple((u, Price(draw(amounts), unit)) for u in UNITS if u in priced_units),
        free=tuple((u, draw(st.integers(0, 12))) for u in UNITS if u in free_units),
        rounding=draw(st.sampled_from(["half-up", "half-even"])),
    )


TABLES = [("gold", 1), ("gold", 2), ("gold", 10), ("ash", 1)]
all_plans = st.tuples(*(revisions(*table) for table in TABLES))


@st.composite
def events(draw: st.DrawFn) -> list[Used]:
    """Calls one by one, over the end of a month."""
    start = at("2026-10-31T10:00")
    found: list[Used] = []
    for _ in range(draw(st.integers(0, 12))):
        rows = draw(st.integers(0, 6))
        found.append(
            Used(
                start + draw(st.integers(0, 100)) * QUARTER,
                draw(st.sampled_from(["acme", "beta"])),
                draw(st.sampled_from(["", *(f"{name}@{number}" for name, number in TABLES)])),
                draw(st.sampled_from(STATUS)),
                1,
                rows,
                draw(st.integers(0, rows)),
                draw(st.integers(0, 3 * 10**9)),
            )
        )
    return found


def rolled_up(stream: list[Used]) -> list[Used]:
    sums: dict[tuple, list[int]] = {}
    for event in stream:
        values = sums.setdefault(event[:4], [0] * 4)
        values[:] = [a + b for a, b in zip(values, event[4:], strict=True)]
    return [Used(*key, *values) for key, values in sums.items()]


def reckoned(stream: list[Used], plans: dict[str, Plan], history: History) -> dict:
    """By (tenant, month, table, unit) the exact amount, event by event and unit by unit."""
    taken: dict[tuple, int] = {}
    owed: dict[tuple, Fraction] = {}
    order = ["", *(f"{name}@{number}" for name, number in sorted(TABLES))]
    for event in sorted(stream, key=lambda e: (e.start_ns, order.index(e.price))):
        if not event.price or event.status in ("failed", "interrupted"):
            continue
        table, month = plans[event.price], month_of(history, event.tenant, event.start_ns)
        free = dict(table.free)
        things = {
            "request": event.requests,
            "row": event.rows - event.withheld,
            "abstention": event.withheld,
            "compute_second": event.compute_ns,
        }
        for unit, price in table.prices:
            scale = 10**9 if unit == "compute_second" else 1
            before = taken.get((event.tenant, month, unit), 0)
            after = taken[event.tenant, month, unit] = before + things[unit]
            allowance = free.get(unit, 0) * scale
            paid = max(0, after - allowance) - max(0, before - allowance)
            place = event.tenant, month, event.price, unit
            if things[unit]:
                owed[place] = owed.get(place, 0) + Fraction(price.amount) * paid / scale
    return owed


def minor(exact: Fraction, table: Plan) -> int:
    scaled = exact * 10**table.currency.exponent
    whole = floor(scaled)
    half = scaled - whole - Fraction(1, 2)
    up = half > 0 or (half == 0 and (table.rounding == "half-up" or whole % 2 == 1))
    return whole + up


@given(all_plans, events(), st.sampled_from(ZONES), st.randoms(use_true_random=False))
def test_the_ledger_is_rated_as_its_events_are(some, stream, zone, chance):
    plans, history = known(*some), History({"acme": [Assigned(0, "", zone)]})
    ledger = rolled_up(stream)
    rated = priced(ledger, plans, history)
    wanted = reckoned(_one_order(stream), plans, history)
    assert {line[:4]: line.amount.minor for line in rated.lines} == {
        place: minor(exact, plans[place[2]]) for place, exact in wanted.items()
    }
    for code, total in totals(rated.lines).items():
        assert total.minor == sum(
            x.amount.minor for x in rated.lines if x.each.currency.code == code
        )
    charged = together(charge.exact for charge in rated.charges if charge)
    assert Fraction(charged) == sum(wanted.values())
    chance.shuffle(ledger)
    assert priced(ledger, plans, history).lines == rated.lines


def _one_order(stream: list[Used]) -> list[Used]:
    """Free units are taken in the order of time; which call of a quarter takes them is no matter
    for the lines, since calls of one quarter and table cost the same."""
    shuffled = list(stream)
    random.Random(7).shuffle(shuffled)
    return shuffled


@given(all_plans, events(), st.integers(1, 5))
def test_many_rows_of_the_ledger_cost_what_one_of_their_sum_costs(some, stream, parts):
    plans = known(*some)
    again = [event for event in stream for _ in range(parts)]
    assert (
        priced(rolled_up(again), plans, History({})).lines
        == priced(again, plans, History({})).lines
    )
