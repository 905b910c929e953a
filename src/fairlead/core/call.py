"""A request and its route, the reply, and one prediction under way.

A wire is a table of routes. A route answers at once from what is in memory, asks the bookkeeper and
answers later, or decodes a prediction into a `Call`; nothing here waits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from fairlead.core.access import NOBODY, Caller
from fairlead.core.decision import SERVED, Verdicts
from fairlead.core.errors import FairleadError

if TYPE_CHECKING:
    from fairlead.core.signature import TensorSpec
    from fairlead.core.tensor import Array, Tensor


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
    request_id: the caller's own id of this request, for the answer; "" when there is none.
    """

    __slots__ = (
        "headers",
        "keep_alive",
        "length",
        "method",
        "path",
        "patience",
        "query",
        "request_id",
        "route",
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
        request_id: str = "",
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.length = length
        self.keep_alive = keep_alive
        self.route = route
        self.patience = patience
        self.request_id = request_id


class Peer(NamedTuple):
    """The other end of a connection.

    address: its IP address as text, "" over a Unix socket. subject: whom its certificate names, ""
    without one that was verified.
    """

    address: str
    subject: str = ""


@dataclass(slots=True)
class Reply:
    """A whole answer: HTTP status, body, its media type, and further headers."""

    status: int
    body: bytes
    media_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


PUBLIC = "public"
"""The operation of a route that needs no caller: liveness, readiness, health probes."""

ErrorReply = Callable[[FairleadError], Reply]
"""A wire's total table: any error as that protocol's status and body."""

Answer = Callable[[Head, bytes, Caller], Reply]
Ask = Callable[[Head, bytes, Caller, Peer, Callable[[Reply], None]], None]
Decode = Callable[["Call", Head, bytes], None]


@dataclass(frozen=True, slots=True)
class Route:
    """What answers a request.

    operation: what the caller must be allowed to do, or PUBLIC.
    error:     the wire's error table.
    answer:    answers at once; exactly one of `answer`, `ask` and `decode` is set.
    ask:       sees to it that the reply is given, now or later, to the function it is handed.
    decode:    fills a Call from head and body. Raises FairleadError.
    model, version: what the address names, "" and -1 when it names none.
    """

    operation: str
    error: ErrorReply
    answer: Answer | None = None
    ask: Ask | None = None
    decode: Decode | None = None
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


class Call:
    """One prediction: who asks for what, the tensors, and the answer.

    received: `clock.now` at the moment the last byte was read.
    deadline: `clock.now` after which nobody waits for the answer.
    inputs:   tensors in signature order; `rows` is their first dimension (1 when not batched).
    lease:    the right to use the loaded version until released.
    group:    calls with an equal group may be joined; set by the wire beside `encoder`.
    note:     what the wire keeps from the request for its answer.
    payload:  the answer's body, None until it is known. An error has a payload too.
    reply:    the whole reply when it is not a plain 200 with JSON.
    done:     gives the finished call back to its connection.
    withheld: of its rows, those that were abstained or rejected.
    gone:     the caller has left; nothing more is sent.
    caller:   who asks.
    grant:    what it has taken of its caller's limits, None where there are none.
    told:     header lines about what is left of them.
    usage:    its number in this worker's journal, the second half of its usage id; -1 without one.
    """

    # Defaults stand on the class: a call is made for every request, and most stay as they are.
    rows: int = 0
    inputs: Sequence[Tensor] = ()
    encoder: Any = None
    group: Any = None
    lease: Any = None
    note: Any = None
    payload: bytes | None = None
    reply: Any = None
    error: FairleadError | None = None
    decision: int = SERVED
    withheld: int = 0
    compute_ns: int = 0
    gone: bool = False
    caller: Caller = NOBODY
    grant: Any = None
    told: bytes = b""
    usage: int = -1

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
