"""Tenants and plans are kept and changed as asked, in both databases, each act on record."""

from __future__ import annotations

import pytest
from tests.serving.parts_keys import INJECTIONS, act, made, room, trail

from fairlead.core.errors import (
    FairleadError,
    KeyFieldInvalid,
    PlanInvalid,
    PlanNotFound,
    TenantExists,
    TenantInvalid,
    TenantNotFound,
)

GOLD = {"plan": {"name": "gold", "currency": "EUR"}, "price": {"row": "0.01"}}
DEARER = {"plan": {"name": "gold", "currency": "EUR"}, "price": {"row": "0.02"}}


@pytest.fixture
def keys(place, tmp_path):
    opened = room(place, tmp_path)
    yield opened
    opened.close()


def test_a_plan_is_kept_in_revisions_and_the_same_again_is_no_act(keys):
    assert act(keys, "plans.put", tables=GOLD)["title"] == "gold@1"
    assert act(keys, "plans.put", tables=GOLD)["new"] is False
    assert act(keys, "plans.put", tables=DEARER)["title"] == "gold@2"
    assert act(keys, "plans.show", plan="gold")["price"] == {"row": "0.02"}
    assert act(keys, "plans.show", plan="gold@1")["price"] == {"row": "0.01"}
    titles = [plan["title"] for plan in act(keys, "plans.list", name="gold")["plans"]]
    assert titles == ["gold@1", "gold@2"]
    assert [plan["title"] for plan in act(keys, "plans.list")["plans"]] == ["gold@2"]
    assert trail(keys) == [("plans.put", "gold"), ("plans.put", "gold")]


def test_a_plan_comes_as_toml_or_as_tables(keys):
    text = '[plan]\nname = "gold"\ncurrency = "EUR"\n[price]\nrow = "0.01"\n'
    assert act(keys, "plans.put", text=text)["new"]
    assert not act(keys, "plans.put", tables=GOLD)["new"]
    for wrong in ({"text": "x"}, {"tables": {}}, {"tables": GOLD | {"root": {}}}):
        with pytest.raises(PlanInvalid):
            act(keys, "plans.put", **wrong)
    with pytest.raises(KeyFieldInvalid, match="another name"):
        act(keys, "plans.put", tables=GOLD, name="silver")
    with pytest.raises(KeyFieldInvalid, match="tables is missing"):
        act(keys, "plans.put")


def test_a_tenant_is_made_and_changed_and_what_it_was_is_on_record(keys):
    act(keys, "plans.put", tables=GOLD)
    told = act(keys, "tenants.create", name="acme", plan="gold", zone="Europe/Berlin")
    assert (told["plan"], told["zone"], told["state"]) == ("gold@1", "Europe/Berlin", "active")
    assert act(keys, "tenants.change", name="acme", plan="")["plan"] is None
    assert act(keys, "tenants.change", name="acme", plan="")["plan"] is None
    assert trail(keys)[1:] == [("tenants.create", "acme"), ("tenants.change", "acme")]
    record = keys.audit.records()[-1].to_json()
    assert record["before"] == {"plan": "gold@1", "zone": "Europe/Berlin"}
    assert record["after"] == {"plan": None, "zone": "Europe/Berlin"}
    assert act(keys, "tenants.show", name="acme")["plan"] is None


def test_what_cannot_be_done_changes_nothing(keys):
    act(keys, "tenants.create", name="acme")
    before = trail(keys), keys.keys.revision()
    for error, kind, given in (
        (TenantExists, "tenants.create", {"name": "acme"}),
        (TenantInvalid, "tenants.create", {"name": "a b"}),
        (TenantInvalid, "tenants.create", {"name": "b", "zone": "Mars/Base"}),
        (PlanNotFound, "tenants.create", {"name": "b", "plan": "none"}),
        (PlanNotFound, "tenants.change", {"name": "acme", "plan": "gold@7"}),
        (TenantInvalid, "tenants.change", {"name": "acme", "zone": "../etc/passwd"}),
        (TenantNotFound, "tenants.change", {"name": "nobody", "zone": "UTC"}),
        (TenantNotFound, "tenants.show", {"name": "nobody"}),
        (KeyFieldInvalid, "tenants.change", {"name": "acme"}),
        (KeyFieldInvalid, "tenants.create", {"name": "b", "state": "closed"}),
        (KeyFieldInvalid, "tenants.create", {}),
        (PlanNotFound, "plans.show", {"plan": "none"}),
    ):
        with pytest.raises(error):
            act(keys, kind, **given)
    assert (trail(keys), keys.keys.revision()) == before


def test_tenants_are_listed_in_pages_without_a_gap(keys):
    names = [f"t{number}" for number in range(5)]
    for name in names:
        act(keys, "tenants.create", name=name)
    first = act(keys, "tenants.list", most=2)
    rest = act(keys, "tenants.list", after=first["next"])
    assert [tenant["name"] for tenant in first["tenants"] + rest["tenants"]] == names
    assert rest["next"] is None


def test_a_key_and_its_new_tenant_are_made_together_or_not_at_all(keys):
    with pytest.raises(FairleadError):
        made(keys, tenant="acme", scopes=["everything"])
    assert act(keys, "tenants.list")["tenants"] == []


@pytest.mark.parametrize("text", INJECTIONS)
def test_no_text_is_taken_for_a_statement(keys, text):
    act(keys, "tenants.create", name="acme")
    for kind, given in (
        ("tenants.create", {"name": text}),
        ("tenants.create", {"name": "b", "plan": text}),
        ("tenants.create", {"name": "b", "zone": text}),
        ("tenants.show", {"name": text}),
        ("tenants.list", {"after": text}),
        ("tenants.change", {"name": text, "zone": "UTC"}),
        ("plans.show", {"plan": text}),
        ("plans.put", {"tables": {"plan": {"name": text}}}),
        ("plans.put", {"text": text}),
    ):
        with pytest.raises(FairleadError):
            act(keys, kind, **given)
    assert act(keys, "plans.list", name=text)["plans"] == []
    assert trail(keys) == [("tenants.create", "acme")]
