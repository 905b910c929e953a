"""Health over gRPC (`grpc.health.v1.Health`), as probes and load balancers ask for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairlead.core.access import Caller
from fairlead.core.call import PUBLIC, Channel, Head, Reply, Route
from fairlead.core.errors import FairleadError
from fairlead.protos.pool import methods
from fairlead.wires.grpc_service import GrpcService, question
from fairlead.wires.grpc_status import error_reply, ok

SERVICE = "grpc.health.v1.Health"
_PREFIX = f"/{SERVICE}/"
CHECK, WATCH = _PREFIX + "Check", _PREFIX + "Watch"
_SERVING, _NOT_SERVING = 1, 2


class GrpcHealth(GrpcService):
    """Whether the server is ready, once or as it changes; every service is as ready as the server.

    ready: whether the server takes calls.
    """

    addresses = (f"POST {CHECK}", f"POST {WATCH}")

    def __init__(self, ready: Callable[[], bool]) -> None:
        self._ready = ready
        self._takes, self._gives = methods(SERVICE)["Check"]
        self._watching: dict[_Watcher, int] = {}
        routes = {
            CHECK: Route(PUBLIC, error_reply, answer=self._check),
            WATCH: Route(PUBLIC, error_reply, open=lambda channel: _Watcher(self, channel)),
        }
        super().__init__((_PREFIX,), routes)

    def beat(self) -> None:
        """Several times a second: those who watch are told what has changed."""
        if not self._watching:
            return
        status = self._status()
        for watcher, last in [*self._watching.items()]:
            if status != last:
                self._watching[watcher] = status
                watcher.say(self._answer(status))

    def begin(self, watcher: _Watcher, body: bytes) -> None:
        """Somebody watches from now on. Raises BodyTooLarge, MalformedBody."""
        question(self._takes, body)
        status = self._watching[watcher] = self._status()
        watcher.say(self._answer(status))

    def end(self, watcher: _Watcher) -> None:
        """Somebody watches no more."""
        self._watching.pop(watcher, None)

    def _check(self, head: Head, body: bytes, caller: Caller) -> Reply:
        question(self._takes, body)
        return ok(self._gives(status=self._status()))

    def _status(self) -> int:
        return _SERVING if self._ready() else _NOT_SERVING

    def _answer(self, status: int) -> bytes:
        answer: Any = self._gives(status=status)
        return answer.SerializeToString()


class _Watcher:
    """One who watches."""

    def __init__(self, health: GrpcHealth, channel: Channel) -> None:
        self._health = health
        self._channel = channel

    def say(self, answer: bytes) -> None:
        """Tells a status."""
        self._channel.send(answer)

    def message(self, body: bytes) -> None:
        try:
            self._health.begin(self, body)
        except FairleadError as error:
            self._channel.end(error_reply(error))

    def ended(self) -> None:
        """It goes on listening."""

    def room(self) -> None:
        """Little is ever unsent."""

    def left(self) -> None:
        self._health.end(self)
