"""How a call over gRPC ended: the table from our error codes to gRPC's, and the trailers."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from fairlead.core.call import Reply
from fairlead.core.errors import AddressNotFound, Code, FairleadError
from fairlead.protos.pool import message
from fairlead.wires.http_errors import RETRIED, words_of

MEDIA_TYPE = "application/grpc"
_TYPES = "type.googleapis.com/"
_DOMAIN = "fairlead"

STATUS: dict[Code, int] = {
    Code.INVALID_ARGUMENT: 3,
    Code.OUT_OF_SIZE: 8,
    Code.UNAUTHENTICATED: 16,
    Code.PERMISSION_DENIED: 7,
    Code.NOT_FOUND: 5,
    Code.METHOD_NOT_ALLOWED: 12,
    Code.MEDIA_TYPE: 12,
    Code.CONFLICT: 9,
    Code.RESOURCE_EXHAUSTED: 8,
    Code.UNAVAILABLE: 14,
    Code.DEADLINE_EXCEEDED: 4,
    Code.UNSUPPORTED: 12,
    Code.DECLINED: 9,
    Code.MODEL_FAILED: 13,
    Code.INTERNAL: 13,
    Code.SETUP: 13,
}
"""Every error code as a status of gRPC."""

NAMES = {
    3: "INVALID_ARGUMENT", 4: "DEADLINE_EXCEEDED", 5: "NOT_FOUND", 7: "PERMISSION_DENIED",
    8: "RESOURCE_EXHAUSTED", 9: "FAILED_PRECONDITION", 12: "UNIMPLEMENTED", 13: "INTERNAL",
    14: "UNAVAILABLE", 16: "UNAUTHENTICATED",
}  # fmt: skip


def status_of(error: FairleadError) -> int:
    """The status for an error; an address that nobody answers is a method that is not there."""
    return 12 if isinstance(error, AddressNotFound) else STATUS[error.code]


def error_reply(error: FairleadError) -> Reply:
    """The error as trailers: status, text, and the details that Google's clients read."""
    status, text = status_of(error), words_of(error)
    trailers = [
        ("grpc-status", str(status)),
        ("grpc-message", _escaped(text)),
        ("grpc-status-details-bin", _details(error, status, text)),
    ]
    after = _retry_after(error)
    if after is not None:
        trailers.append(("grpc-retry-pushback-ms", str(after * 1000)))
    return Reply(200, b"", MEDIA_TYPE, trailers=tuple(trailers))


def ok(answer: Any) -> Reply:
    """A message as a good answer."""
    return Reply(200, answer.SerializeToString(), MEDIA_TYPE)


def _retry_after(error: FairleadError) -> int | None:
    """Seconds after which asking again may help; None where it does not."""
    return getattr(error, "retry_after", 1) if error.code in RETRIED else None


def _details(error: FairleadError, status: int, text: str) -> str:
    made = message("google.rpc.Status")(code=status, message=text)
    facts = {"id": error.id}
    for key in ("where", "fix", "row", "column"):
        value = getattr(error, key)
        if value is not None:
            facts[key] = str(value)
    info = message("google.rpc.ErrorInfo")(reason=error.name, domain=_DOMAIN, metadata=facts)
    made.details.add().Pack(info, type_url_prefix=_TYPES)
    after = _retry_after(error)
    if after is not None:
        again = message("google.rpc.RetryInfo")()
        again.retry_delay.seconds = after
        made.details.add().Pack(again, type_url_prefix=_TYPES)
    return b64encode(made.SerializeToString()).decode().rstrip("=")


def _escaped(text: str) -> str:
    """Percent-encoded as gRPC wants a message: plain ASCII stays as it is."""
    return "".join(
        chr(b) if 0x20 <= b <= 0x7E and b != 0x25 else f"%{b:02X}" for b in text.encode()[:2048]
    )
