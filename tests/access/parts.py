"""Keys and callers that the tests of access share."""

from __future__ import annotations

from typing import Any

from fairlead.access.book import KeyBook
from fairlead.access.minting import Minted, new_key
from fairlead.access.secrets import Digester
from fairlead.core.access import Caller, StoredKey, parse_scopes
from fairlead.core.allowance import parse_limits

NOW = 1_800_000_000 * 10**9
SECOND = 10**9
DIGESTER = Digester(b"p" * 32)


def made(
    *scopes: str, name: str = "k", tenant: str = "acme", limits: Any = (), **more: Any
) -> Minted:
    """A key with these scopes and limits, as text."""
    return new_key(
        name,
        tenant,
        parse_scopes(scopes or ["predict:iris"]),
        NOW,
        DIGESTER,
        limits=parse_limits(limits),
        **more,
    )


def bearer(minted: Minted) -> str:
    return "Bearer " + minted[0].reveal()


def book(*keys: Minted | StoredKey, revision: int = 1) -> KeyBook:
    stored = [key if isinstance(key, StoredKey) else key[1] for key in keys]
    return KeyBook(stored, revision, DIGESTER)


def caller(*scopes: str, limits: Any = (), **more: Any) -> Caller:
    return Caller.of(made(*scopes, limits=limits, **more)[1].key)
