"""Plans and tenants in a database: revisions that stay, and what a tenant had when."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.access.parts import made
from tests.databases import looked_at

from fairlead.core.access import parse_scopes
from fairlead.core.allowance import parse_limits
from fairlead.core.errors import (
    PlanInvalid,
    PlanNotFound,
    StateInvalid,
    TenantExists,
    TenantInvalid,
    TenantNotFound,
)
from fairlead.core.money import Price, currency
from fairlead.core.plans import Assigned, Plan, plan_from_json, tenant_from_json
from fairlead.usage.stores import plans as module
from fairlead.usage.stores.database import open_database
from fairlead.usage.stores.joint import Joint
from fairlead.usage.stores.keys import KeyStore
from fairlead.usage.stores.plans import PlanStore

NAMES = [
    "'; DROP TABLE tenant; --",
    "x' OR '1'='1",
    "%",
    "a\0b",
    "\ud800",
    "",
    "a/b",
    "é",
    "$1",
    "?",
]
GOLD = Plan(
    name="gold",
    scopes=parse_scopes(["predict:*"]),
    limits=parse_limits(["requests=100/second"]),
    currency=currency("EUR"),
    prices=(("row", Price.of("0.000000000001", "EUR")),),
    free=(("row", 10**15),),
)


@pytest.fixture
def database(place):
    database = Joint(open_database(place, "", name="test"))
    yield database
    database.close()


@pytest.fixture
def store(database):
    return PlanStore(database)


def dearer(plan: Plan, price: str) -> Plan:
    return replace(plan, prices=(("row", Price.of(price, "EUR")),))


# --- plans ------------------------------------------------------------------------------------


def test_a_plan_is_kept_as_revisions_that_stay(store):
    first, new = store.put(GOLD, 1)
    assert new
    assert first == replace(GOLD, revision=1)
    second, new = store.put(dearer(GOLD, "2"), 2)
    assert new
    assert second.title == "gold@2"
    assert store.plan("gold@1") == first
    assert store.plan("gold@2") == store.plan("gold") == second
    assert store.plans("gold") == [first, second]
    assert store.tables() == {"gold@1": first, "gold@2": second}


def test_an_unchanged_plan_makes_no_revision(store):
    first, _ = store.put(GOLD, 1)
    revision = module.revision.revision_of(store._database)
    assert store.put(GOLD, 2) == (first, False)
    assert store.put(replace(GOLD, revision=7), 2) == (first, False)
    assert module.revision.revision_of(store._database) == revision
    store.put(dearer(GOLD, "2"), 3)
    again, new = store.put(GOLD, 4)
    assert new
    assert again.title == "gold@3"


def test_the_newest_revision_of_every_plan_is_listed(store):
    for number in range(12):
        store.put(dearer(GOLD, str(number)), number)
    store.put(Plan(name="ash"), 1)
    assert [plan.title for plan in store.plans()] == ["ash@1", "gold@12"]
    assert [plan.revision for plan in store.plans("gold")] == list(range(1, 13))


@pytest.mark.parametrize("title", ["gold", "silver", "gold@2", "gold@999999999"])
def test_a_plan_that_is_not_there_is_not_found(store, title):
    store.put(replace(GOLD, name="other"), 1)
    with pytest.raises(PlanNotFound):
        store.plan(title)


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_what_is_no_title_is_looked_for_nowhere(store, name):
    with pytest.raises(PlanInvalid):
        store.plan(name)
    assert store.plans("x' OR '1'='1") == []


def test_nothing_that_is_run_changes_or_removes_a_plan():
    words = Path(module.__file__).read_text().upper()
    assert "UPDATE PLAN " not in words
    assert "DELETE" not in words
    assert "ON CONFLICT" not in words


@pytest.mark.parametrize("body", ['{"plan": {"name": "ash"}}', "{", "[]", "{}", '{"plan": 1}'])
def test_a_plan_that_was_altered_is_refused(tmp_path, body):
    place = tmp_path / "test.sqlite"
    with closing(open_database(place, "", name="test")) as database:
        PlanStore(database).put(GOLD, 1)
    with closing(sqlite3.connect(place)) as altered, altered:
        altered.execute("UPDATE plan SET body = ?", (body,))
    with (
        closing(open_database(place, "", name="test")) as database,
        pytest.raises(StateInvalid, match="gold@1 is damaged"),
    ):
        PlanStore(database).plan("gold")


def test_money_is_text_in_the_database(store, place, request):
    store.put(GOLD, 1)
    server = request.getfixturevalue("postgres") if isinstance(place, str) else None
    [(body,)] = looked_at(place, server, "SELECT body FROM plan")
    assert json.loads(body)["price"] == {"row": "0.000000000001"}


# --- tenants ----------------------------------------------------------------------------------


def test_a_tenant_has_the_revision_that_was_newest_when_it_was_given(store):
    store.put(GOLD, 1)
    tenant = store.create("acme", 2, "gold", "Asia/Tokyo")
    assert (tenant.plan, tenant.zone, tenant.created_ns) == ("gold@1", "Asia/Tokyo", 2)
    store.put(dearer(GOLD, "9"), 3)
    assert store.tenant("acme") == tenant
    before, after = store.change("acme", 4, plan="gold")
    assert (before, after) == (tenant, replace(tenant, plan="gold@2"))
    assert store.change("acme", 5, plan="gold@1")[1] == tenant
    assert store.change("acme", 6, plan="")[1].plan == ""
    assert store.change("acme", 7, zone="UTC")[1] == replace(tenant, plan="", zone="UTC")


def test_what_a_tenant_had_can_be_told_for_any_time(store):
    store.put(GOLD, 1)
    store.create("acme", 10, "gold")
    store.create("beta", 11)
    store.change("acme", 20, zone="Asia/Tokyo")
    store.change("acme", 30, plan="")
    for history in (store.history(), store.history("acme")):
        assert history.at("acme", 5) == Assigned(10, "gold@1", "UTC")
        assert history.at("acme", 19) == Assigned(10, "gold@1", "UTC")
        assert history.at("acme", 20) == Assigned(20, "gold@1", "Asia/Tokyo")
        assert history.at("acme", 99) == Assigned(30, "", "Asia/Tokyo")
    assert store.history("acme").at("beta", 99) == Assigned(0, "", "UTC")
    assert store.history().at("beta", 99) == Assigned(11, "", "UTC")


def test_a_clock_that_goes_back_does_not_turn_the_past_around(store):
    store.create("acme", 10)
    store.change("acme", 20, zone="Asia/Tokyo")
    store.change("acme", 5, zone="Asia/Kathmandu")
    assert store.history().at("acme", 19).zone == "UTC"
    assert store.history().at("acme", 20).zone == "Asia/Kathmandu"


def test_a_change_to_what_is_there_already_is_none(store):
    store.create("acme", 10)
    revision = module.revision.revision_of(store._database)
    before, after = store.change("acme", 20, plan="", zone="UTC")
    assert before == after
    assert module.revision.revision_of(store._database) == revision
    assert store.history().at("acme", 99).from_ns == 10


def test_a_tenant_is_made_once(store):
    assert store.ensure("acme", 1)
    assert not store.ensure("acme", 2)
    with pytest.raises(TenantExists):
        store.create("acme", 3)
    assert store.tenant("acme").created_ns == 1


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_that_cannot_be_is_no_tenant(store, name):
    store.create("acme", 1)
    with pytest.raises(TenantInvalid):
        store.create(name, 1)
    with pytest.raises(TenantInvalid):
        store.ensure(name, 1)
    with pytest.raises(TenantNotFound):
        store.tenant(name)
    with pytest.raises(TenantNotFound):
        store.change(name, 1, zone="UTC")
    if name:
        with pytest.raises(TenantNotFound):
            store.tenants(after=name)
    assert [tenant.name for tenant in store.tenants()] == ["acme"]


def test_a_change_that_fails_leaves_everything_as_it_was(store):
    tenant = store.create("acme", 1)
    revision = module.revision.revision_of(store._database)
    with pytest.raises(PlanNotFound):
        store.change("acme", 2, plan="gold", zone="Asia/Tokyo")
    with pytest.raises(TenantInvalid):
        store.change("acme", 2, zone="Nowhere")
    with pytest.raises(PlanNotFound):
        store.create("beta", 2, plan="gold")
    assert store.tenants() == [tenant]
    assert module.revision.revision_of(store._database) == revision


def test_tenants_are_listed_by_name_in_pages(store):
    for name in ("b", "A", "a", "c"):
        store.create(name, 1)
    assert [tenant.name for tenant in store.tenants()] == ["A", "a", "b", "c"]
    assert [tenant.name for tenant in store.tenants("A", 2)] == ["a", "b"]


# --- with the keys ----------------------------------------------------------------------------


def test_keys_plans_and_tenants_share_one_revision(database, store):
    keys = KeyStore(database)
    seen = [keys.revision()]
    minted = made()
    for change in (
        lambda: store.put(GOLD, 1),
        lambda: store.create("acme", 1),
        lambda: store.change("acme", 1, plan="gold"),
        lambda: keys.create(minted[1].key, minted[1].digest),
        lambda: store.ensure("beta", 1),
    ):
        change()
        seen.append(keys.revision())
    assert seen == sorted(set(seen))


def test_a_key_and_its_tenant_are_made_together_or_not_at_all(database, store):
    keys, minted = KeyStore(database), made()

    def both_and_then_a_fault():
        with database.writing():
            store.ensure("acme", 1)
            keys.create(minted[1].key, minted[1].digest)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        both_and_then_a_fault()
    assert store.tenants() == []
    assert keys.every() == []


def test_workers_are_told_tenants_and_the_plans_that_they_have(store):
    store.put(GOLD, 1)
    store.put(Plan(name="ash"), 1)
    store.create("acme", 2, "gold")
    store.put(dearer(GOLD, "3"), 3)
    store.create("beta", 4)
    tenants, plans = json.loads(json.dumps(store.told()))
    assert {n: tenant_from_json(t) for n, t in tenants.items()} == {
        tenant.name: tenant for tenant in store.tenants()
    }
    assert {t: plan_from_json(p) for t, p in plans.items()} == {"gold@1": store.plan("gold@1")}


def test_what_was_kept_is_there_after_it_was_closed(place):
    with closing(open_database(place, "", name="test")) as database:
        store = PlanStore(database)
        store.put(GOLD, 1)
        store.create("acme", 2, "gold")
    with closing(open_database(place, "", name="test")) as database:
        store = PlanStore(database)
        assert store.tenant("acme").plan == "gold@1"
        assert store.plan("gold@1") == replace(GOLD, revision=1)
        assert store.history().at("acme", 2).plan == "gold@1"
