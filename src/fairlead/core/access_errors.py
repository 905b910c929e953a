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


class ResourceExhausted(FairleadError):
    """The caller's own limit is used up."""

    code = Code.RESOURCE_EXHAUSTED
    id, name = "FRL-1401", "LIMIT_REACHED"

    retry_after: int | None = None
    """Whole seconds after which asking again may succeed, where that is known."""
