"""Whom a client certificate names.

Only what a trusted authority has signed gets here: by the handshake, or by the word of a proxy
that is trusted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def subject(certificate: Mapping[str, Any] | None) -> str:
    """The name in a verified certificate, as `ssl` shows it; "" for none.

    Its URI (SPIFFE), else its first DNS name, else its common name. Of several URIs none is meant.
    """
    if not certificate:
        return ""
    names: Sequence[tuple[str, str]] = certificate.get("subjectAltName", ())
    return chosen(
        [name for kind, name in names if kind == "URI"],
        [name for kind, name in names if kind == "DNS"],
        [v for part in certificate.get("subject", ()) for k, v in part if k == "commonName"],
    )


def chosen(uris: Sequence[str], hosts: Sequence[str], common: Sequence[str]) -> str:
    """The one name that is meant. What is no URI has no colon, so nobody can pass one off."""
    if uris:
        return uris[0] if len(uris) == 1 and ":" in uris[0] else ""
    name = next(iter([*hosts, *common]), "")
    return name if ":" not in name else ""
