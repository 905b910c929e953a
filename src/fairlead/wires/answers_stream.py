"""The answers to one prediction, one by one: as server-sent events, or as lines of JSON.

What fails before the first answer has its own status; what fails later is the last piece.
"""

from __future__ import annotations

from typing import NamedTuple

from fairlead.core.call import Call, Channel, Reply, Route


class Pieces(NamedTuple):
    """How answers follow each other. media: of all; piece: one of them, with `%b` for its body."""

    media: str
    piece: bytes


EVENTS = Pieces("text/event-stream; charset=utf-8", b"data: %b\n\n")
LINES = Pieces("application/jsonlines", b"%b\n")


class AnswersStream:
    """The wire's end of a stream of answers. route: the prediction that it asks for."""

    def __init__(self, channel: Channel, route: Route, pieces: Pieces) -> None:
        self._channel = channel
        self._route = route
        self._pieces = pieces
        self._begun = False

    def message(self, body: bytes) -> None:
        """The request."""
        self._channel.predict(self._route, body, self._done, self._send)

    def _send(self, call: Call) -> None:
        self._begin()
        whole = b"".join((call.payload or b"", *call.tail))
        self._channel.send(self._pieces.piece % whole)

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._channel.begin(Reply(200, b"", self._pieces.media))

    def _done(self, call: Call) -> None:
        if call.error is not None:
            reply = self._route.error(call.error)
            if self._begun:
                self._channel.send(self._pieces.piece % reply.body)
            self._channel.end(reply)
            return
        if call.payload or call.tail:
            self._send(call)
        self._begin()
        self._channel.end()

    def ended(self) -> None:
        """One request is all."""

    def room(self) -> None:
        """The next answer is fetched by the call itself."""

    def left(self) -> None:
        """The call is gone with its caller."""


class Messages:
    """The wire's end of a conversation: each message is asked, and answered by one or more.

    What is wrong with a message is its own answer, and the conversation goes on.
    """

    def __init__(self, channel: Channel, route: Route) -> None:
        self._channel = channel
        self._route = route

    def message(self, body: bytes) -> None:
        """One question."""
        self._channel.predict(self._route, body, self._done, self._send)

    def _send(self, call: Call) -> None:
        self._channel.send(b"".join((call.payload or b"", *call.tail)))

    def _done(self, call: Call) -> None:
        if call.error is not None:
            self._channel.send(self._route.error(call.error).body)
        elif call.payload or call.tail:
            self._send(call)

    def ended(self) -> None:
        """The caller asks no more."""

    def room(self) -> None:
        """The next answer is fetched by the call itself."""

    def left(self) -> None:
        """Nobody listens any more."""


def stream_route(predicting: Route, pieces: Pieces = EVENTS) -> Route:
    """The route that gives the answers of a prediction one by one."""
    return Route(
        "predict",
        predicting.error,
        open=lambda channel: AnswersStream(channel, predicting, pieces),
        model=predicting.model,
        version=predicting.version,
    )
