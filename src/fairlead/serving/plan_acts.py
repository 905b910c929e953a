"""What can be done to tenants and plans. Every change is audited.

A plan is never changed: what is put under its name is its next revision.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.access.times import told
from fairlead.core.errors import KeyFieldInvalid
from fairlead.core.plans import Plan, Tenant, parse_plan, plan_from_json, plan_to_json
from fairlead.serving.act_fields import Fields
from fairlead.serving.acting import Acting

MOST = 1000
"""Tenants of one answer."""


def told_tenant(tenant: Tenant) -> dict[str, Any]:
    """A tenant as people and programs get it."""
    return {
        "name": tenant.name,
        "plan": tenant.plan or None,
        "zone": tenant.zone,
        "state": tenant.state,
        "created": told(tenant.created_ns),
    }


def _terms(tenant: Tenant) -> dict[str, Any]:
    """What of a tenant can change."""
    return {"plan": tenant.plan or None, "zone": tenant.zone}


def create_tenant(acting: Acting, given: Mapping[str, Any]) -> dict[str, Any]:
    """A new tenant, with a plan or without."""
    fields = Fields(given, "name", "plan", "zone")
    about = fields.text("plan", ""), fields.text("zone", "UTC")
    with acting.changing() as acts:
        tenant = acting.room.plans.create(fields.text("name"), acting.now_ns, *about)
        acts.append(acting.act("tenants.create", tenant.name, None, _terms(tenant)))
    return told_tenant(tenant)


def list_tenants(acting: Acting, given: Mapping[str, Any]) -> dict[str, Any]:
    """Tenants by name, in pages: `next` is the `after` of the next."""
    fields = Fields(given, "after", "most")
    most = fields.whole("most", MOST, 1, MOST)
    found = acting.room.plans.tenants(fields.text("after", ""), most + 1)
    following = found[most - 1].name if len(found) > most else None
    return {"tenants": [told_tenant(tenant) for tenant in found[:most]], "next": following}


def show_tenant(acting: Acting, given: Mapping[str, Any]) -> dict[str, Any]:
    """One tenant."""
    return told_tenant(acting.room.plans.tenant(Fields(given, "name").text("name")))


def change_tenant(acting: Acting, given: Mapping[str, Any]) -> dict[str, Any]:
    """Gives a tenant another plan ("" for none) or time zone from now on."""
    fields = Fields(given, "name", "plan", "zone")
    plan = fields.text("plan") if "plan" in fields else None
    zone = fields.text("zone") if "zone" in fields else None
    if plan is None and zone is None:
        raise KeyFieldInvalid("nothing is to be changed", fix="Give plan or zone")
    with acting.changing() as acts:
        name = fields.text("name")
        before, after = acting.room.plans.change(name, acting.now_ns, plan, zone)
        if after != before:
            acts.append(acting.act("tenants.change", name, _terms(before), _terms(after)))
    return told_tenant(after)


def told_plan(plan: Plan) -> dict[str, Any]:
    """A revision of a plan as people and programs get it: its title, and its tables."""
    return {"title": plan.title, **plan_to_json(plan)}


def put_plan(acting: Acting, given: Mapping[str, Any]) -> dict[str, Any]:
    """Keeps a plan, given as TOML (`text`) or as its tables (`tables`), as its next revision.

    name: if it is given, the plan must have it. `new` is false where the newest revision says the
    same already.
    """
    fields = Fields(given, "text", "tables", "name")
    as_text = "text" in fields
    plan = parse_plan(fields.text("text")) if as_text else plan_from_json(fields.table("tables"))
    if fields.text("name", plan.name) != plan.name:
        raise KeyFieldInvalid(
            "the plan has another name", where="plan.name", fix="Give both the same name"
        )
    with acting.changing() as acts:
        kept, new = acting.room.plans.put(plan, acting.now_ns)
        if new:
            acts.append(acting.act("plans.put", kept.name, None, told_plan(kept)))
    return {**told_plan(kept), "new": new}


def list_plans(acting: Acting, given: Mapping[str, Any]) -> dict[str, Any]:
    """The newest revision of every plan, or every revision of one."""
    fields = Fields(given, "name")
    plans = acting.room.plans.plans(fields.text("name", ""))
    return {"plans": [told_plan(plan) for plan in plans], "next": None}


def show_plan(acting: Acting, given: Mapping[str, Any]) -> dict[str, Any]:
    """One revision of a plan, by its title; by its name the newest."""
    return told_plan(acting.room.plans.plan(Fields(given, "plan").text("plan")))
