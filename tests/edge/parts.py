"""The edge on a real socket without any model: a wire that echoes, now or when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any

import uvloop
from tests.raw import Answer, Raw

from fairlead.core.access import Caller, anybody
from fairlead.core.call import Call, Head, Peer, Reply, Route
from fairlead.core.errors import FairleadError, MethodNotAllowed, ModelNotFound, ModelNotReady
from fairlead.edge.front import either
from fairlead.edge.heads import HttpLimits
from fairlead.edge.router import Router
from fairlead.edge.service import HttpService
from fairlead.edge.tls import ServerTls
from fairlead.edge.tls_connection import TlsConnection
from fairlead.wires import native

TICK_S = 0.02
WRITER = "18f3c-0-00ff00ff00ff00ff"


class EchoWire:
    """Routes of a test.

    GET  /plain   answers at once what the head says.
    GET  /breaks  has a fault of its own.
    POST /echo    is a prediction that answers its body at once.
    POST /held    is a prediction that answers when `Bench.release` says so.
    POST /shut    is refused by its head.
    POST /named   is for the model that its body names: "echo" or "plain", no other is known.
    """

    addresses = ("GET /plain", "GET /breaks", "POST /echo", "POST /held", "POST /shut")

    def __init__(self) -> None:
        self.plain = 0

    def owns(self, path: str) -> bool:
        return True

    def error(self, error: FairleadError) -> Reply:
        return native.error_reply(error)

    def route(self, method: str, path: str) -> Route | None:
        gets = {"/plain": self._plain, "/breaks": self._breaks}
        if path in gets:
            if method != "GET":
                raise MethodNotAllowed(method, ["GET"])
            return Route("predict", native.error_reply, answer=gets[path])
        if path in ("/echo", "/held", "/shut"):
            if method != "POST":
                raise MethodNotAllowed(method, ["POST"])
            return Route("predict", native.error_reply, decode=_decode, model=path[1:])
        if path == "/named":
            return Route("predict", native.error_reply, resolve=self._named)
        return None

    def _named(self, head: Head, body: bytes) -> Route:
        if body == b"plain":
            return Route("predict", native.error_reply, answer=self._plain, model="plain")
        if body != b"echo":
            raise ModelNotFound("no such model")
        return Route("predict", native.error_reply, decode=_decode, model="echo")

    def _plain(self, head: Head, body: bytes, caller: Caller) -> Reply:
        self.plain += 1
        return Reply(200, repr((head.method, head.path, head.query, body)).encode(), "text/plain")

    def _breaks(self, head: Head, body: bytes, caller: Caller) -> Reply:
        raise ZeroDivisionError("a fault at /some/path")


def _decode(call: Call, head: Head, body: bytes) -> None:
    """Never called: the echo path takes the body as it is."""


class EchoGrpc:
    """gRPC methods of a test, each of the service echo.Echo.

    Unary, Held: predictions, as POST /echo and POST /held. Shut: is refused by its head.
    Each: a stream that gives every message back as it comes, and says at its end how many came.
    Asked: a stream of which every message is a prediction. Flood: answers one message with many.
    """

    addresses = ("POST /echo.Echo/Unary",)

    def __init__(self, bench: Any) -> None:
        self.streams: list[Any] = bench.streams

    def owns(self, path: str) -> bool:
        return True

    def error(self, error: FairleadError) -> Reply:
        known = {"DEADLINE_EXCEEDED": "4", "MODEL_NOT_FOUND": "5", "ADDRESS_NOT_FOUND": "12"}
        status = known.get(error.name, "13")
        trailers = (("grpc-status", status), ("grpc-message", error.name))
        return Reply(200, b"", "application/grpc", trailers=trailers)

    def route(self, method: str, path: str) -> Route | None:
        name = path.removeprefix("/echo.Echo/")
        if name in ("Unary", "Held", "Shut"):
            model = {"Unary": "echo"}.get(name, name.lower())
            return Route("predict", self.error, decode=_decode, model=model)
        if name in ("Each", "Asked", "Flood"):
            return Route("predict", self.error, open=lambda channel: self._open(name, channel))
        return None

    def _open(self, name: str, channel: Any) -> Any:
        made = {"Each": EachStream, "Asked": AskedStream, "Flood": FloodStream}[name](channel, self)
        self.streams.append(made)
        return made


class EachStream:
    """Gives every message back."""

    def __init__(self, channel: Any, wire: EchoGrpc) -> None:
        self.channel = channel
        self.wire = wire
        self.count = self.rooms = 0
        self.gone = False

    def message(self, body: bytes) -> None:
        self.count += 1
        self.channel.send(body)

    def ended(self) -> None:
        self.channel.send(b"%d" % self.count)
        self.channel.end()

    def room(self) -> None:
        self.rooms += 1

    def left(self) -> None:
        self.gone = True


class AskedStream(EachStream):
    """Asks for a prediction with every message, and ends once all are answered."""

    waiting = 0
    over = False

    def message(self, body: bytes) -> None:
        self.waiting += 1
        model = "held" if body.startswith(b"held") else "echo"
        route = Route("predict", self.wire.error, decode=_decode, model=model)
        self.channel.predict(route, body, self.answered)

    def answered(self, call: Call) -> None:
        self.waiting -= 1
        self.channel.send(call.payload or b"")
        self._end()

    def ended(self) -> None:
        self.over = True
        self._end()

    def _end(self) -> None:
        if self.over and not self.waiting:
            self.channel.end()


class FloodStream(EachStream):
    """Sends 10,000 messages for one, as fast as they are taken."""

    left_over = 0

    def message(self, body: bytes) -> None:
        self.left_over, self.body = 10_000, body
        self.room()

    def ended(self) -> None:
        """There is more to send."""

    def room(self) -> None:
        self.rooms += 1
        while self.left_over and not self.channel.full:
            self.left_over -= 1
            self.channel.send(self.body)
        if not self.left_over:
            self.channel.end()


class EchoPath:
    """A prediction path without a model."""

    def __init__(self) -> None:
        self.held: list[Call] = []
        self.seen: list[bytes] = []
        self.heads: list[Head] = []
        self.patience: list[float] = []
        self.keys: dict[str, Caller] = {}

    def admit(self, head: Head, peer: Peer) -> Caller:
        if head.route.model == "shut":
            raise ModelNotReady("the model is shut")
        return self.keys.get(head.headers.get("authorization", "")) or anybody(peer.address)

    def predict(self, call: Call, head: Head, body: bytes, peer: Peer) -> None:
        call.caller = self.admit(head, peer)
        self.seen.append(body)
        self.heads.append(head)
        self.patience.append(call.deadline - call.received)
        call.payload = body
        call.usage = len(self.seen) - 1
        if call.route.model == "held":
            call.payload = None
            self.held.append(call)
            call.note = body
        else:
            call.done(call)


class Forgetful(HttpService):
    """A service that remembers no head: the slow way, which is always right."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.heads.forget()


class Bench:
    """A listening edge on a loop of its own."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, limits: HttpLimits, memory: bool, more: Any
    ) -> None:
        self.loop = loop
        self.wire = EchoWire()
        self.streams: list[Any] = []
        self.path = EchoPath()
        self.logged: list[tuple[str, dict[str, object]]] = []
        kind = HttpService if memory else Forgetful
        grpc = Router([EchoGrpc(self)])
        self.service = kind(
            Router([self.wire]), self.path, limits, self._log, WRITER, grpc=grpc, **more
        )
        self.port = 0

    def _log(self, event: str, **fields: object) -> None:
        self.logged.append((event, fields))

    def call(self, function: Callable[[], Any]) -> Any:
        """The result of a function that runs on the loop."""
        done, found = Event(), []

        def run() -> None:
            found.append(function())
            done.set()

        self.loop.call_soon_threadsafe(run)
        assert done.wait(20)
        return found[0]

    def release(self, index: int = 0) -> None:
        """Answers a held call, by its place among those that are still held."""

        def answer() -> None:
            call = self.path.held.pop(index)
            call.payload = call.note
            call.done(call)

        self.call(answer)

    def connect(self) -> Raw:
        return Raw(self.port)


@contextmanager
def bench(
    memory: bool = True, tls: ServerTls | None = None, more: Any = None, **limits: Any
) -> Iterator[Bench]:
    """An edge under these limits; everything ends with the block.

    more: what else the service is made with.
    """
    loop = uvloop.new_event_loop()
    made = Bench(loop, HttpLimits(**limits), memory, more or {})
    listening, over = Event(), asyncio.Event()

    def made_for_each() -> asyncio.Protocol:
        if tls is None:
            return either(made.service, None)
        return TlsConnection(
            lambda: tls.context, made.service, lambda agreed: either(made.service, agreed)
        )

    async def serve() -> None:
        server = await loop.create_server(made_for_each, "127.0.0.1", 0)
        made.port = server.sockets[0].getsockname()[1]
        listening.set()
        while not over.is_set():
            made.service.tick()
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), TICK_S)
        server.close()
        for connection in [*made.service._connections]:
            connection._transport.abort()
        await asyncio.sleep(0)

    thread = Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert listening.wait(20)
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(20)
        loop.close()


def refused(answer: Answer, status: int, code: str) -> None:
    """Checks that an answer is a problem with this status and code."""
    assert (answer.status, answer.json()["code"]) == (status, code), answer
    assert answer.header("content-type") == "application/problem+json"
