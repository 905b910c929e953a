"""What every protocol over HTTP says of an error: its status, its headers and its words.

The body has each protocol's own shape, which is in that protocol's file.
"""

from __future__ import annotations

from fairlead.core.errors import Code, FairleadError, MethodNotAllowed

STATUS: dict[Code, int] = {
    Code.INVALID_ARGUMENT: 400,
    Code.OUT_OF_SIZE: 413,
    Code.UNAUTHENTICATED: 401,
    Code.PERMISSION_DENIED: 403,
    Code.NOT_FOUND: 404,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.MEDIA_TYPE: 415,
    Code.CONFLICT: 409,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.UNAVAILABLE: 503,
    Code.DEADLINE_EXCEEDED: 504,
    Code.UNSUPPORTED: 501,
    Code.DECLINED: 422,
    Code.MODEL_FAILED: 500,
    Code.INTERNAL: 500,
    Code.SETUP: 500,
}
"""Every error code as HTTP status."""

_EXACT = {"FRL-1104": 431, "FRL-1106": 414, "FRL-1510": 507, "FRL-1602": 408}
"""Errors for which HTTP has a status of its own."""

RETRIED = (Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED)


def status_of(error: FairleadError) -> int:
    """The status of an error."""
    return _EXACT.get(error.id) or STATUS[error.code]


def words_of(error: FairleadError) -> str:
    """What is wrong, where, and what to do, in one text."""
    text = error.what
    if error.where:
        text += f" ({error.where})"
    return f"{text}. {error.fix}" if error.fix else text


def headers_of(error: FairleadError) -> tuple[tuple[str, str], ...]:
    """`Allow` beside 405, `WWW-Authenticate` beside 401, `Retry-After` where asking again helps."""
    if isinstance(error, MethodNotAllowed):
        return (("allow", ", ".join(error.allowed)),)
    if error.code is Code.UNAUTHENTICATED:
        return (("www-authenticate", 'Bearer realm="fairlead"'),)
    if error.code not in RETRIED:
        return ()
    again: int | None = getattr(error, "retry_after", 1)
    return () if again is None else (("retry-after", str(again)),)
