"""One prediction under way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from fairlead.core.decision import SERVE
from fairlead.core.errors import FairleadError
from fairlead.core.signature import TensorSpec
from fairlead.core.tensor import Array, Tensor

if TYPE_CHECKING:
    from fairlead.core.wire import Route


class Encoder(Protocol):
    """Turns the outputs of joined calls into the bytes of each call's answer.

    One encoder stands for one wire, one version and one choice of outputs, so that calls with
    the same encoder may be joined.

    outputs: positions in the signature of the outputs that are wanted.
    specs:   those outputs.
    """

    outputs: tuple[int, ...]
    specs: Sequence[TensorSpec]

    def encode(self, calls: Sequence[Call], outputs: Sequence[Array]) -> None:
        """Sets `payload` of every call; `outputs` hold the rows of all calls in order."""
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
    gone:     the caller has left; nothing more is sent.
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
    decision: str = SERVE
    compute_ns: int = 0
    gone: bool = False

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
