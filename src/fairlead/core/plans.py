"""Plans and tenants: what is sold as one, to whom, and at which prices.

A plan is a named bundle of scopes, limits, disclosure and prices. What is kept of it is a revision
and never changes: `gold@3` means the same for ever, so that a record which names it can be priced
at any time. A tenant has one revision of one plan, or none; a new revision moves nobody.

A plan is written as TOML, or as JSON of the same shape:

    [plan]
    name = "gold"
    currency = "EUR"
    scopes = ["predict:*"]
    limits = ["requests=100/second", "rows=1000000/month"]
    disclosure = "full"
    [price]
    request = "0.0001"
    row = "0.00002"
    [free]
    rows = 1000
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import Any, Literal, NamedTuple, cast, get_args

from fairlead.core.access import Scope, parse_scopes
from fairlead.core.allowance import MOST, Limit, parse_limits
from fairlead.core.calendar import zone as known_zone
from fairlead.core.disclosure import DISCLOSURES
from fairlead.core.errors import BadSetting, KeyFieldInvalid, PlanInvalid, TenantInvalid
from fairlead.core.money import ROUNDINGS, Currency, Price, Rounding, currency, written

Unit = Literal["request", "row", "compute_second", "abstention"]
UNITS: tuple[Unit, ...] = get_args(Unit)
"""What can have a price. A row that is abstained or rejected is an abstention, and no row."""
FREE: dict[str, Unit] = {f"{unit}s": unit for unit in UNITS}
"""How a free allowance is written: `rows` for the unit `row`."""

State = Literal["active"]
"""What a tenant may be in. The set is closed."""

MOST_SCOPES = 100
MOST_BYTES = 64 << 10
"""Of a plan's text."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?", re.ASCII)
_TITLE = re.compile(rf"({_NAME.pattern})@([1-9][0-9]{{0,8}})", re.ASCII)
_PLAN_FIELDS = (
    "name", "revision", "currency", "rounding", "scopes", "limits", "disclosure",
)  # fmt: skip
_TABLES = {"plan": _PLAN_FIELDS, "price": UNITS, "free": tuple(FREE)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One revision of a plan.

    revision:   1 for the first that was kept; 0 for one that is not kept yet.
    scopes:     the most that keys of its tenants may do; () for whatever the key allows.
    limits:     counted for each tenant, over all of its keys.
    disclosure: the most that its keys are told, one of core.disclosure; "" sets no bound.
    currency:   None where nothing has a price.
    prices:     what one unit costs; what has no price costs nothing.
    free:       units of each calendar month of the tenant's time zone that cost nothing.
    rounding:   of the amount of a line.
    """

    name: str
    revision: int = 0
    scopes: tuple[Scope, ...] = ()
    limits: tuple[Limit, ...] = ()
    disclosure: str = ""
    currency: Currency | None = None
    prices: tuple[tuple[Unit, Price], ...] = ()
    free: tuple[tuple[Unit, int], ...] = ()
    rounding: Rounding = "half-up"

    @property
    def title(self) -> str:
        """What tenants and records name it by: `gold@3`."""
        return f"{self.name}@{self.revision}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """Who pays, and owns keys.

    plan: the title of a plan's revision, such as `gold@3`; "" for none. zone: the IANA name of the
    time zone in which its days and months begin.
    """

    name: str
    created_ns: int
    plan: str = ""
    zone: str = "UTC"
    state: State = "active"


class Assigned(NamedTuple):
    """What a tenant had from a time on: wall-clock nanoseconds, a plan's title, a time zone."""

    from_ns: int
    plan: str
    zone: str


class History:
    """What every tenant had at any time."""

    def __init__(self, assigned: Mapping[str, Iterable[Assigned]]) -> None:
        self._assigned = {name: sorted(had, key=_began) for name, had in assigned.items()}

    def at(self, tenant: str, wall_ns: int) -> Assigned:
        """What a tenant had at a time; before its first day what it had then, and no plan and UTC
        for a tenant that is not known."""
        had = self._assigned.get(tenant)
        if not had:
            return Assigned(0, "", "UTC")
        return had[max(0, bisect_right(had, wall_ns, key=_began) - 1)]


def _began(assigned: Assigned) -> int:
    return assigned.from_ns


def is_name(text: str) -> bool:
    """Whether a tenant or a plan can be called so."""
    return _NAME.fullmatch(text) is not None


def check_tenant(tenant: Tenant) -> Tenant:
    """`tenant` if each of its fields may stand in one, else raises TenantInvalid."""
    if not is_name(tenant.name):
        raise TenantInvalid(
            f"{tenant.name[:80]!r} cannot be the name of a tenant",
            where="name",
            fix="Give 1 to 64 letters, digits, . _ -",
        )
    try:
        known_zone(tenant.zone)
    except BadSetting as error:
        raise TenantInvalid(error.what, where="zone", fix=error.fix) from None
    if tenant.state not in get_args(State):
        raise TenantInvalid("a tenant is in no such state", where="state", fix="Known: active")
    if tenant.plan:
        parse_title(tenant.plan)
    return tenant


def tenant_to_json(tenant: Tenant) -> dict[str, Any]:
    """The mapping that `tenant_from_json` takes."""
    return asdict(tenant)


def tenant_from_json(data: Mapping[str, Any]) -> Tenant:
    """The tenant that `tenant_to_json` made a mapping of.

    Raises TypeError, TenantInvalid or PlanInvalid for anything else.
    """
    return check_tenant(Tenant(**data))


def parse_title(text: str) -> tuple[str, int]:
    """Name and revision of a title such as `gold@3`; revision 0 where it names none.

    Raises PlanInvalid.
    """
    found = _TITLE.fullmatch(text)
    if found is not None:
        return found[1], int(found[2])
    if not is_name(text):
        raise PlanInvalid(
            f"{text[:80]!r} names no plan", where="name", fix="Write gold, or gold@3 for revision 3"
        )
    return text, 0


# --- reading and writing a plan -------------------------------------------------------------


class _Inexact(str):
    """A number of a TOML file that would become a float."""

    __slots__ = ()


def parse_plan(text: str) -> Plan:
    """The plan that a TOML file describes. Raises PlanInvalid, which names the field."""
    if len(text) > MOST_BYTES:
        raise PlanInvalid(f"a plan has {MOST_BYTES} characters at most", fix="Write less")
    try:
        data = tomllib.loads(text, parse_float=_Inexact)
    except (ValueError, RecursionError) as error:  # also of numbers with too many digits
        what = str(error)[:200] or "it cannot be read"
        raise PlanInvalid(f"the plan is no TOML: {what}", fix="Correct the line") from None
    return plan_from_json(data)


def plan_from_json(data: Mapping[str, Any]) -> Plan:
    """The plan that tables of the shape above describe. Raises PlanInvalid, which names the field.

    Whatever is in a mapping is looked at, so it may come from anybody.
    """
    tables = {name: _table(data, name) for name in _TABLES}
    _check_known(data, tuple(_TABLES), "")
    about = tables["plan"]
    unit = _currency(about)
    plan = Plan(
        name=_name(about),
        revision=_whole(about, "plan", "revision", 10**9 - 1),
        scopes=_parsed(about, "scopes", parse_scopes),
        limits=_parsed(about, "limits", parse_limits),
        disclosure=_one_of(about, "disclosure", ("", *DISCLOSURES)),
        currency=unit,
        prices=_prices(tables["price"], unit),
        free=tuple(
            (FREE[name], _whole(tables["free"], "free", name, MOST))
            for name in FREE
            if name in tables["free"]
        ),
        rounding=cast("Rounding", _one_of(about, "rounding", ROUNDINGS)),
    )
    priced = {unit for unit, _ in plan.prices}
    for free, _ in plan.free:
        if free not in priced:
            raise PlanInvalid(
                f"a free allowance of what has no price: {free}",
                where=f"free.{free}s",
                fix=f"Give price.{free}, or leave it out",
            )
    return plan


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """The tables that `plan_from_json` takes. Equal plans give equal tables."""
    about: dict[str, Any] = {"name": plan.name, "revision": plan.revision}
    if plan.currency is not None:
        about |= {"currency": plan.currency.code, "rounding": plan.rounding}
    about["scopes"] = [str(scope) for scope in plan.scopes]
    about["limits"] = [str(limit) for limit in plan.limits]
    about["disclosure"] = plan.disclosure
    return {
        "plan": {field: value for field, value in about.items() if value not in ("", [])},
        "price": {unit: written(price.amount) for unit, price in plan.prices},
        "free": {f"{unit}s": count for unit, count in plan.free},
    }


def _table(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    found: Any = data.get(name, {})
    if not isinstance(found, dict) or (name == "plan" and not found):
        raise PlanInvalid(f"a plan has a table [{name}]", where=name, fix='[plan] name = "gold"')
    table = cast("dict[str, Any]", found)
    _check_known(table, _TABLES[name], f"{name}.")
    return table


def _check_known(table: Mapping[str, Any], known: tuple[str, ...], place: str) -> None:
    for field in table:
        if field not in known:
            near = get_close_matches(str(field)[:80], known, 1)
            fix = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}"
            raise PlanInvalid(
                f"a plan has no field {str(field)[:80]!r}", where=place + str(field)[:80], fix=fix
            )


def _name(about: Mapping[str, Any]) -> str:
    name = about.get("name")
    if not isinstance(name, str) or not is_name(name):
        raise PlanInvalid(
            "a plan has a name", where="plan.name", fix="Give 1 to 64 letters, digits, . _ -"
        )
    return name


def _currency(about: Mapping[str, Any]) -> Currency | None:
    code = about.get("currency")
    if code is None:
        return None
    try:
        return currency(code if isinstance(code, str) else "")
    except ValueError as error:
        raise PlanInvalid(
            str(error), where="plan.currency", fix="Give a code such as EUR"
        ) from None


def _one_of(about: Mapping[str, Any], field: str, known: tuple[str, ...]) -> str:
    value = about.get(field, known[0])
    if value not in known:
        raise PlanInvalid(
            f"the {field} of a plan cannot be this",
            where=f"plan.{field}",
            fix=f"Known: {', '.join(filter(None, known))}",
        )
    return value


def _whole(table: Mapping[str, Any], name: str, field: str, most: int) -> int:
    value = table.get(field, 0)
    if type(value) is not int or not 0 <= value <= most:
        raise PlanInvalid(
            f"{field} is a whole number from 0 to {most}",
            where=f"{name}.{field}",
            fix="Write it without quotes, dots or an exponent",
        )
    return value


def _parsed(about: Mapping[str, Any], field: str, parse: Any) -> tuple[Any, ...]:
    """The scopes or limits of a plan."""
    given = about.get(field)
    if given is None:
        return ()
    texts = cast("list[Any]", given if isinstance(given, list) else [])
    if not 0 < len(texts) <= MOST_SCOPES or not all(isinstance(text, str) for text in texts):
        raise PlanInvalid(
            f"the {field} of a plan are a list of 1 to {MOST_SCOPES} texts",
            where=f"plan.{field}",
            fix=f"Leave {field} out for none",
        )
    try:
        return parse(texts)
    except KeyFieldInvalid as error:
        raise PlanInvalid(error.what, where=f"plan.{field}", fix=error.fix) from None


def _prices(table: Mapping[str, Any], unit: Currency | None) -> tuple[tuple[Unit, Price], ...]:
    if table and unit is None:
        raise PlanInvalid(
            "prices without a currency", where="plan.currency", fix='Give currency = "EUR"'
        )
    return tuple(
        (name, _price(table[name], name, unit)) for name in UNITS if name in table and unit
    )


def _price(value: Any, name: Unit, unit: Currency) -> Price:
    where = f"price.{name}"
    if isinstance(value, _Inexact) or type(value) not in (str, int):
        raise PlanInvalid(
            "a price is text or an integer: a number with a point would not be kept exactly",
            where=where,
            fix=f'Write {name} = "{value if isinstance(value, _Inexact) else "0.0001"}"',
        )
    try:
        return Price.of(value, unit)
    except ValueError as error:
        raise PlanInvalid(str(error), where=where, fix='Write it as "0.0001"') from None
