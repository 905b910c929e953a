"""Errors as RFC 9457 problems: the table of our own routes, for callers and for administration."""

from __future__ import annotations

import json
from typing import Any

from fairlead.core.call import Reply
from fairlead.core.errors import Code, FairleadError
from fairlead.wires.http_headers import headers_of

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

_EXACT = {"FRL-1104": 431, "FRL-1106": 414, "FRL-1602": 408}
"""Errors for which HTTP has a status of its own."""


def error_reply(error: FairleadError) -> Reply:
    """The error as an RFC 9457 problem."""
    status = _EXACT.get(error.id) or STATUS[error.code]
    title = error.name.replace("_", " ").capitalize()
    body: dict[str, Any] = {
        "type": f"urn:fairlead:error:{error.id}",
        "title": title,
        "status": status,
        "detail": error.what,
        "code": error.name,
        "id": error.id,
    }
    for key in ("where", "fix", "row", "column"):
        value = getattr(error, key)
        if value is not None:
            body[key] = value
    return Reply(status, json.dumps(body).encode(), "application/problem+json", headers_of(error))
