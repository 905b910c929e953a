"""Plans and tenants in the database of keys, under the same revision: who sees it sees all of it.

A revision of a plan is written once; nothing here changes or removes one. What a tenant had is kept
with the time from which it had it, so that any past month can be told and rated as it was.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from fairlead.core.errors import (
    PlanInvalid,
    PlanNotFound,
    StateInvalid,
    TenantExists,
    TenantNotFound,
)
from fairlead.core.plans import (
    Assigned,
    History,
    Plan,
    Tenant,
    check_tenant,
    is_name,
    parse_title,
    plan_from_json,
    plan_to_json,
    tenant_to_json,
)
from fairlead.usage.stores import revision
from fairlead.usage.stores.formats import Database, Part

PART = Part(
    "plans",
    """
    CREATE TABLE IF NOT EXISTS plan (
        name TEXT NOT NULL,
        number INTEGER NOT NULL,
        body TEXT NOT NULL,
        created_ns INTEGER NOT NULL,
        PRIMARY KEY (name, number)
    ) STRICT;
    CREATE TABLE IF NOT EXISTS tenant (
        name TEXT PRIMARY KEY,
        created_ns INTEGER NOT NULL,
        plan TEXT NOT NULL,
        zone TEXT NOT NULL,
        state TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS tenant_had (
        tenant TEXT NOT NULL,
        number INTEGER NOT NULL,
        from_ns INTEGER NOT NULL,
        plan TEXT NOT NULL,
        zone TEXT NOT NULL,
        PRIMARY KEY (tenant, number)
    ) STRICT;
    """,
)

MOST = 1000
"""Tenants of one look."""

_SELECT = "SELECT name, created_ns, plan, zone, state FROM tenant"


class PlanStore:
    """The plans and tenants of one database, for one thread of one process.

    Every method raises what a `Database` raises.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        database.adopt(revision.PART)
        database.adopt(PART)

    # --- plans ------------------------------------------------------------------------------

    def put(self, plan: Plan, now_ns: int) -> tuple[Plan, bool]:
        """Keeps a plan as the next revision of its name; (what is kept, whether it is new).

        The plan that is its newest revision already makes no other. The revision that the plan
        itself names does not matter. now_ns: wall clock.
        """
        body = _body(plan)
        with self._database.writing():
            found = self._newest(plan.name)
            if found is not None and found[1] == body:
                return _plan(plan.name, *found), False
            number = 1 if found is None else found[0] + 1
            self._database.rows(
                "INSERT INTO plan VALUES (?, ?, ?, ?)", (plan.name, number, body, now_ns)
            )
            revision.raise_revision(self._database)
        return _plan(plan.name, number, body), True

    def plan(self, title: str) -> Plan:
        """A plan by its title; without a revision, the newest. Raises PlanNotFound, PlanInvalid."""
        name, number = parse_title(title)
        found = self._kept(name, number) if number else self._newest(name)
        if found is None:
            raise PlanNotFound(f"there is no plan {title}", fix="fairlead plans list shows them")
        return _plan(name, *found)

    def plans(self, name: str = "") -> list[Plan]:
        """The newest revision of every plan, or every revision of one, in order."""
        if name:
            asked = "SELECT name, number, body FROM plan WHERE name = ? ORDER BY number"
            return [_plan(*row) for row in self._database.rows(asked, (name,))]
        asked = (
            "SELECT name, number, body FROM plan WHERE number = "
            "(SELECT max(number) FROM plan AS other WHERE other.name = plan.name) ORDER BY name"
        )
        return [_plan(*row) for row in self._database.rows(asked)]

    def tables(self) -> dict[str, Plan]:
        """Every revision of every plan by its title, for rating."""
        asked = "SELECT name, number, body FROM plan"
        return {plan.title: plan for plan in (_plan(*row) for row in self._database.rows(asked))}

    def _newest(self, name: str) -> tuple[int, str] | None:
        asked = "SELECT number, body FROM plan WHERE name = ? ORDER BY number DESC LIMIT 1"
        return next(((row[0], row[1]) for row in self._database.rows(asked, (name,))), None)

    def _kept(self, name: str, number: int) -> tuple[int, str] | None:
        asked = "SELECT body FROM plan WHERE name = ? AND number = ?"
        return next(((number, row[0]) for row in self._database.rows(asked, (name, number))), None)

    # --- tenants ----------------------------------------------------------------------------

    def create(self, name: str, now_ns: int, plan: str = "", zone: str = "UTC") -> Tenant:
        """A new tenant. plan: a title, or a name for its newest revision.

        Raises TenantExists, TenantInvalid, PlanNotFound.
        """
        with self._database.writing():
            if self._find(name) is not None:
                raise TenantExists(f"there is a tenant {name} already", where="name")
            return self._create(name, now_ns, plan, zone)

    def ensure(self, name: str, now_ns: int) -> bool:
        """Makes a tenant of this name, without a plan, unless there is one; True if it made it."""
        with self._database.writing():
            if self._find(name) is not None:
                return False
            self._create(name, now_ns, "", "UTC")
        return True

    def _create(self, name: str, now_ns: int, plan: str, zone: str) -> Tenant:
        title = self.plan(plan).title if plan else ""
        tenant = check_tenant(Tenant(name=name, created_ns=now_ns, plan=title, zone=zone))
        self._database.rows(
            "INSERT INTO tenant VALUES (?, ?, ?, ?, ?)",
            (tenant.name, tenant.created_ns, tenant.plan, tenant.zone, tenant.state),
        )
        self._note(tenant, now_ns)
        return tenant

    def change(
        self, name: str, now_ns: int, plan: str | None = None, zone: str | None = None
    ) -> tuple[Tenant, Tenant]:
        """Gives a tenant another plan or time zone from now on; what it was, and what it is.

        plan: a title, a name for its newest revision, or "" for none. None leaves things as they
        are. Raises TenantNotFound, TenantInvalid, PlanNotFound.
        """
        with self._database.writing():
            before = self.tenant(name)
            title = before.plan if plan is None else plan and self.plan(plan).title
            zone = before.zone if zone is None else zone
            after = check_tenant(replace(before, plan=title, zone=zone))
            if after != before:
                self._database.rows(
                    "UPDATE tenant SET plan = ?, zone = ? WHERE name = ?", (title, zone, name)
                )
                self._note(after, now_ns)
        return before, after

    def tenant(self, name: str) -> Tenant:
        """One tenant. Raises TenantNotFound."""
        found = self._find(name)
        if found is None:
            raise TenantNotFound(
                f"there is no tenant {name[:80]!r}", fix="fairlead tenants list shows them"
            )
        return found

    def tenants(self, after: str = "", most: int = MOST) -> list[Tenant]:
        """Tenants by name, at most so many, those behind the one called `after`; "" begins.

        Raises TenantNotFound when there is no tenant of that name.
        """
        if after:
            self.tenant(after)
        asked = f"{_SELECT} WHERE name > ? ORDER BY name LIMIT ?"
        return [_tenant(row) for row in self._database.rows(asked, (after, most))]

    def history(self, tenant: str = "") -> History:
        """What a tenant, or every tenant, had at any time."""
        asked = "SELECT tenant, from_ns, plan, zone FROM tenant_had"
        where, given = (" WHERE tenant = ?", (tenant,)) if tenant else ("", ())
        had: dict[str, list[Assigned]] = {}
        for name, *assigned in self._database.rows(
            f"{asked}{where} ORDER BY tenant, number", given
        ):
            had.setdefault(name, []).append(Assigned(*assigned))
        return History(had)

    def _find(self, name: str) -> Tenant | None:
        if not is_name(name):
            return None  # what cannot be kept is not there
        asked = f"{_SELECT} WHERE name = ?"
        return next((_tenant(row) for row in self._database.rows(asked, (name,))), None)

    def _note(self, tenant: Tenant, now_ns: int) -> None:
        """Notes what a tenant has from now on; not before what it had last, for clocks go back."""
        asked = "SELECT max(number), max(from_ns) FROM tenant_had WHERE tenant = ?"
        [(number, last_ns)] = self._database.rows(asked, (tenant.name,))
        self._database.rows(
            "INSERT INTO tenant_had VALUES (?, ?, ?, ?, ?)",
            (tenant.name, (number or 0) + 1, max(now_ns, last_ns or 0), tenant.plan, tenant.zone),
        )
        revision.raise_revision(self._database)

    # --- what workers are told --------------------------------------------------------------

    def told(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Every tenant by name, and by title every plan that one of them has, as JSON.

        Read within `reading`, together with the keys and their revision.
        """
        rows = self._database.rows(_SELECT)
        tenants = {row[0]: tenant_to_json(_tenant(row)) for row in rows}
        asked = (
            "SELECT name, number, body FROM plan "
            "WHERE name || '@' || number IN (SELECT plan FROM tenant)"
        )
        plans = (_plan(*row) for row in self._database.rows(asked))
        return tenants, {plan.title: plan_to_json(plan) for plan in plans}


def _body(plan: Plan) -> str:
    """A plan as it is kept; its revision stands beside it."""
    return json.dumps(plan_to_json(replace(plan, revision=0)), separators=(",", ":"))


def _plan(name: str, number: int, body: str) -> Plan:
    try:
        plan = plan_from_json(json.loads(body))
        if plan.name == name:
            return replace(plan, revision=number)
    except (ValueError, AttributeError, PlanInvalid):
        pass
    raise StateInvalid(f"the plan {name}@{number} is damaged", fix="Restore it from a backup")


def _tenant(row: tuple[Any, ...]) -> Tenant:
    name, created_ns, plan, zone, state = row
    return Tenant(name=name, created_ns=created_ns, plan=plan, zone=zone, state=state)
