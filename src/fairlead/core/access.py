"""Who may do what: operations, scopes and keys, as words that every room shares.

A key never holds its secret here: what is compared is a digest, and it lies beside the key in a
`StoredKey`. Everything is a plain value, checked when it is made from what somebody wrote.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Literal, get_args

from fairlead.core.allowance import Limit
from fairlead.core.disclosure import DISCLOSURES
from fairlead.core.errors import KeyFieldInvalid

Operation = Literal[
    "predict",
    "explain",
    "feedback",
    "usage:read",
    "metrics:read",
    "admin:models",
    "admin:keys",
    "admin:audit",
]
"""Everything that a caller can be allowed. The set is closed: nothing else is understood."""

OPERATIONS: tuple[Operation, ...] = get_args(Operation)
OF_A_MODEL = frozenset[Operation]({"predict", "explain", "feedback"})
"""The operations whose scopes name a model; the others concern the whole server or a tenant."""

ANY = "*"
HELD_BACK = frozenset({"candidate", "shadow"})
"""Labels of versions on trial: a scope that names no version does not reach them."""

NAME_LENGTH = 100
_MODEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?", re.ASCII)
_SELECTOR = re.compile(r"[1-9][0-9]{0,17}|[a-z][a-z0-9-]{0,62}", re.ASCII)
_TENANT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?", re.ASCII)
_ID = re.compile(r"key_[A-Za-z0-9]{16}", re.ASCII)
_ORIGIN = re.compile(
    r"https?://(?:[a-z0-9.-]{1,253}|\[[0-9a-f:]{2,45}\])(?::[1-9]\d{0,4})?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Scope:
    """One thing that a key allows.

    model:    the model's name, "*" for every model, "" where the operation concerns none.
    selector: a version number or a label that the scope is narrowed to; "" for any version that
              is not on trial (a `candidate` or `shadow` version must be named).
    """

    operation: Operation
    model: str = ""
    selector: str = ""

    def __str__(self) -> str:
        """As it is written: `predict:iris@3`."""
        text = f"{self.operation}:{self.model}" if self.model else self.operation
        return f"{text}@{self.selector}" if self.selector else text


def parse_scope(text: str) -> Scope:
    """A scope as somebody writes it: `predict:iris@3`, `predict:*`, `usage:read`.

    Raises KeyFieldInvalid, which says what is wrong and what would be right.
    """
    if text in OPERATIONS:
        if text in OF_A_MODEL:
            raise _bad_scope(text, "no model", f"Write {text}:MODEL, or {text}:* for every model")
        return Scope(text)
    first, _, rest = text.partition(":")
    if first not in OF_A_MODEL:
        raise _bad_scope(text, "no known operation", f"Known: {', '.join(OPERATIONS)}")
    model, at, selector = rest.partition("@")
    if model != ANY and (not _MODEL.fullmatch(model) or ".." in model):
        raise _bad_scope(text, "no model's name after the operation", f"Write {first}:MODEL")
    if selector == ANY:
        selector = ""  # `@*` and nothing say the same
    elif at and not _SELECTOR.fullmatch(selector):
        raise _bad_scope(
            text, "neither a version nor a label after @", "Write @3 or @stable, or leave @ out"
        )
    return Scope(first, model, selector)


def _bad_scope(text: str, what: str, fix: str) -> KeyFieldInvalid:
    return KeyFieldInvalid(f"{text[:80]!r} is no scope: {what}", where="scopes", fix=fix)


Kind = Literal["live", "test", "admin"]
"""What a key is for, told by its looks; what it may do is told by its scopes alone."""

ACTIONS = ("reject", "abstain", "warn", "shadow")
"""What can become of a row that is unlike the training rows; `shadow` is only counted."""

PRIORITIES = ("interactive", "batch", "shadow")
"""Classes of calls, the highest first: where not all can be served, the lower one waits or goes."""

Standing = Literal["works", "revoked", "expired", "replaced"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key as its owner and the operator see it; never its secret, nor the secret's digest.

    id:          what the key is called in commands and records: `key_` and 16 characters.
    name:        what people call it.
    tenant:      who pays and to whom it belongs.
    scopes:      what it allows; nothing else is allowed.
    created_ns, expires_ns, revoked_ns: wall clock, nanoseconds since 1970; None is never.
    lineage:     the id of the first key of its row of rotations: limits and usage are counted
                 under it, so that a rotation brings no second allowance.
    successor:   the id of the key that has replaced it, "" while none has.
    retires_ns:  when a replaced key stops working.
    networks:    where it may be used from, as `10.0.0.0/8`; nothing means everywhere.
    origins:     the web origins that browsers may use it from, as `https://example.org`.
    limits:      what it may use, beside its tenant's and the server's limits.
    disclosure:  the most that it is told, one of core.disclosure; "" for the model's own choice.
    novelty:     what becomes of its rows that are unlike the training rows, one of ACTIONS; "" for
                 the model's own choice.
    plan:        the plan that prices and bundles it; "" for none.
    ending:      the last four characters of the secret, by which people recognise it.
    kind:        what the key is for, which its first letters tell.
    priority:    whose calls go first where not all can be served, one of PRIORITIES.
    """

    id: str
    name: str
    tenant: str
    scopes: tuple[Scope, ...]
    created_ns: int
    lineage: str
    ending: str
    expires_ns: int | None = None
    revoked_ns: int | None = None
    successor: str = ""
    retires_ns: int | None = None
    networks: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    disclosure: str = ""
    novelty: str = ""
    plan: str = ""
    kind: Kind = "live"
    priority: str = PRIORITIES[0]

    def standing(self, now_ns: int) -> Standing:
        """Whether the key works at this time, and if not, why. Its scopes make no difference."""
        if self.revoked_ns is not None:
            return "revoked"
        if self.expires_ns is not None and now_ns >= self.expires_ns:
            return "expired"
        if self.retires_ns is not None and now_ns >= self.retires_ns:
            return "replaced"
        return "works"


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key and the digest of its secret, as the database and a book hold them."""

    key: Key
    digest: bytes

    def __repr__(self) -> str:
        return f"StoredKey({self.key.id})"


@dataclass(frozen=True, slots=True, eq=False)
class Caller:
    """Who asks, once a key was recognised: what admission needs, compiled from the key.

    account: what limits and misuse are counted under: the key's lineage, or the address of a
             caller without a key.
    open:    (operation, model) pairs that are allowed in every version not on trial.
    named:   (operation, model, selector) triples that are allowed: a version, a label, or what a
             key and its plan have in common (access/scopes.py).
    novelty: what becomes of its rows that are unlike the training rows; "" as the model says.
    who:     how the journal names it: key, tenant, plan and price as a JSON array.
    rank:    the place of its priority in PRIORITIES.
    """

    key: str
    name: str
    tenant: str
    account: str
    plan: str
    disclosure: str
    limits: tuple[Limit, ...]
    origins: frozenset[str]
    open: frozenset[tuple[str, str]]
    named: frozenset[tuple[str, str, str]]
    who: bytes = b'["","","",""]'
    novelty: str = ""
    rank: int = 0

    @classmethod
    def of(cls, key: Key) -> Caller:
        """The caller that a key stands for."""
        return cls(
            key=key.id,
            name=key.name,
            tenant=key.tenant,
            account=key.lineage,
            plan=key.plan,
            disclosure=key.disclosure,
            limits=key.limits,
            origins=frozenset(key.origins),
            open=frozenset((s.operation, s.model) for s in key.scopes if not s.selector),
            named=frozenset((s.operation, s.model, s.selector) for s in key.scopes if s.selector),
            who=journal_name(key.id, key.tenant, key.plan, ""),
            novelty=key.novelty,
            rank=PRIORITIES.index(key.priority),
        )


def journal_name(key: str, tenant: str, plan: str, price: str) -> bytes:
    """A caller as the journal names it. price: of the price table, such as `gold@3`."""
    return json.dumps([key, tenant, plan, price], separators=(",", ":")).encode()


@lru_cache(maxsize=4096)
def anybody(address: str, operations: tuple[Operation, ...] = OPERATIONS) -> Caller:
    """A caller without a key, known by its address alone, who may do these operations."""
    return Caller(
        key="",
        name=address,
        tenant="",
        account=address,
        plan="",
        disclosure="",
        limits=(),
        origins=frozenset(),
        open=frozenset((o, ANY if o in OF_A_MODEL else "") for o in operations),
        named=frozenset(),
    )


NOBODY = anybody("", ())
"""Who asks where nobody needs to be known."""


Network = IPv4Network | IPv6Network


def parse_network(text: str) -> Network:
    """A network as `10.0.0.0/8` or `2001:db8::/32`, or one address. Raises KeyFieldInvalid."""
    try:
        return ip_network(text)
    except ValueError as error:
        raise KeyFieldInvalid(
            f"{text[:80]!r} is no network: {_short(error)}",
            where="networks",
            fix="Write a network such as 10.0.0.0/8, or one address",
        ) from None


def _short(error: ValueError) -> str:
    return "it has bits outside its mask" if "host bits" in str(error) else "it cannot be read"


def check(key: Key) -> Key:
    """`key` if each of its fields may stand in a key, else raises KeyFieldInvalid.

    Whoever takes fields from outside calls it once, before anything is kept.
    """
    _field(_ID.fullmatch(key.id) is not None, "id", "'key_' and 16 letters or digits")
    _field(_ID.fullmatch(key.lineage) is not None, "lineage", "the id of a key")
    _field(_is_text(key.name), "name", f"1 to {NAME_LENGTH} printable characters")
    _field(not is_key_id(key.name), "name", "a name that does not look like the id of a key")
    _field(_TENANT.fullmatch(key.tenant) is not None, "tenant", "1 to 64 letters, digits, . _ -")
    _field(key.kind in get_args(Kind), "kind", f"one of {', '.join(get_args(Kind))}")
    _field(bool(key.scopes), "scopes", "at least one scope, such as predict:iris")
    _field(key.novelty in ("", *ACTIONS), "novelty", f"one of {', '.join(ACTIONS)}")
    _field(key.priority in PRIORITIES, "priority", f"one of {', '.join(PRIORITIES)}")
    _field(key.disclosure in ("", *DISCLOSURES), "disclosure", f"one of {', '.join(DISCLOSURES)}")
    _field(not key.plan or _TENANT.fullmatch(key.plan) is not None, "plan", "the name of a plan")
    _field(re.fullmatch(r"[0-9A-Za-z]{4}", key.ending) is not None, "ending", "4 characters")
    _field(
        key.expires_ns is None or key.expires_ns > key.created_ns,
        "expires",
        "a time after the key was made",
    )
    for origin in key.origins:
        _field(_ORIGIN.fullmatch(origin) is not None, "origins", "origins as https://example.org")
    for network in key.networks:
        parse_network(network)
    for scope in key.scopes:
        parse_scope(str(scope))
    _field(
        len({limit.name for limit in key.limits}) == len(key.limits), "limits", "each limit once"
    )
    return key


def _field(right: bool, field: str, wanted: str) -> None:
    if not right:
        raise KeyFieldInvalid(
            f"the {field} of a key cannot be this", where=field, fix=f"Give {wanted}"
        )


def _is_text(text: str) -> bool:
    return 0 < len(text) <= NAME_LENGTH and text.isprintable() and text == text.strip()


def is_key_id(text: str) -> bool:
    """Whether a text is the id of a key, whoever has it."""
    return _ID.fullmatch(text) is not None


def parse_scopes(texts: Iterable[str]) -> tuple[Scope, ...]:
    """Scopes as somebody writes them, each once, in their order. Raises KeyFieldInvalid."""
    return tuple(dict.fromkeys(parse_scope(text) for text in texts))
