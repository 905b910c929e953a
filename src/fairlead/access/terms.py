"""What a tenant's plan makes of its keys: the most that they may, are told and use, and the price.

A key never gives more than its tenant's plan does, whatever stands in the key, so a plan that
changes binds every key at once and no key has to be written anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from fairlead.access.scopes import Allowed, both
from fairlead.core.access import Caller, Key, Scope, journal_name
from fairlead.core.allowance import Limit
from fairlead.core.disclosure import DISCLOSURES
from fairlead.core.errors import PlanNotFound
from fairlead.core.plans import Plan, Tenant

_STRICTNESS = {level: rank for rank, level in enumerate(DISCLOSURES)}


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for every key of one tenant.

    plan:       the plan's name; "" for none.
    price:      the price table that is recorded with each call, such as `gold@3`; "" for none.
    limits:     counted over all keys of the tenant.
    zone:       in which the tenant's days and months begin.
    scopes:     the most that its keys may; () for whatever the key allows.
    disclosure: the most that its keys are told; "" sets no bound.
    """

    plan: str = ""
    price: str = ""
    limits: tuple[Limit, ...] = ()
    zone: str = "UTC"
    scopes: tuple[Scope, ...] = ()
    disclosure: str = ""


NO_TERMS = Terms()
"""Of a tenant that is not known, or has no plan."""


def terms(tenant: Tenant, plans: Mapping[str, Plan]) -> Terms:
    """What holds for the keys of a tenant.

    plans: by title. Raises PlanNotFound for a tenant whose plan is not there: then none of its
    keys may be served, since nobody knows what they may.
    """
    if not tenant.plan:
        return Terms(zone=tenant.zone)
    plan = plans.get(tenant.plan)
    if plan is None:
        raise PlanNotFound(f"the plan {tenant.plan} of {tenant.name} is not known", where="plan")
    return Terms(plan.name, plan.title, plan.limits, tenant.zone, plan.scopes, plan.disclosure)


def caller_of(key: Key, its: Terms) -> Caller:
    """The caller that a key stands for under the terms of its tenant."""
    caller = Caller.of(key)
    allowed = Allowed(caller.open, caller.named)
    if its.scopes:
        allowed = both(allowed, Allowed.of(its.scopes))
    return replace(
        caller,
        plan=its.plan,
        disclosure=stricter(key.disclosure, its.disclosure),
        open=allowed.open,
        named=allowed.named,
        who=journal_name(key.id, key.tenant, its.plan, its.price),
    )


def stricter(one: str, other: str) -> str:
    """The level of disclosure that says less; "" sets no bound."""
    return max(one, other, key=lambda level: _STRICTNESS.get(level, -1))
