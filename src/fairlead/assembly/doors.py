"""How the outside gets in: TLS, the proxies that are trusted, and callers without a key of ours.

The command that starts a server looks at these before anything listens, so they bring no loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from fairlead.access.identities import Identities
from fairlead.access.identity_rules import IdentityRules, parse_identities, read_text
from fairlead.assembly.hosts import is_loopback
from fairlead.assembly.settings import Settings
from fairlead.core.errors import BadSetting, KeyFieldInvalid, TlsMissing
from fairlead.edge.forwarded import TrustedProxies
from fairlead.edge.tls import HTTP1, HTTP2, ClientCert, ServerTls


def check_doors(settings: Settings) -> str:
    """Tries everything that the outside needs, before anything listens.

    Returns what the file of issuers and certificates holds, so that every process of this server
    knows the same. Raises TlsInvalid, TlsMissing, IdentitiesInvalid, MissingExtra, BadSetting.
    """
    own = settings.server
    if own.auth != "platform":  # a platform that knows every caller is where TLS ends
        check_clear_text(settings, own.host)
    check_clear_text(settings, admin_host(settings))
    server_tls(settings)
    trusted_proxies(settings)
    file = settings.access.identities
    text = read_text(Path(file)) if file else ""
    Identities(identity_rules(settings, text))
    return text


def admin_host(settings: Settings) -> str:
    """The host on which administrators are listened for; localhost where it is not reachable."""
    where = settings.server.admin
    if where in ("auto", "off") or where.startswith("unix:"):
        return "localhost"
    return where.rpartition(":")[0].strip("[]")


def check_clear_text(settings: Settings, host: str) -> None:
    """Raises TlsMissing for an address that others can reach where nothing speaks TLS."""
    if is_loopback(host) or settings.server.tls_cert or settings.server.tls_elsewhere:
        return
    raise TlsMissing(
        f"{host} can be reached by other machines, and keys would travel in the clear",
        fix="Give --tls-cert and --tls-key, or say --tls-elsewhere when something in front of the "
        "server speaks TLS",
    )


def server_tls(settings: Settings, protocols: Sequence[str] = (HTTP2, HTTP1)) -> ServerTls | None:
    """What the settings say of TLS; None for none. Raises TlsInvalid, BadSetting."""
    own = settings.server
    if bool(own.tls_cert) != bool(own.tls_key):
        given, other = ("tls_cert", "key") if own.tls_cert else ("tls_key", "cert")
        raise BadSetting(
            f"server.{given} alone is no TLS",
            where=settings.origins.get(f"server.{given}"),
            fix=f"Give --tls-{other} too",
        )
    if not own.tls_cert:
        if own.client_ca:
            raise BadSetting(
                "client certificates need TLS",
                where=settings.origins.get("server.client_ca"),
                fix="Give --tls-cert and --tls-key too",
            )
        return None
    wanted = cast("ClientCert", own.client_cert)
    return ServerTls(own.tls_cert, own.tls_key, own.client_ca, wanted, protocols)


def trusted_proxies(settings: Settings) -> TrustedProxies:
    """The proxies that are believed. Raises BadSetting."""
    own = settings.server
    if own.forwarded_certificates and not own.trusted_proxy:
        raise BadSetting(
            "nobody's X-Forwarded-Client-Cert is believed without a trusted proxy",
            where=settings.origins.get("server.forwarded_certificates"),
            fix="Name its network with --trusted-proxy",
        )
    try:
        return TrustedProxies(own.trusted_proxy, own.forwarded_certificates)
    except KeyFieldInvalid as error:
        where = settings.origins.get("server.trusted_proxy")
        raise BadSetting(error.what, where=where, fix=error.fix) from None


def identity_rules(settings: Settings, text: str) -> IdentityRules:
    """The issuers and certificates in what `check_doors` has read. Raises IdentitiesInvalid."""
    return parse_identities(text, Path(settings.access.identities or ".").absolute())


def admin_tls(settings: Settings) -> ServerTls | None:
    """What the administration speaks: TLS where others can reach it, plain HTTP on this machine."""
    return None if is_loopback(admin_host(settings)) else server_tls(settings, (HTTP1,))
