"""What every gRPC service here has: addresses of its own, methods by name, messages from bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairlead.core.call import Reply, Route
from fairlead.core.errors import (
    AddressNotFound,
    BodyTooLarge,
    FairleadError,
    MalformedBody,
    MethodNotAllowed,
)
from fairlead.core.limits import STANDARD
from fairlead.protos.weight import check_weight
from fairlead.protos.wire import fields
from fairlead.wires.grpc_status import error_reply

_LONGEST_QUESTION = 64 << 10


class GrpcService:
    """One or several services as a wire.

    prefixes: how the addresses begin that are theirs, those of methods that they lack too.
    methods:  the route of each method, by its whole address.
    """

    def __init__(self, prefixes: tuple[str, ...], methods: Mapping[str, Route]) -> None:
        self._prefixes = prefixes
        self._methods = methods

    def owns(self, path: str) -> bool:
        """Whether an address is of these services."""
        return path.startswith(self._prefixes)

    def error(self, error: FairleadError) -> Reply:
        """The wire's error table."""
        return error_reply(error)

    def route(self, method: str, path: str) -> Route | None:
        """The route for a method. Raises AddressNotFound, MethodNotAllowed."""
        if not path.startswith(self._prefixes):
            return None
        if method != "POST":
            raise MethodNotAllowed(method, ["POST"])
        found = self._methods.get(path)
        if found is None:
            raise AddressNotFound("this service has no such method")
        return found


def parsed(kind: Any, body: bytes, most: int = STANDARD.parsed) -> Any:
    """A message from its bytes. most: bytes that it may take in memory, beside its texts.

    Raises MalformedBody, also for one of very many fields, and BodyTooLarge.
    """
    for _ in fields(body):
        pass
    check_weight(body, kind, most)
    try:
        return kind.FromString(body)
    except Exception as error:  # protobuf's own error has no public base class in every version
        raise MalformedBody(f"this is no {kind.DESCRIPTOR.name}: {type(error).__name__}") from None


def question(kind: Any, body: bytes) -> Any:
    """A message without tensors from its bytes, few of which suffice.

    A map of a million entries takes seconds to read. Raises BodyTooLarge, MalformedBody.
    """
    if len(body) > _LONGEST_QUESTION:
        raise BodyTooLarge(f"a message without tensors has at most {_LONGEST_QUESTION} bytes")
    return parsed(kind, body)
