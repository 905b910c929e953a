"""Reflection over gRPC: tools ask which services there are, and for their descriptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fairlead.core.call import Channel, Route
from fairlead.core.errors import FairleadError, MalformedBody
from fairlead.protos.pool import compiled, files_with, methods
from fairlead.wires.grpc_service import GrpcService, question
from fairlead.wires.grpc_status import error_reply

_SERVICE = "grpc.reflection.v1.ServerReflection"
_OLD = "grpc.reflection.v1alpha.ServerReflection"
"""The same protocol under the name that it had before."""
_METHOD = "ServerReflectionInfo"
_NOT_FOUND = 5


class GrpcReflection(GrpcService):
    """The services of a listener, described. services: their full names."""

    addresses = tuple(f"POST /{service}/{_METHOD}" for service in (_SERVICE, _OLD))

    def __init__(self, services: Sequence[str]) -> None:
        self.services = [*services, _SERVICE, _OLD]
        asked = Route(
            "predict", error_reply, open=lambda channel: _Reflecting(channel, self.services)
        )
        names = (f"/{_SERVICE}/", f"/{_OLD}/")
        super().__init__(names, {name + _METHOD: asked for name in names})


class _Reflecting:
    """One stream of questions."""

    def __init__(self, channel: Channel, services: Sequence[str]) -> None:
        self._channel = channel
        self._services = services
        self._takes, self._gives = methods(_SERVICE)[_METHOD]

    def message(self, body: bytes) -> None:
        try:
            asked = question(self._takes, body)
            answer = self._gives(valid_host=asked.host, original_request=asked)
            self._fill(answer, asked)
        except FairleadError as error:
            self._channel.end(error_reply(error))
            return
        self._channel.send(answer.SerializeToString())

    def _fill(self, answer: Any, asked: Any) -> None:
        kind = asked.WhichOneof("message_request")
        if kind is None:
            raise MalformedBody("nothing is asked")
        if kind == "list_services":
            for name in self._services:
                answer.list_services_response.service.add(name=name)
            return
        found: list[bytes] = []
        if kind == "file_by_filename":
            name = asked.file_by_filename
            found = [f.SerializeToString() for f in compiled().file if f.name == name]
        elif kind == "file_containing_symbol":
            symbol: str = asked.file_containing_symbol
            found = files_with(symbol.replace(_OLD, _SERVICE))
        if found:
            answer.file_descriptor_response.file_descriptor_proto.extend(found)
        else:
            answer.error_response.error_code = _NOT_FOUND
            answer.error_response.error_message = "nothing of this name is described here"

    def ended(self) -> None:
        self._channel.end()

    def room(self) -> None:
        """One answer follows each question."""

    def left(self) -> None:
        """Nothing is kept."""
