"""The headers that HTTP wants beside some errors, whatever the protocol above it."""

from __future__ import annotations

from fairlead.core.errors import Code, FairleadError, MethodNotAllowed

RETRIED = (Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED)


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
