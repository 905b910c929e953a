"""Terms: a key gives no more than its tenant's plan, and is counted and priced by it."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.access.parts import made

from fairlead.access.book import allows
from fairlead.access.terms import NO_TERMS, Terms, caller_of, stricter, terms
from fairlead.core.access import Caller, parse_scopes
from fairlead.core.allowance import parse_limits
from fairlead.core.disclosure import DISCLOSURES
from fairlead.core.errors import PlanNotFound
from fairlead.core.plans import Plan, Tenant

GOLD = Plan(
    name="gold",
    revision=3,
    scopes=parse_scopes(["predict:*", "usage:read"]),
    limits=parse_limits(["requests=2/day"]),
    disclosure="banded",
)
FREE = Plan(name="free", revision=1)
PLANS = {plan.title: plan for plan in (GOLD, FREE)}
ACME = Tenant(name="acme", created_ns=0, plan="gold@3", zone="Asia/Kathmandu")
BETA = Tenant(name="beta", created_ns=0)


def test_the_terms_of_a_tenant_are_those_of_its_revision():
    assert terms(ACME, PLANS) == Terms(
        "gold", "gold@3", GOLD.limits, "Asia/Kathmandu", GOLD.scopes, "banded"
    )
    assert terms(replace(BETA, plan="free@1"), PLANS) == Terms("free", "free@1")


def test_a_tenant_without_a_plan_has_no_bounds_and_no_price():
    assert terms(BETA, PLANS) == NO_TERMS
    assert terms(replace(BETA, zone="Asia/Tokyo"), {}).zone == "Asia/Tokyo"


def test_a_plan_that_is_not_known_is_no_plan_without_bounds():
    with pytest.raises(PlanNotFound):
        terms(replace(ACME, plan="gold@4"), PLANS)


def test_a_caller_is_priced_by_its_tenants_plan():
    key = made("predict:iris", plan="other")[1].key
    caller = caller_of(key, terms(ACME, PLANS))
    assert caller.plan == "gold"
    assert json.loads(caller.who) == [key.id, "acme", "gold", "gold@3"]
    assert json.loads(caller_of(key, NO_TERMS).who) == [key.id, "acme", "", ""]


def test_a_key_gives_no_more_than_its_plan():
    key = made("predict:iris", "admin:keys", "usage:read")[1].key
    caller = caller_of(key, terms(ACME, PLANS))
    assert allows(caller, "predict", "iris")
    assert allows(caller, "usage:read")
    assert not allows(caller, "admin:keys")
    assert not allows(caller, "predict", "wine")


def test_a_plan_without_scopes_leaves_the_key_as_it_is():
    key = made("predict:iris@3", "admin:keys")[1].key
    caller, alone = caller_of(key, terms(replace(BETA, plan="free@1"), PLANS)), Caller.of(key)
    assert (caller.open, caller.named) == (alone.open, alone.named)


def test_a_key_that_is_no_part_of_its_plan_may_nothing():
    caller = caller_of(made("explain:iris")[1].key, terms(ACME, PLANS))
    assert not caller.open
    assert not caller.named


def test_limits_origins_and_account_stay_those_of_the_key():
    key = made(limits=["rows=5/second"], origins=("https://example.org",))[1].key
    caller, alone = caller_of(key, terms(ACME, PLANS)), Caller.of(key)
    assert caller.limits == alone.limits
    assert caller.origins == alone.origins
    assert caller.account == alone.account


@given(st.sampled_from(["", *DISCLOSURES]), st.sampled_from(["", *DISCLOSURES]))
def test_the_stricter_level_is_told(one, other):
    order = ["", *DISCLOSURES]
    assert stricter(one, other) == order[max(order.index(one), order.index(other))]
