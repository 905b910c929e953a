"""Small parts for tests of serving: a model that is a function, calls, an encoder."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tests.models import spec

from fairlead.access.leases import Leases
from fairlead.access.secrets import Digester
from fairlead.core.access import StoredKey, anybody
from fairlead.core.allowance import parse_limits
from fairlead.core.call import Call, Reply, Route
from fairlead.core.clock import now
from fairlead.core.package import Limits, Package
from fairlead.core.signature import Signature, TensorSpec
from fairlead.core.tensor import Array, Tensor
from fairlead.serving.admission import Admission, Policy
from fairlead.serving.book_messages import Book, pieces
from fairlead.serving.rationing import Rationing
from fairlead.serving.registry import Registry
from fairlead.serving.served import Served

DIGESTER = Digester(bytes(32))
DOUBLE = Signature((spec("x", "FP32", (-1, 2)),), (spec("y", "FP32", (-1, 2)),))


def admission(registry: Registry, *keys: StoredKey, **policy: Any) -> Admission:
    """Admission with these keys in its book; without any, everybody on this machine may come."""
    made = Admission(Policy(**({"open": True} | policy)), registry.newest, lambda: DIGESTER)
    for piece in pieces(Book(1, True, keys)):
        made.hear(piece)
    return made


def rations(send: Callable[[Any], bool] = lambda message: False, *server: str) -> Rationing:
    """Limits of a worker whose messages to the bookkeeper go there; those of the whole server."""
    return Rationing(Leases(send), parse_limits(server))


class Model:
    """A loaded model made of a function of its input arrays; remembers how it was used."""

    def __init__(self, function: Callable[..., Any] = lambda x: x * 2) -> None:
        self.function = function
        self.batches: list[int] = []
        self.threads: set[int] = set()
        self.interrupted: list[int] = []
        self.closed = 0

    def predict(self, inputs: Sequence[Array], outputs: Sequence[int]) -> list[Array]:
        self.batches.append(len(inputs[0]))
        self.threads.add(threading.get_ident())
        answer = self.function(*inputs)
        every = list(answer) if isinstance(answer, list | tuple) else [answer]
        return [every[i] for i in outputs] if len(every) > max(outputs) else every

    def interrupt(self, thread: int) -> None:
        self.interrupted.append(thread)

    def close(self) -> None:
        self.closed += 1


class Encoder:
    """Answers with the first output's rows as text, and remembers what it was given."""

    def __init__(self, signature: Signature) -> None:
        self.outputs = tuple(range(len(signature.outputs)))
        self.specs: Sequence[TensorSpec] = signature.outputs
        self.most_rows = 10_000

    def encode(self, calls: Sequence[Call], outputs: Sequence[Array], verdicts: object) -> None:
        start = 0
        for call in calls:
            stop = start + call.rows
            call.payload = repr(outputs[0][start:stop].tolist()).encode()
            start = stop


def serve(model: Any, signature: Signature = DOUBLE, name: str = "m", **limits: Any) -> Served:
    """A served version of this model."""
    package = Package(
        name, 1, Path(), "test", False, "graph", signature, {}, limits=Limits(**limits)
    )
    return Served(package, model, {})


def route() -> Route:
    """A route whose errors are their names."""
    return Route("predict", lambda error: Reply(500, error.name.encode()), model="m")


def call(
    served: Served,
    *rows: Any,
    group: Any = "g",
    deadline: float = 60.0,
    caller: str = "",
    **more: Any,
) -> Call:
    """A decoded call with these rows as its only input, leased; of a caller at this address."""
    signature = served.package.signature
    made = Call(
        route(), now(), now() + deadline, 100, True, more.pop("done", lambda finished: None)
    )
    dtype = signature.inputs[0].dtype
    made.inputs = [Tensor.of(np.array(rows, dtype=dtype.numpy))]
    made.rows = len(rows) if signature.batched else 1
    made.encoder = served.derived("encoder", lambda s: Encoder(s.package.signature))
    made.group = group
    made.lease = served
    made.caller = anybody(caller)
    served.leases += 1
    for name, value in more.items():
        setattr(made, name, value)
    return made


async def until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    """Lets the loop turn until something is so."""
    end = now() + seconds
    while not true():
        assert now() < end, "it never came to be so"
        await asyncio.sleep(0.001)  # a loop that only spins would keep other threads from running
