"""Errors as RFC 9457 problems: the table of our own routes, for callers and for administration."""

from __future__ import annotations

import json
from typing import Any

from fairlead.core.call import Reply
from fairlead.core.errors import FairleadError
from fairlead.wires.http_errors import headers_of, status_of


def error_reply(error: FairleadError) -> Reply:
    """The error as an RFC 9457 problem."""
    status = status_of(error)
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
