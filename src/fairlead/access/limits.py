"""How much a caller may use: every limit that applies to a call, taken together or not at all.

A call is counted against the limits of its key, its tenant, its model, its tenant for that model,
and the server. `Limiter.commit` asks all of them and takes only when all agree; the one that keeps
it waiting longest is named in the error. What a call really used is told by `Grant.settle`; a call
that was never executed gives everything back by `Grant.refund`.

One thread asks, in RAM. Memory is bounded by keys, tenants and models times their limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from math import inf
from typing import Literal, NamedTuple

from fairlead.access.calendar import zone
from fairlead.access.meters import SECOND_NS, Meter, Quota, Taken, meter
from fairlead.core.access import Caller
from fairlead.core.allowance import DIMENSIONS, Cost, Limit
from fairlead.core.errors import AboveLimit, FairleadError, ResourceExhausted

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

ROUTES = 16_384
"""Pairs of caller and model whose meters are remembered at least; at most twice as many."""

_COMPUTE, _CONCURRENCY, _CREDITS = map(DIMENSIONS.index, ("compute_ms", "concurrency", "credits"))


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


Route = tuple[tuple[Account, Meter], ...]
"""Every limit that applies to the calls of one caller to one model."""


class Left(NamedTuple):
    """What a caller has left of one limit.

    left: in the units of the limit. reset_s: seconds until all of it is there again if nothing
    more is used; None where time brings nothing back.
    """

    account: Account
    limit: Limit
    left: int
    reset_s: int | None


class Spent(NamedTuple):
    """What was used of a quota, to be kept over a restart. units: as meters count them."""

    account: Account
    limit: str
    first: date
    units: int


class Grant:
    """What one call has taken. It is settled or refunded once; a second time changes nothing."""

    __slots__ = ("_held",)

    def __init__(self, held: list[tuple[Meter, Taken]]) -> None:
        self._held = held

    def settle(
        self, now_ns: int, wall_ns: int, compute_ns: int = 0, credits: int | None = None
    ) -> None:
        """The call is over, and this is what it used.

        Its place among concurrent calls is free again. Compute time may be more than was held:
        the rest is counted now, and later calls wait for it. Credits may not: ValueError.
        None leaves the credits as they were held.
        """
        for one, taken in self._held:
            if one.place == _CREDITS and credits is not None and credits > taken[0]:
                raise ValueError("a call used more credits than were held for it")
        for one, taken in self._close():
            held = taken[0]
            if one.place == _CONCURRENCY:
                one.give_back(taken, held, now_ns)
            elif one.place == _COMPUTE and compute_ns > held:
                one.take(compute_ns - held, now_ns, wall_ns)
            elif one.place == _COMPUTE:
                one.give_back(taken, held - compute_ns, now_ns)
            elif one.place == _CREDITS and credits is not None:
                one.give_back(taken, held - credits, now_ns)

    def refund(self, now_ns: int) -> None:
        """The call was never executed: everything is given back, as far as it still counts."""
        for one, taken in self._close():
            one.give_back(taken, taken[0], now_ns)

    def _close(self) -> list[tuple[Meter, Taken]]:
        held, self._held = self._held, []
        return held


class Limiter:
    """Counts every limit of this process."""

    def __init__(self, rules: Rules | None = None) -> None:
        self._rules = rules or Rules()
        self._meters: dict[tuple[Account, str], Meter] = {}
        self._resumed: dict[tuple[Account, str], tuple[date, int]] = {}
        # By caller and model. Two generations: what was idle for a whole one is forgotten.
        self._seen: dict[tuple[Caller, str], Route] = {}
        self._before: dict[tuple[Caller, str], Route] = {}

    def adopt(self, rules: Rules) -> None:
        """Goes on under other rules; what was used stays used."""
        self._rules = rules
        self._seen, self._before = {}, {}

    def commit(self, caller: Caller, model: str, cost: Cost, now_ns: int, wall_ns: int) -> Grant:
        """Takes the cost of a call from every limit that applies, or from none.

        now_ns: monotonic, for rates. wall_ns: for days and months.
        Raises ResourceExhausted, whose `retry_after` says when to ask again, and AboveLimit for a
        cost that no waiting makes possible.
        """
        route = self._seen.get((caller, model))
        if route is None:
            route = self._find(caller, model, now_ns)
        units = cost.units
        for _, one in route:
            if not one.fits(units[one.place], now_ns, wall_ns):
                raise _refusal(route, units, now_ns, wall_ns)
        return Grant([(one, one.take(units[one.place], now_ns, wall_ns)) for _, one in route])

    def left(self, caller: Caller, model: str, now_ns: int, wall_ns: int) -> list[Left]:
        """What is left of the caller's own limits; not of those that it shares with others."""
        found: list[Left] = []
        for account, one in self._find(caller, model, now_ns):
            if account.whose not in SHARED:
                scale = one.most // (one.limit.burst or one.limit.amount)
                left = one.left(now_ns, wall_ns) // scale
                wait = one.wait_ns(one.most, now_ns, wall_ns)
                found.append(
                    Left(account, one.limit, left, None if wait is None else -(-wait // SECOND_NS))
                )
        return found

    def quotas(self, wall_ns: int) -> list[Spent]:
        """What is used of every day and month that is under way, to be kept over a restart."""
        return [
            Spent(account, name, *one.used(wall_ns))
            for (account, name), one in self._meters.items()
            if isinstance(one, Quota)
        ]

    def resume(self, spent: Iterable[Spent]) -> None:
        """Takes over what was used before; of two figures for one window the higher counts."""
        for account, name, first, units in spent:
            one = self._meters.get((account, name))
            if isinstance(one, Quota):
                one.resume(first, units)
            else:
                self._resumed[account, name] = first, units

    def _find(self, caller: Caller, model: str, now_ns: int) -> Route:
        """What counts the calls of a caller to a model; remembered."""
        known = caller, model
        route = self._seen.get(known) or self._before.get(known)
        if route is None:
            route = self._route(caller, model, now_ns)
        if len(self._seen) >= ROUTES:
            self._before, self._seen = self._seen, {}
        self._seen[known] = route
        return route

    def _route(self, caller: Caller, model: str, now_ns: int) -> Route:
        rules, tenant = self._rules, caller.tenant
        place = rules.zones.get(tenant, "UTC")
        both = rules.tenant_models.get((tenant, model), ())
        applying = [
            (Account("key", caller.account), caller.limits, place),
            (Account("tenant", tenant), rules.tenants.get(tenant, ()), place),
            (Account("tenant-model", tenant, model), both, place),
            (Account("model", "", model), rules.models.get(model, ()), "UTC"),
            (Account("server"), rules.server, "UTC"),
        ]
        return tuple(
            (account, self._meter(account, limit, place, now_ns))
            for account, limits, place in applying
            for limit in limits
        )

    def _meter(self, account: Account, limit: Limit, place: str, now_ns: int) -> Meter:
        known = account, limit.name
        found = self._meters.get(known)
        if found is None:
            found = self._meters[known] = meter(limit, zone(place), now_ns)
            spent = self._resumed.pop(known, None)
            if spent is not None and isinstance(found, Quota):
                found.resume(*spent)
        elif found.limit != limit:
            found.change(limit, now_ns)
        return found


def _refusal(route: Route, units: tuple[int, ...], now_ns: int, wall_ns: int) -> FairleadError:
    """The error for the limit of a route that keeps a call waiting longest."""
    waits: list[tuple[float, Account, Limit]] = []
    for account, one in route:
        wanted = units[one.place]
        if wanted > one.most:
            return _above(account, one.limit)
        if not one.fits(wanted, now_ns, wall_ns):
            wait = one.wait_ns(wanted, now_ns, wall_ns)
            if one.place == _CONCURRENCY:
                wait = SECOND_NS  # a call may end at any time
            waits.append((inf if wait is None else wait, account, one.limit))
    return _used_up(*max(waits, key=lambda found: found[0]))


def _used_up(wait_ns: float, account: Account, limit: Limit) -> ResourceExhausted:
    again = None if wait_ns == inf else _seconds(int(wait_ns))
    error = ResourceExhausted(
        f"the limit {limit.name} of {_WORDS[account.whose]} is used up",
        where=f"{account.whose} {limit.name}",
        fix="Ask the operator for more" if again is None else f"Ask again in {again} s",
    )
    error.retry_after = again
    return error


def _above(account: Account, limit: Limit) -> AboveLimit:
    most = limit.burst or limit.amount
    return AboveLimit(
        f"one request may use {most} at most under the limit {limit.name} "
        f"of {_WORDS[account.whose]}",
        where=f"{account.whose} {limit.name}",
        fix="Send less in one request",
    )


def _seconds(wait_ns: int) -> int:
    """Whole seconds, never too early; at least one."""
    return max(1, -(-wait_ns // SECOND_NS))
