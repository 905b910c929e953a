"""How calls over gRPC end badly, as the errors that the server meant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fairlead.client import talk
from fairlead.client.talk import Refused
from fairlead.core.errors import (
    CATALOGUE,
    AnswerUnreadable,
    Code,
    FairleadError,
    Internal,
)
from fairlead.protos.pool import message

DETAILS = "grpc-status-details-bin"
_CANCELLED, _DEADLINE, _UNIMPLEMENTED, _UNAVAILABLE = 1, 4, 12, 14
_AGAIN = (Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED)
_NEVER_SENT = ("failed to connect to all addresses", "dns resolution failed", "no address added")
"""How the library says that a request never left."""


def ended(url: str, status: int, text: str, trailers: Iterable[tuple[str, Any]]) -> Exception:
    """What to raise for a call that ended with a status of gRPC.

    Refused where the request was surely not done, else the error that the server told; without
    one, what the library on the way says.
    """
    told = _told(trailers)
    if told is not None:
        error, after = told
        error.grpc_status = status  # type: ignore[attr-defined]
        error.retry_after = after  # type: ignore[attr-defined]
        return Refused((error, after)) if error.code in _AGAIN else error
    if status == _DEADLINE:
        return talk.too_late()
    if status == _UNAVAILABLE and text.lower().startswith(_NEVER_SENT):
        return talk.unreached(url, text)
    if status in (_UNAVAILABLE, _CANCELLED):
        return talk.broken_off(url, text)
    if status == _UNIMPLEMENTED:
        return AnswerUnreadable(
            f"what answers at {url} does not speak this protocol: {text}",
            fix="Check that the address is that of a Fairlead server",
        )
    return Internal(f"the server answered with status {status} of gRPC: {text}")


def _told(trailers: Iterable[tuple[str, Any]]) -> tuple[FairleadError, float | None] | None:
    """The server's own error and the seconds to wait, from the trailers of a call."""
    raw = next((value for name, value in trailers if name == DETAILS), None)
    if not isinstance(raw, bytes):
        return None
    try:
        status: Any = message("google.rpc.Status").FromString(raw)
        info: Any = message("google.rpc.ErrorInfo")()
        again: Any = message("google.rpc.RetryInfo")()
        known = [one for one in status.details if one.Unpack(info)]
        waits = any([one.Unpack(again) for one in status.details])
    except Exception:  # protobuf's own error has no public base class in every version
        return None
    facts: dict[str, str] = dict(info.metadata)
    kind = CATALOGUE.get(facts.get("id", ""))
    if not known or kind is None:
        return None
    delay: Any = again.retry_delay
    return _made(kind, status.message, facts), float(delay.seconds) if waits else None


def _made(kind: type[FairleadError], text: str, facts: dict[str, str]) -> FairleadError:
    """An error from its text, which says where and how to fix it too, and from these alone."""
    where, fix, row = facts.get("where"), facts.get("fix"), facts.get("row", "")
    what = text.removesuffix(f". {fix}") if fix else text
    what = what.removesuffix(f" ({where})") if where else what
    error = kind.__new__(kind)
    place = int(row) if row.isdigit() else None
    FairleadError.__init__(error, what, where=where, fix=fix, row=place, column=facts.get("column"))
    return error
