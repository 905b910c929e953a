"""Plans and tenants: what somebody writes is understood exactly, or refused with the field."""

import json
import re
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.access import parse_scopes
from fairlead.core.allowance import parse_limits
from fairlead.core.disclosure import DISCLOSURES
from fairlead.core.errors import PlanInvalid, TenantInvalid
from fairlead.core.money import EXPONENTS, PRICE_PLACES, ROUNDINGS, Price, currency
from fairlead.core.plans import (
    FREE,
    UNITS,
    Assigned,
    History,
    Plan,
    Tenant,
    check_tenant,
    parse_plan,
    parse_title,
    plan_from_json,
    plan_to_json,
    tenant_from_json,
    tenant_to_json,
)

GOLD = """
[plan]
name = "gold"
currency = "EUR"
scopes = ["predict:*", "usage:read"]
limits = ["requests=100/second", "rows=1000000/month"]
disclosure = "columns"
rounding = "half-even"
[price]
request = "0.0001"
row = "0.00002"
compute_second = 1
[free]
rows = 1000
compute_seconds = 0
"""


def test_a_plan_is_read_as_it_is_written():
    plan = parse_plan(GOLD)
    assert plan == Plan(
        name="gold",
        scopes=parse_scopes(["predict:*", "usage:read"]),
        limits=parse_limits(["requests=100/second", "rows=1000000/month"]),
        disclosure="columns",
        currency=currency("EUR"),
        prices=(
            ("request", Price.of("0.0001", "EUR")),
            ("row", Price.of("0.00002", "EUR")),
            ("compute_second", Price.of(1, "EUR")),
        ),
        free=(("row", 1000), ("compute_second", 0)),
        rounding="half-even",
    )
    assert plan.title == "gold@0"
    assert replace(plan, revision=3).title == "gold@3"


def test_a_plan_may_have_a_name_and_nothing_else():
    assert parse_plan('[plan]\nname = "free"') == Plan(name="free")


def prices(code: str) -> st.SearchStrategy[Price]:
    amounts = st.integers(0, 10**16).map(lambda n: Decimal(n).scaleb(-PRICE_PLACES))
    return amounts.map(lambda amount: Price.of(amount, code))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    code = draw(st.none() | st.sampled_from(sorted(EXPONENTS)))
    priced = draw(st.lists(st.sampled_from(UNITS), unique=True)) if code else []
    free = draw(st.lists(st.sampled_from(priced), unique=True)) if priced else []
    scopes = draw(
        st.lists(st.sampled_from(["predict:*", "explain:a@3", "usage:read"]), unique=True)
    )
    limits = draw(st.lists(st.sampled_from(["rows=5/month", "credits=7", "bytes=3/second:9"]),
                           unique=True))  # fmt: skip
    return Plan(
        name=draw(st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?", fullmatch=True)),
        revision=draw(st.integers(0, 10**9 - 1)),
        scopes=parse_scopes(scopes),
        limits=parse_limits(limits),
        disclosure=draw(st.sampled_from(["", *DISCLOSURES])),
        currency=code and currency(code),
        prices=tuple((unit, draw(prices(code))) for unit in UNITS if unit in priced),
        free=tuple((unit, draw(st.integers(0, 10**15))) for unit in UNITS if unit in free),
        rounding=draw(st.sampled_from(ROUNDINGS)) if code else "half-up",
    )


@given(plans())
def test_a_plan_comes_back_from_json_as_it_was(plan):
    text = json.dumps(plan_to_json(plan))
    assert plan_from_json(json.loads(text)) == plan
    assert json.dumps(plan_to_json(plan_from_json(json.loads(text)))) == text


@pytest.mark.parametrize(
    ("old", "new", "where", "says"),
    [
        ("[price]", "[prices]", "prices", "Did you mean price?"),
        ("request =", "reqest =", "price.reqest", "Did you mean request?"),
        ("rows = 1000", "row = 1000", "free.row", "Did you mean rows?"),
        ("disclosure", "zzz", "plan.zzz", "Known: name"),
        ('name = "gold"', 'name = "go/ld"', "plan.name", "letters, digits"),
        ('name = "gold"', 'name = "gold@3"', "plan.name", "letters, digits"),
        ('name = "gold"', "", "plan.name", "letters, digits"),
        ('"EUR"', '"Euro"', "plan.currency", "such as EUR"),
        ('"EUR"', "978", "plan.currency", "such as EUR"),
        ('currency = "EUR"', "", "plan.currency", 'currency = "EUR"'),
        ('"columns"', '"everything"', "plan.disclosure", "full, columns"),
        ('"columns"', '["full"]', "plan.disclosure", "full, columns"),
        ('"half-even"', '"down"', "plan.rounding", "half-up, half-even"),
        ('"0.00002"', "0.00002", "price.row", 'row = "0.00002"'),
        ('"0.00002"', "true", "price.row", 'row = "0.0001"'),
        ('"0.00002"', '"2e-5"', "price.row", "0.0001"),
        ('"0.00002"', '"-1"', "price.row", "0.0001"),
        ('"0.00002"', '"0.0000000000001"', "price.row", "0.0001"),
        ('"0.00002"', '"NaN"', "price.row", "0.0001"),
        ('"0.00002"', '["1"]', "price.row", "0.0001"),
        ("rows = 1000", "rows = 1000.0", "free.rows", "without quotes"),
        ("rows = 1000", "rows = -1", "free.rows", "without quotes"),
        ("rows = 1000", "rows = true", "free.rows", "without quotes"),
        ("rows = 1000", "rows = 1000000000000001", "free.rows", "without quotes"),
        ("rows = 1000", "abstentions = 1", "free.abstentions", "price.abstention"),
        ('["predict:*", "usage:read"]', "[]", "plan.scopes", "Leave scopes out"),
        ('["predict:*", "usage:read"]', '"predict:*"', "plan.scopes", "Leave scopes out"),
        ('["predict:*", "usage:read"]', "[7]", "plan.scopes", "Leave scopes out"),
        ('"predict:*"', '"predict"', "plan.scopes", "predict:MODEL"),
        ('"requests=100/second"', '"requests=100/year"', "plan.limits", "Known: second"),
        ('"requests=100/second"', '"rows=1/month"', "plan.limits", "each limit once"),
        ("[free]\nrows = 1000\n", "", "plan", "name"),
    ],
)  # fmt: skip
def test_what_cannot_be_in_a_plan_is_refused_with_its_field(old, new, where, says):
    assert GOLD.count(old) == 1
    text = GOLD.replace(old, new) if where != "plan" else "plan = 7"
    with pytest.raises(PlanInvalid) as refused:
        parse_plan(text)
    assert refused.value.where == where
    assert says in str(refused.value.fix)


@pytest.mark.parametrize(
    "text",
    ["", "[plan]", "plan", "[plan\n", "a = " + "[" * 30_000, "a = " + "9" * 10_000, "x" * 70_000,
     "[plan]\nname = 'a'\nname = 'b'", '[plan]\nname = "\\ud800"'],
    ids=["empty", "bare", "word", "torn", "deep", "digits", "long", "twice", "surrogate"],
)  # fmt: skip
def test_what_is_no_plan_is_refused(text):
    with pytest.raises(PlanInvalid) as refused:
        parse_plan(text)
    assert len(refused.value.line()) < 500


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["plan", "price", "free", "name", "row", "scopes", *FREE]), inner
            )
        ),
    ).filter(lambda value: isinstance(value, dict))
)
def test_whatever_json_is_given_a_plan_or_its_refusal_comes_out(data):
    with suppress(PlanInvalid):
        assert isinstance(plan_from_json(data), Plan)


@pytest.mark.parametrize(
    ("text", "title"),
    [("gold", ("gold", 0)), ("gold@3", ("gold", 3)), ("a.b-c_1@999999999", ("a.b-c_1", 999999999))],
)
def test_a_title_names_a_plan_and_perhaps_its_revision(text, title):
    assert parse_title(text) == title


@pytest.mark.parametrize(
    "text", ["", "@3", "gold@", "gold@0", "gold@03", "gold@-1", "gold@1@2", "go ld", "gold\n",
             "gold@\u0661", "gold@9999999999"],
)  # fmt: skip
def test_what_is_no_title_is_refused(text):
    with pytest.raises(PlanInvalid):
        parse_title(text)


ACME = Tenant(name="acme", created_ns=5, plan="gold@3", zone="Asia/Kathmandu")


def test_a_tenant_that_can_be_is_taken():
    assert check_tenant(ACME) is ACME
    assert check_tenant(Tenant(name="default", created_ns=0)).zone == "UTC"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "a/b"),
        ("name", "'; DROP TABLE tenant --"),
        ("name", "a" * 65),
        ("zone", "Mars/Olympus"),
        ("zone", "../../etc/passwd"),
        ("zone", "localtime"),
        ("zone", "right/UTC"),
        ("zone", ""),
        ("state", "suspended"),
    ],
)
def test_a_tenant_that_cannot_be_is_refused_with_its_field(field, value):
    with pytest.raises(TenantInvalid) as refused:
        check_tenant(replace(ACME, **{field: value}))
    assert refused.value.where == field


def test_a_tenant_comes_back_from_json_as_it_was():
    assert tenant_from_json(json.loads(json.dumps(tenant_to_json(ACME)))) == ACME
    with pytest.raises(TypeError):
        tenant_from_json({"name": "acme"})
    with pytest.raises(TenantInvalid):
        tenant_from_json(tenant_to_json(ACME) | {"zone": "Nowhere"})


def test_a_tenant_of_what_is_no_plan_is_refused():
    with pytest.raises(PlanInvalid):
        check_tenant(replace(ACME, plan="gold plan"))


@given(
    st.lists(st.tuples(st.integers(0, 50), st.sampled_from(["a@1", "a@2", "b@1"])), min_size=1),
    st.integers(0, 60),
)
def test_a_tenant_had_at_a_time_what_was_assigned_last_before_it(given_, now):
    had = [Assigned(at, plan, "UTC") for at, plan in sorted(given_)]
    before = [one for one in had if one.from_ns <= now]
    assert History({"t": had}).at("t", now) == (before[-1] if before else had[0])


def test_a_tenant_that_is_not_known_had_nothing():
    assert History({}).at("nobody", 7) == Assigned(0, "", "UTC")
    assert History({"empty": []}).at("empty", 7) == Assigned(0, "", "UTC")


def test_the_plan_that_the_how_to_shows_is_one_and_its_fields_are_explained():
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "sell-plans.md").read_text()
    [shown] = re.findall(r"```toml[^\n]*\n(.*?)```", page, re.DOTALL)
    plan = parse_plan(shown)
    assert len(plan.prices) == len(UNITS)
    for field in ("scopes", "limits", "disclosure", "currency", "rounding"):
        assert f"\n| `{field}` |" in page
    for name in (*FREE, *(f"`{unit}`" for unit in UNITS)):
        assert name in page
