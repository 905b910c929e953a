"""Making keys: a new one, and the one that follows another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fairlead.access.secrets import Digester, Secret, new_id, new_secret
from fairlead.core.access import Key, Kind, Scope, StoredKey, check

DAY_NS = 86_400 * 1_000_000_000
LIFETIME_NS = 90 * DAY_NS
"""How long a key works unless somebody says otherwise."""
GRACE_NS = DAY_NS
"""How long a key that was rotated goes on working unless somebody says otherwise."""

Minted = tuple[Secret, StoredKey]
"""The secret, to be shown once, and what is kept."""


def new_key(
    name: str,
    tenant: str,
    scopes: tuple[Scope, ...],
    now_ns: int,
    digester: Digester,
    *,
    kind: Kind = "live",
    lifetime_ns: int | None = LIFETIME_NS,
    **more: Any,
) -> Minted:
    """A key that begins a lineage.

    lifetime_ns: None for a key that never expires. more: further fields of `Key`.
    Raises KeyFieldInvalid.
    """
    secret, key_id = new_secret(kind), new_id()
    key = Key(
        id=key_id,
        name=name,
        tenant=tenant,
        scopes=scopes,
        created_ns=now_ns,
        lineage=key_id,
        ending=secret.ending,
        expires_ns=None if lifetime_ns is None else now_ns + lifetime_ns,
        kind=kind,
        **more,
    )
    return secret, StoredKey(check(key), digester.digest(secret.reveal()))


def successor_of(key: Key, now_ns: int, digester: Digester) -> Minted:
    """The key that follows another: it may the same, for as long as that one was made for."""
    secret = new_secret(key.kind)
    lifetime = None if key.expires_ns is None else key.expires_ns - key.created_ns
    follows = replace(
        key,
        id=new_id(),
        created_ns=now_ns,
        ending=secret.ending,
        expires_ns=None if lifetime is None else now_ns + lifetime,
        revoked_ns=None,
        successor="",
        retires_ns=None,
    )
    return secret, StoredKey(check(follows), digester.digest(secret.reveal()))
