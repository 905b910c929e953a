"""What can be done to keys: made, listed, shown, rotated, revoked. Every change is audited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast, get_args

from fairlead.access.minting import GRACE_NS, LIFETIME_NS, new_key, successor_of
from fairlead.access.times import parse_end, parse_span, told
from fairlead.core.access import NAME_LENGTH, PRIORITIES, Key, Kind, is_key_id, parse_scopes
from fairlead.core.allowance import parse_limits
from fairlead.core.audit import Act
from fairlead.core.errors import KeyFieldInvalid, KeyNotFound
from fairlead.serving.act_fields import Fields
from fairlead.serving.acting import Acting

DEFAULT_TENANT = "default"
MOST = 1000
"""Keys of one answer."""
_LONGEST_PATTERN = 2 * NAME_LENGTH


def told_key(key: Key, now_ns: int) -> dict[str, Any]:
    """A key as people and programs get it: times in UTC, whether it works now, no secret."""
    return {
        "id": key.id,
        "name": key.name,
        "tenant": key.tenant,
        "scopes": [str(scope) for scope in key.scopes],
        "kind": key.kind,
        "standing": key.standing(now_ns),
        "created": told(key.created_ns),
        "expires": told(key.expires_ns),
        "revoked": told(key.revoked_ns),
        "retires": told(key.retires_ns),
        "successor": key.successor or None,
        "lineage": key.lineage,
        "networks": list(key.networks),
        "origins": list(key.origins),
        "limits": [str(limit) for limit in key.limits],
        "disclosure": key.disclosure or None,
        "novelty": key.novelty or None,
        "priority": key.priority,
        "ending": key.ending,
    }


def create(acting: Acting, given: Mapping[str, Any]) -> dict[str, Any]:
    """A new key; its secret is in the answer and nowhere else. An unknown tenant is made too."""
    fields = Fields(given, "name", "scopes", "tenant", "expires", "networks", "origins", "limits",
                    "disclosure", "novelty", "kind", "priority")  # fmt: skip
    now = acting.now_ns
    end = parse_end(fields.text("expires"), now) if "expires" in fields else now + LIFETIME_NS
    secret, stored = new_key(
        fields.text("name"),
        fields.text("tenant", DEFAULT_TENANT),
        parse_scopes(fields.texts("scopes")),
        now,
        acting.room.digester(),
        kind=_kind(fields.text("kind", "live")),
        lifetime_ns=None if end is None else end - now,
        networks=_each_once(fields.texts("networks")),
        origins=_each_once(fields.texts("origins")),
        limits=parse_limits(fields.texts("limits")),
        disclosure=fields.text("disclosure", ""),
        novelty=fields.text("novelty", ""),
        priority=fields.text("priority", PRIORITIES[0]),
    )
    key = stored.key
    with acting.changing() as acts:
        made = acting.room.plans.ensure(key.tenant, now)
        if made:
            acts.append(acting.act("tenants.create", key.tenant, None, {"plan": "", "zone": "UTC"}))
        acting.room.keys.create(key, stored.digest)
        acts.append(acting.act("keys.create", key.id, None, told_key(key, now)))
    return {**_shown(key, secret.reveal(), now), "new_tenant": made}


def rotate(acting: Acting, given: Mapping[str, Any]) -> dict[str, Any]:
    """A key that takes the place of another, which goes on working for the grace."""
    fields = Fields(given, "of", "grace")
    now = acting.now_ns
    grace = parse_span(fields.text("grace"), "grace") if "grace" in fields else GRACE_NS
    with acting.changing() as acts:
        old = acting.room.keys.show(fields.text("of"))
        secret, stored = successor_of(old, now, acting.room.digester())
        key, retires = stored.key, now + grace
        acting.room.keys.rotate(old.id, key, stored.digest, retires)
        after = {"successor": key.id, "retires": told(retires)}
        before = {"successor": None, "retires": told(old.retires_ns)}
        acts.append(acting.act("keys.rotate", old.id, before, after))
        acts.append(acting.act("keys.create", key.id, None, told_key(key, now)))
    return {
        **_shown(key, secret.reveal(), now),
        "replaces": old.id,
        "old_works_until": told(retires),
    }


def _shown(key: Key, secret: str, now_ns: int) -> dict[str, Any]:
    about = told_key(key, now_ns)
    return {"id": about.pop("id"), "key": secret, **about}


def _kind(text: str) -> Kind:
    """Looked at before a secret is made of it."""
    if text not in get_args(Kind):
        raise KeyFieldInvalid(
            f"{text[:40]!r} is no kind of key", where="kind", fix="Give live, test or admin"
        )
    return cast("Kind", text)


def _each_once(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def revoke(acting: Acting, given: Mapping[str, Any]) -> dict[str, Any]:
    """Ends a key at once, or every key whose id or name fits a pattern with `*`.

    exact: the pattern is an id, and nothing in it stands for anything else.
    """
    fields = Fields(given, "pattern", "dry_run", "exact")
    pattern = revoked_by(fields)
    if fields.truth("dry_run"):
        fitting = acting.room.keys.fitting(pattern)
        return told_revoked([k for k in fitting if k.revoked_ns is None], dry_run=True)
    with acting.changing() as acts:
        revoked = acting.room.keys.revoke(pattern, acting.now_ns)
        acts += revocations(acting, revoked)
    return told_revoked(revoked)


def revoked_by(fields: Fields) -> str:
    """The id or the pattern of a revocation. Raises KeyNotFound for what should be an id."""
    pattern = fields.text("pattern")
    if len(pattern) > _LONGEST_PATTERN:  # no name is so long, and to read one takes time
        raise KeyNotFound(f"no key fits {pattern[:80]!r}", fix="fairlead keys list shows them")
    if fields.truth("exact") and not is_key_id(pattern):
        raise KeyNotFound(f"no key has the id {pattern[:80]!r}", fix="GET /keys lists them")
    return pattern


def revocations(acting: Acting, revoked: Sequence[Key]) -> list[Act]:
    """The acts of keys that were revoked now."""
    return [
        acting.act("keys.revoke", key.id, {"revoked": None}, {"revoked": told(key.revoked_ns)})
        for key in revoked
    ]


def told_revoked(
    keys: Sequence[Key], *, dry_run: bool = False, postponed: bool = False
) -> dict[str, Any]:
    """What was revoked, or would be. postponed: the database does not know of it yet."""
    shown = [{"id": k.id, "name": k.name, "tenant": k.tenant} for k in keys[:MOST]]
    return {"count": len(keys), "keys": shown, "dry_run": dry_run, "postponed": postponed}


def listed(acting: Acting, given: Mapping[str, Any]) -> dict[str, Any]:
    """Keys, oldest first, of one tenant or of all, in pages: `next` is the `after` of the next."""
    fields = Fields(given, "tenant", "after", "most")
    most = fields.whole("most", MOST, 1, MOST)
    tenant = fields.text("tenant") if "tenant" in fields else None
    found = acting.room.keys.page(tenant, fields.text("after", ""), most + 1)
    keys = [told_key(key, acting.now_ns) for key in found[:most]]
    return {"keys": keys, "next": keys[-1]["id"] if len(found) > most else None}


def show(acting: Acting, given: Mapping[str, Any]) -> dict[str, Any]:
    """One key."""
    fields = Fields(given, "of")
    return told_key(acting.room.keys.show(fields.text("of")), acting.now_ns)
