"""ModelStreamInfer: requests come on one stream, and answers go back in the order of the requests.

An answer of a model that answers many times goes out as it is made. What is wrong with a request is
its own answer, and the stream goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from fairlead.core.call import Call, Channel, Route
from fairlead.core.errors import FairleadError
from fairlead.protos.wire import field, fields
from fairlead.wires.grpc_status import error_reply
from fairlead.wires.http_errors import words_of
from fairlead.wires.oip_model import EMPTY_FINAL

_ENDS_STREAM = "triton_grpc_error"
_FINAL = b"triton_final_response"


def _final(last: bool) -> bytes:
    """The parameter that says whether this is a request's last answer."""
    value = field(2, b"\x08\x01" if last else b"\x08\x00")
    return field(4, field(1, _FINAL) + value)


_LAST, _MORE = _final(True), _final(False)


class _Owed:
    """A request whose answers are due."""

    __slots__ = ("answers", "empty_final", "identity", "over")

    def __init__(self, identity: bytes, empty_final: bool) -> None:
        self.identity = identity
        self.empty_final = empty_final
        self.answers: list[bytes] = []
        self.over = False


class InferStream:
    """The wire's end of one stream. named: the route of the model that a request names."""

    def __init__(self, channel: Channel, named: Callable[[bytes], Route]) -> None:
        self._channel = channel
        self._named = named
        self._owed: deque[_Owed] = deque()
        self._half = False
        self._strict = channel.head.headers.get(_ENDS_STREAM, "").lower() == "true"

    def message(self, body: bytes) -> None:
        """One request."""
        owed = _Owed(b"", False)
        self._owed.append(owed)
        try:
            owed.identity, owed.empty_final = _about(body)
            route = self._named(body)
        except FairleadError as error:
            self._failed(owed, error)
            return
        self._channel.predict(
            route,
            body,
            lambda call: self._done(owed, call),
            lambda call: self._piece(owed, call),
        )

    def _piece(self, owed: _Owed, call: Call) -> None:
        """One of many answers."""
        self._say(owed, _answer(call, _MORE))

    def _done(self, owed: _Owed, call: Call) -> None:
        if call.error is not None:
            self._failed(owed, call.error)
            return
        if call.payload or call.tail:
            owed.answers.append(_answer(call, _LAST))
        elif owed.empty_final:
            owed.answers.append(field(2, field(3, owed.identity) + _LAST))
        owed.over = True
        self._go_on()

    def _failed(self, owed: _Owed, error: FairleadError) -> None:
        if self._strict:
            self._channel.end(error_reply(error))
            return
        told = field(1, words_of(error).encode())
        owed.answers.append(told + field(2, field(3, owed.identity) + _LAST))
        owed.over = True
        self._go_on()

    def _say(self, owed: _Owed, answer: bytes) -> None:
        owed.answers.append(answer)
        self._go_on()

    def _go_on(self) -> None:
        """Sends what is next in order."""
        while self._owed:
            first = self._owed[0]
            for answer in first.answers:
                self._channel.send(answer)
            first.answers = []
            if not first.over:
                return
            self._owed.popleft()
        if self._half:
            self._channel.end()

    def ended(self) -> None:
        """The caller asks no more."""
        self._half = True
        self._go_on()

    def room(self) -> None:
        """Answers go out as they come; the edge reads no more requests while many are due."""

    def left(self) -> None:
        """Nobody listens any more."""
        self._owed.clear()


def _answer(call: Call, final: bytes) -> bytes:
    whole = b"".join((call.payload or b"", *call.tail, final))
    return field(2, whole)


def _about(body: bytes) -> tuple[bytes, bool]:
    """The id of a request, and whether it wants an empty last answer."""
    identity, empty = b"", False
    for number, _, start, end in fields(body):
        if number == 3:
            identity = body[start:end]
        elif number == 4 and EMPTY_FINAL.encode() in body[start:end]:
            empty = body[start:end].endswith(b"\x08\x01")
    return identity, empty
