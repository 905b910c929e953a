"""Errors of who may, and how much: no caller is known, or it may not, or has used up its limit.

`core/errors.py` holds them too: there the whole tree is found.
"""

from __future__ import annotations

from fairlead.core.failure import Code, FairleadError


class Unauthenticated(FairleadError):
    """No caller is known."""

    code = Code.UNAUTHENTICATED
    id, name = "FRL-1201", "UNAUTHENTICATED"


class PermissionDenied(FairleadError):
    """The caller may not do this."""

    code = Code.PERMISSION_DENIED
    id, name = "FRL-1202", "PERMISSION_DENIED"


class CallerSuspended(FairleadError):
    """The caller is suspected of copying or probing the model, and such callers are suspended."""

    code = Code.PERMISSION_DENIED
    id, name = "FRL-1203", "CALLER_SUSPENDED"


class KeyMalformed(Unauthenticated):
    """What was sent is no key: its form or its checksum is wrong."""

    id, name = "FRL-1204", "KEY_MALFORMED"


class KeyUnknown(Unauthenticated):
    """A key of the right form that nobody has here."""

    id, name = "FRL-1205", "KEY_UNKNOWN"


class KeyExpired(Unauthenticated):
    """The key has expired."""

    id, name = "FRL-1206", "KEY_EXPIRED"


class KeyRevoked(Unauthenticated):
    """The key was revoked."""

    id, name = "FRL-1207", "KEY_REVOKED"


class KeyReplaced(Unauthenticated):
    """The key was rotated, and the time in which the old one still works is over."""

    id, name = "FRL-1208", "KEY_REPLACED"


class NetworkRefused(PermissionDenied):
    """The key may not be used from this network."""

    id, name = "FRL-1209", "NETWORK_REFUSED"


class TokenMalformed(Unauthenticated):
    """What was sent is no token that can be read here: its form, its length or its algorithm."""

    id, name = "FRL-1210", "TOKEN_MALFORMED"


class TokenUntrusted(Unauthenticated):
    """No issuer that is trusted here has signed the token."""

    id, name = "FRL-1211", "TOKEN_UNTRUSTED"


class TokenExpired(Unauthenticated):
    """The token has expired, or is not valid yet."""

    id, name = "FRL-1212", "TOKEN_EXPIRED"


class TokenMisdirected(Unauthenticated):
    """The token is genuine, and was not issued for this server."""

    id, name = "FRL-1213", "TOKEN_MISDIRECTED"


class IdentityUnmapped(PermissionDenied):
    """A genuine token or certificate that no rule gives a tenant and scopes."""

    id, name = "FRL-1214", "IDENTITY_UNMAPPED"


class IssuerUnavailable(FairleadError):
    """The keys of the token's issuer are not known here now, or are too old to be believed."""

    code = Code.UNAVAILABLE
    id, name = "FRL-1215", "ISSUER_UNAVAILABLE"


class OriginRefused(PermissionDenied):
    """A browser asks for a web origin that may not."""

    id, name = "FRL-1216", "ORIGIN_REFUSED"


class HostRefused(PermissionDenied):
    """The administration, or a server without keys, was asked under a name that is not its own."""

    id, name = "FRL-1217", "HOST_REFUSED"


class CardIncomplete(PermissionDenied):
    """The version's card says less than its owner requires before others are served."""

    id, name = "FRL-1219", "CARD_INCOMPLETE"


class ResourceExhausted(FairleadError):
    """The caller's own limit is used up."""

    code = Code.RESOURCE_EXHAUSTED
    id, name = "FRL-1401", "LIMIT_REACHED"

    retry_after: int | None = None
    """Whole seconds after which asking again may succeed, where that is known."""


class TooManyAttempts(ResourceExhausted):
    """Too many wrong keys or tokens came from this address."""

    id, name = "FRL-1218", "TOO_MANY_ATTEMPTS"


class HandshakeFailed(FairleadError):
    """The TLS handshake failed: no TLS, no common version, or no acceptable certificate."""

    code = Code.INVALID_ARGUMENT
    id, name = "FRL-1018", "HANDSHAKE_FAILED"
