"""How much a caller may use: the limits that apply to a call, and the words of a refusal.

A call is counted against the limits of its key, its tenant, its model, its tenant for that model,
and the server. The one that keeps it waiting longest is named in the error.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from fairlead.core.access import Caller
from fairlead.core.allowance import Limit
from fairlead.core.errors import AboveLimit, LimitsUnavailable, ResourceExhausted

Whose = Literal["key", "tenant", "tenant-model", "model", "server"]
_WORDS: dict[Whose, str] = {
    "key": "this key",
    "tenant": "your account",
    "tenant-model": "your account for this model",
    "model": "this model",
    "server": "this server",
}
SHARED = frozenset[Whose]({"model", "server"})
"""Limits that all callers use up together: how much is left is nobody's business."""

_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Rules:
    """The limits that do not stand in a key, and the time zones of tenants' calendars.

    zones: IANA names by tenant; UTC is meant where none stands, and for the model and the server.
    """

    server: tuple[Limit, ...] = ()
    tenants: Mapping[str, tuple[Limit, ...]] = field(default_factory=dict[str, tuple[Limit, ...]])
    models: Mapping[str, tuple[Limit, ...]] = field(default_factory=dict[str, tuple[Limit, ...]])
    tenant_models: Mapping[tuple[str, str], tuple[Limit, ...]] = field(
        default_factory=dict[tuple[str, str], tuple[Limit, ...]]
    )
    zones: Mapping[str, str] = field(default_factory=dict[str, str])


class Account(NamedTuple):
    """Whose limit it is: a key's lineage, a tenant, a model, both, or nobody's (the server)."""

    whose: Whose
    name: str = ""
    model: str = ""


class Left(NamedTuple):
    """What a caller has left of one limit.

    left: in the units of the limit. reset_s: seconds until all of it is there again if nothing
    more is used; None where time brings nothing back.
    """

    account: Account
    limit: Limit
    left: int
    reset_s: int | None


def applying(rules: Rules, caller: Caller, model: str) -> Iterator[tuple[Account, Limit, str]]:
    """Every limit that holds for calls of a caller to a model, and the zone of its calendar."""
    tenant = caller.tenant
    place = rules.zones.get(tenant, "UTC")
    both = rules.tenant_models.get((tenant, model), ())
    found = [
        (Account("key", caller.account), caller.limits, place),
        (Account("tenant", tenant), rules.tenants.get(tenant, ()), place),
        (Account("tenant-model", tenant, model), both, place),
        (Account("model", "", model), rules.models.get(model, ()), "UTC"),
        (Account("server"), rules.server, "UTC"),
    ]
    for account, limits, where in found:
        for limit in limits:
            yield account, limit, where


def meter_name(account: Account, limit: Limit) -> str:
    """What the meter of a limit is called everywhere: no two accounts have one name."""
    return json.dumps([*account, limit.name], separators=(",", ":"))


def used_up(account: Account, limit: Limit, wait_ns: int | None) -> ResourceExhausted:
    """The error for a limit that is used up. wait_ns: until asking again may succeed, None where
    no waiting helps."""
    again = None if wait_ns is None else seconds(wait_ns)
    error = ResourceExhausted(
        f"the limit {limit.name} of {_WORDS[account.whose]} is used up",
        where=f"{account.whose} {limit.name}",
        fix="Ask the operator for more" if again is None else f"Ask again in {again} s",
    )
    error.retry_after = again
    return error


def above(account: Account, limit: Limit) -> AboveLimit:
    """The error for a call that is larger than a limit ever allows."""
    most = limit.burst or limit.amount
    return AboveLimit(
        f"one request may use {most} at most under the limit {limit.name} "
        f"of {_WORDS[account.whose]}",
        where=f"{account.whose} {limit.name}",
        fix="Send less in one request",
    )


def unavailable() -> LimitsUnavailable:
    """The error for a limit of which nobody can say how much is left."""
    return LimitsUnavailable(
        "how much is left cannot be known at the moment", fix="Try again in a second"
    )


def seconds(wait_ns: int) -> int:
    """Whole seconds, never too early; at least one."""
    return max(1, -(-wait_ns // _SECOND_NS))
