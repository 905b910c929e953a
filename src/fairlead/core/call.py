"""A request and its route, the reply, and one prediction under way.

A wire is a table of routes. A route answers at once from what is in memory, asks the bookkeeper and
answers later, decodes a prediction into a `Call`, or opens a stream; nothing here waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from fairlead.core.access import NOBODY, Caller
from fairlead.core.decision import SERVED, Verdicts
from fairlead.core.errors import FairleadError

if TYPE_CHECKING:
    from fairlead.core.signature import TensorSpec
    from fairlead.core.tensor import Array, Tensor

Lines = tuple[tuple[str, str], ...]
"""Header lines: names in lower case, and values."""


def known_by(echo: Lines) -> dict[str, str]:
    """The same for the log, by names of the log's own."""
    return {name.removeprefix("x-").replace("-", "_"): value for name, value in echo}


class Trace(NamedTuple):
    """Where a request stands in a trace (W3C Trace Context), where we make spans.

    id: of the trace. parent: of the caller's span, "" where it begins here. span: of ours.
    sampled: whether the caller keeps it. state: what other systems have noted of it.
    """

    id: str
    parent: str
    span: str
    sampled: bool
    state: str = ""


class Head:
    """A request line and its headers, already under limits.

    method:     upper-case ASCII.
    path:       the address before any `?`, as sent (percent-encoding untouched).
    query:      what follows `?`, without it.
    headers:    lower-case names; a repeated header is joined by ", ".
    length:     bytes of the body, or -1 when it comes in chunks.
    keep_alive: whether the connection stays open after the answer.
    route:      the route that answers; its operation decides who may.
    patience:   seconds in which an answer is due.
    echo:       header lines of the answer by which the caller knows its request again: its own id
                of it, and its trace.
    trace:      where it stands in its caller's trace; None without one, or where we make no spans.
    old:        whether it is of HTTP/1.0, which knows no answers in chunks.
    coding:     how the body is compressed; "" for not at all. accepts: how the answer may be.
    """

    __slots__ = (
        "accepts",
        "coding",
        "echo",
        "headers",
        "keep_alive",
        "length",
        "method",
        "old",
        "path",
        "patience",
        "query",
        "route",
        "trace",
    )

    def __init__(
        self,
        method: str,
        path: str,
        query: str,
        headers: dict[str, str],
        length: int,
        keep_alive: bool,
        route: Route,
        patience: float,
        echo: Lines = (),
        coding: str = "",
        accepts: str = "",
        old: bool = False,
        trace: Trace | None = None,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.length = length
        self.keep_alive = keep_alive
        self.route = route
        self.patience = patience
        self.echo = echo
        self.coding = coding
        self.accepts = accepts
        self.old = old
        self.trace = trace

    def on(self, route: Route) -> Head:
        """The same head with another route: the one that the body has named."""
        return Head(
            self.method,
            self.path,
            self.query,
            self.headers,
            self.length,
            self.keep_alive,
            route,
            self.patience,
            self.echo,
            self.coding,
            self.accepts,
            self.old,
            self.trace,
        )


class Peer(NamedTuple):
    """The other end of a connection.

    address: its IP address as text, "" over a Unix socket. subject: whom its certificate names, ""
    without one that was verified.
    """

    address: str
    subject: str = ""


@dataclass(slots=True)
class Reply:
    """A whole answer: HTTP status, body, its media type, and further headers.

    trailers: header lines behind the body, where gRPC says how a call ended. Over HTTP/1 they are
              left out.
    """

    status: int
    body: bytes
    media_type: str = "application/json"
    headers: Lines = ()
    trailers: Lines = ()


PUBLIC = "public"
"""The operation of a route that needs no caller: liveness, readiness, health probes."""

ErrorReply = Callable[[FairleadError], Reply]
"""A wire's total table: any error as that protocol's status and body."""

Answer = Callable[[Head, bytes, Caller], Reply]
Ask = Callable[[Head, bytes, Caller, Peer, Callable[[Reply], None]], None]
Decode = Callable[["Call", Head, bytes], None]
Resolve = Callable[[Head, bytes], "Route"]
Prepare = Callable[[Sequence["Call"], int], "list[Array]"]


@dataclass(frozen=True, slots=True)
class Route:
    """What answers a request.

    operation: what the caller must be allowed to do, or PUBLIC.
    error:     the wire's error table.
    answer:    answers at once; exactly one of `answer`, `ask`, `decode`, `resolve` and `open` is
               set.
    ask:       sees to it that the reply is given, now or later, to the function it is handed.
    decode:    fills a Call from head and body. Raises FairleadError.
    resolve:   for a protocol that names the model in the body: gives the route of that model, which
               decides once more who may. Raises FairleadError.
    open:      opens a stream: many messages in, many out. What it raises is answered by `error`.
    socket:    the stream is a WebSocket, and the request asks for one.
    page:      it is a page for people: its caller may have signed in in place of showing a key, and
               what is sent to it must come from our own pages.
    model, version: what the address names, "" and -1 when it names none.
    """

    operation: str
    error: ErrorReply
    answer: Answer | None = None
    ask: Ask | None = None
    decode: Decode | None = None
    resolve: Resolve | None = None
    open: Callable[[Channel], Stream] | None = None
    socket: bool = False
    page: bool = False
    model: str = ""
    version: int = -1


class Encoder(Protocol):
    """Turns the outputs of joined calls into the bytes of each call's answer.

    One encoder stands for one wire, one version and one choice of outputs, so that calls with
    the same encoder may be joined.

    outputs:   positions in the signature of the outputs that are wanted.
    specs:     those outputs.
    most_rows: rows that one call may have: what the owner allows, and what an answer can hold.
    decides:   the answer has room for each row's decision.
    """

    outputs: tuple[int, ...]
    specs: Sequence[TensorSpec]
    most_rows: int
    decides: bool

    def encode(
        self, calls: Sequence[Call], outputs: Sequence[Array], verdicts: Verdicts | None
    ) -> None:
        """Sets `payload` of every call.

        outputs, verdicts: of the rows of all calls in order; None for a package without guards.
        """
        ...


class Batch(NamedTuple):
    """One execution. started: `clock.now`. spent_ns: time in the model. rows: those joined."""

    started: float
    spent_ns: int
    rows: int


class Call:
    """One prediction: who asks for what, the tensors, and the answer.

    received: `clock.now` at the moment the last byte was read.
    deadline: `clock.now` after which nobody waits for the answer.
    inputs:   tensors in signature order; `rows` is their first dimension (1 when not batched).
    lease:    the right to use the loaded version until released.
    group:    calls with an equal group may be joined; set by the wire beside `encoder`.
    note:     what the wire keeps from the request for its answer.
    prepare:  makes arrays of the inputs of joined calls where that is more than joining, such as
              decoding pictures; calls that have one never run on the loop, and it is part of their
              group.
    parameters: what the caller says to the model beside the tensors.
    payload:  the answer's body, None until it is known. An error has a payload too.
    tail:     further pieces of the body behind `payload`, which are sent as they are.
    piece:    takes one of many answers of a decoupled model, its `payload` set; None where only one
              answer can be given.
    full:     whether its caller takes no more pieces for now. resume: tells that it does again.
    opened:   its place in the journal while its pieces leave; None for a call with one answer.
    sent:     bytes of the pieces that have left.
    reply:    the whole reply when it is not a plain 200 with JSON.
    done:     gives the finished call back to its connection.
    foreseen: seconds from its coming to its answer, where its queue has said so; 0 otherwise.
    withheld: of its rows, those that were abstained or rejected.
    crashes:  how often its model's process died while it was executed.
    gone:     the caller has left; nothing more is sent.
    caller:   who asks.
    grant:    what it has taken of its caller's limits, None where there are none.
    told:     header lines about what is left of them.
    usage:    its number in this worker's journal, the second half of its usage id; -1 without one.
    echo:     by what its caller knows it, for the log (`Head.echo`).
    trial:    the rollout for which it was assigned to a version; None for none.
    beside:   of a call for which nobody waits, the one beside which it is asked; else None.
    head:     of the request that asked, for the log; None for one that no request asked for.
    batch:    the execution that it was part of, None for a call that was not executed.
    """

    # Defaults stand on the class: a call is made for every request, and most stay as they are.
    rows: int = 0
    inputs: Sequence[Tensor] = ()
    encoder: Any = None
    group: Any = None
    lease: Any = None
    note: Any = None
    prepare: Prepare | None = None
    parameters: Mapping[str, Any] = {}
    payload: bytes | None = None
    tail: Sequence[bytes | memoryview] = ()
    piece: Callable[[Call], None] | None = None
    full: Callable[[], bool] | None = None
    resume: Callable[[], None] | None = None
    opened: Any = None
    sent: int = 0
    reply: Any = None
    error: FairleadError | None = None
    decision: int = SERVED
    foreseen: float = 0.0
    withheld: int = 0
    compute_ns: int = 0
    crashes: int = 0
    gone: bool = False
    caller: Caller = NOBODY
    grant: Any = None
    told: bytes = b""
    usage: int = -1
    echo: Lines = ()
    trial: Any = None
    beside: Any = None
    head: Head | None = None
    batch: Batch | None = None

    def __init__(
        self,
        route: Route,
        received: float,
        deadline: float,
        bytes_in: int,
        keep_alive: bool,
        done: Callable[[Call], None],
    ) -> None:
        self.route = route
        self.received = received
        self.deadline = deadline
        self.bytes_in = bytes_in
        self.keep_alive = keep_alive
        self.done = done


class Channel(Protocol):
    """The caller's end of a stream, as the edge gives it to a wire. All is on the event loop.

    head, caller: who opened the stream, and how.
    """

    head: Head
    caller: Caller

    def begin(self, reply: Reply) -> None:
        """Sends status, media type and headers before the first message; `reply.body` is ignored.

        A wire that does not begin has the protocol's usual ones: 200, and gRPC's own.
        """
        ...

    def send(self, message: bytes) -> None:
        """Sends one message, or keeps it until the caller takes it. Does nothing after the end."""
        ...

    @property
    def full(self) -> bool:
        """Whether more is unsent than should be: the wire waits for `Stream.room`."""
        ...

    def end(self, reply: Reply | None = None) -> None:
        """Ends the stream, with an error of the wire's table or well. Only the first end counts."""
        ...

    def predict(
        self,
        route: Route,
        message: bytes,
        done: Callable[[Call], None],
        piece: Callable[[Call], None] | None = None,
    ) -> Call:
        """Asks for a prediction by a message of the stream, with `decode` of `route`.

        done: gets the call once it has ended, its payload set, also when it was refused.
        piece: gets it at each answer of a decoupled model before that.
        """
        ...


class Stream(Protocol):
    """The wire's end of an open stream."""

    def message(self, body: bytes) -> None:
        """A message has come."""
        ...

    def ended(self) -> None:
        """The caller sends no more; it may still listen."""
        ...

    def room(self) -> None:
        """The caller has taken what was unsent."""
        ...

    def left(self) -> None:
        """The caller is gone, or its deadline has passed: nothing more can be sent."""
        ...
