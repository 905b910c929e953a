"""What settings, the state folder and this machine mean to the deployment check."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shlex import quote
from typing import Any

from fairlead.assembly.asking import every_page, managed
from fairlead.assembly.doors import admin_host, check_doors, server_tls
from fairlead.assembly.hosts import is_loopback
from fairlead.assembly.places import check_database, database_of
from fairlead.assembly.server import check_exposure, has_keys
from fairlead.assembly.settings import Settings
from fairlead.core.access import ANY, parse_scope
from fairlead.core.clock import wall_ns
from fairlead.core.errors import FairleadError
from fairlead.readiness.facts import Bounds, Callers, Doors, KeyFact, Machine, Record
from fairlead.serving.machine import usable_cores
from fairlead.serving.memory_bounds import free_memory, usable_memory

_DAY_NS = 86_400 * 10**9
_MONTH_DAYS = 31
_BACKUP = "state.backup"
_WORKS = "works"


def doors(settings: Settings) -> Doors:
    """Where callers come in, and why a server would not start."""
    own = settings.server
    refused = remedy = ""
    try:
        check_exposure(settings)
        check_doors(settings)
        check_database(settings)
    except FairleadError as error:
        refused, remedy = f"{error.id} {error.what}", error.fix or ""
    return Doors(
        host=own.host,
        inside=is_loopback(own.host),
        tls=bool(own.tls_cert),
        elsewhere=own.tls_elsewhere,
        ends=_ends(settings),
        platform=own.auth == "platform",
        proxied=bool(own.trusted_proxy),
        admin=own.admin,
        admin_inside=is_loopback(admin_host(settings)),
        refused=refused,
        remedy=remedy,
    )


def _ends(settings: Settings) -> float | None:
    """Days until the certificate ends; None where there is none that can be used."""
    try:
        tls = server_tls(settings)
    except FairleadError:
        return None  # `server-starts` says so
    return (tls.ends - datetime.now(UTC)) / timedelta(days=1) if tls is not None else None


def bounds(settings: Settings) -> Bounds:
    """What one request may be."""
    own = settings.limits
    return Bounds(
        body_mib=own.body_mib,
        chosen=settings.origins["limits.body_mib"] != "default",
        timeout_s=own.request_timeout_s,
        usage=own.usage,
    )


def callers(settings: Settings, model: str, version: int) -> Callers:
    """Who may ask a version. Raises as `managed` does."""
    folder = Path(settings.server.state)
    identities = bool(settings.access.identities)
    guest = settings.pages.guest
    if not folder.is_dir() or not has_keys(folder, database_of(settings)):
        return Callers(identities=identities, guest=guest)
    tenants = {one["name"]: one for one in every_page(folder, "tenants.list", {}, "tenants")}
    titles = {one["plan"] for one in tenants.values() if one["plan"]}
    plans = {title: managed(folder, "plans.show", {"plan": title}) for title in sorted(titles)}
    sold = managed(folder, "plans.list", {})["plans"]
    keys = [
        _key(told, tenants.get(told["tenant"], {}), plans, model, version)
        for told in every_page(folder, "keys.list", {}, "keys")
        if told["standing"] == _WORKS
    ]
    prices = tuple(str(plan["title"]) for plan in sold if plan["price"])
    return Callers(keys=tuple(keys), identities=identities, closed=True, prices=prices, guest=guest)


def _key(
    told: dict[str, Any], tenant: dict[str, Any], plans: dict[str, Any], model: str, version: int
) -> KeyFact:
    scopes = [parse_scope(text) for text in told["scopes"]]
    asking = [
        scope
        for scope in scopes
        if scope.operation == "predict"
        and scope.model in (ANY, model)
        and (not scope.selector.isdecimal() or int(scope.selector) == version)
    ]
    plan = str(tenant.get("plan") or "")
    terms = plans.get(plan, {"plan": {}, "price": {}})
    return KeyFact(
        name=told["name"],
        allows=bool(asking),
        everything=any(scope.model == ANY for scope in asking),
        admin=any(scope.operation.startswith("admin:") for scope in scopes),
        ends=told["expires"] is not None,
        limited=bool(told["limits"] or terms["plan"].get("limits")),
        tenant=told["tenant"],
        plan=plan,
        priced=bool(terms["price"]),
    )


def record(settings: Settings) -> Record:
    """Where calls would be written down."""
    folder = Path(settings.server.state).absolute()
    there = next(place for place in (folder, *folder.parents) if place.is_dir())
    mode = folder.stat().st_mode if folder.is_dir() else 0o700
    return Record(
        state=quote(settings.server.state),
        writable=os.access(there, os.W_OK | os.X_OK),
        private=not mode & 0o077,
        free=shutil.disk_usage(there).free,
        durable=settings.usage.durability == "power",
        backup=_backup(folder, settings) if folder.is_dir() else None,
    )


def _backup(folder: Path, settings: Settings) -> float | None:
    """Days since the newest backup of the last month that is on record."""
    if not has_keys(folder, database_of(settings)):
        return None
    since = wall_ns() - _MONTH_DAYS * _DAY_NS
    moments = [
        told[1]
        for told in every_page(folder, "audit.list", {"since_ns": since}, "records")
        if told[4] == _BACKUP
    ]
    return (wall_ns() - max(moments)) / _DAY_NS if moments else None


def machine(settings: Settings, beside: int) -> Machine:
    """This machine. beside: bytes of the other models."""
    workers = settings.server.workers
    cores = usable_cores()
    return Machine(
        cores=cores,
        workers=workers if isinstance(workers, int) else cores,
        memory=usable_memory(),
        free=free_memory(),
        beside=beside,
    )
