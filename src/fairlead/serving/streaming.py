"""Models that give many answers to a call: each is fetched when its caller takes it.

Calls take turns: one answer of one call is made at a time, so that a long stream holds up nobody,
and a caller who does not read keeps no thread. Guards look at the input, before anything is asked
of the model; there is no confidence in an answer of which nothing was learnt.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import perf_counter_ns
from typing import Any, cast

from fairlead.core.call import Call, known_by
from fairlead.core.clock import now
from fairlead.core.errors import (
    DeadlineExceeded,
    FairleadError,
    Internal,
    Overloaded,
    Unsupported,
)
from fairlead.core.promises import Answers, ToldModel
from fairlead.core.tensor import Array
from fairlead.serving.batcher import Settle
from fairlead.serving.deciding import concerns, decide
from fairlead.serving.disclosing import disclose
from fairlead.serving.execute import check_answer, checked
from fairlead.serving.log import log
from fairlead.serving.sequences import said_of
from fairlead.serving.served import Served

_MOST_OPEN = 256
"""Calls of one version that may be under way: each holds a place in the model's process."""


class _Stream:
    """One call and its answers. ending: its caller was told, and the model is told next."""

    __slots__ = ("answers", "call", "ending", "parked", "spent_ns")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.answers: Answers | None = None
        self.ending = self.parked = False
        self.spent_ns = 0


class Streamer:
    """The queue of a version whose model gives many answers. All methods run on the event loop.

    opened: writes a call down before its first answer leaves.
    """

    stuck = False  # the runner bounds each answer by the version's time budget

    def __init__(
        self,
        served: Served,
        loop: asyncio.AbstractEventLoop,
        settle: Settle,
        opened: Callable[[Served, Call], None],
    ) -> None:
        self.served = served
        self._loop = loop
        self._settle = settle
        self._opened = opened
        self._open: dict[int, _Stream] = {}
        self._turns: deque[_Stream] = deque()
        self._busy = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="stream")
        self._thread.submit(int)  # now, since later none may be had
        served.submit = self.submit

    @property
    def model(self) -> str:
        """The version that it serves, as "model/version"."""
        return self.served.key

    @property
    def waiting(self) -> int:
        """Calls whose turn has not come."""
        return len(self._turns)

    def submit(self, call: Call) -> None:
        """Begins a call. Raises Unsupported where only one answer can be given, and Overloaded."""
        if call.piece is None:
            raise Unsupported(
                f"model {self.served.package.name!r} may give many answers to a call",
                fix="Ask /v2/models/MODEL/generate_stream, or ModelStreamInfer over gRPC",
            )
        if len(self._open) >= _MOST_OPEN:
            raise Overloaded(
                f"{len(self._open)} calls of model {self.served.package.name!r} are answered "
                "already",
                fix="Try again in a second",
            )
        stream = self._open[id(call)] = _Stream(call)
        call.resume = lambda: self._resume(stream)
        self._turn(stream)

    def tick(self) -> None:
        """Several times a second: ends the calls whose caller has left or waits no longer."""
        moment = now()
        for stream in [*self._open.values()]:
            if not stream.ending and (stream.call.gone or stream.call.deadline < moment):
                self._finish(stream, _over(stream.call, moment))

    def close(self) -> None:
        """Ends the thread once nothing holds a lease."""
        self._thread.shutdown(wait=False)

    def give_up(self, error: FairleadError) -> int:
        """Ends all calls by `error`; says how many."""
        found = [stream for stream in self._open.values() if not stream.ending]
        for stream in found:
            self._finish(stream, error)
        return len(found)

    def _resume(self, stream: _Stream) -> None:
        """A caller takes answers again, or has left."""
        if stream.parked:
            stream.parked = False
            self._turn(stream)

    def _turn(self, stream: _Stream) -> None:
        self._turns.append(stream)
        self._go()

    def _go(self) -> None:
        if self._busy or not self._turns:
            return
        self._busy = True
        with suppress(RuntimeError):  # the version has ended, and its model with it
            self._thread.submit(self._step, self._turns.popleft())

    def _step(self, stream: _Stream) -> None:
        """In the thread: the next answer of one call, or the end of it."""
        found: list[Array] | None = None
        error: FairleadError | None = None
        started = perf_counter_ns()
        try:
            if stream.ending:
                if stream.answers is not None:
                    with suppress(FairleadError):
                        stream.answers.close()
            else:
                found = self._next(stream)
        except FairleadError as raised:
            error = raised
        except Exception as raised:
            self._log("execution_failed", stream.call, raised)
            error = Internal("the server failed on this request")
        stream.spent_ns += perf_counter_ns() - started
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._back, stream, found, error)

    def _log(self, event: str, call: Call, error: Exception) -> None:
        log(event, model=self.served.key, error=repr(error), **known_by(call.echo))

    def _next(self, stream: _Stream) -> list[Array] | None:
        call, served = stream.call, self.served
        error = _over(call, now())
        if error is not None:
            raise error
        if call.gone:
            return None
        if stream.answers is None:
            inputs, verdicts = checked(served, call)
            if verdicts is not None and concerns([call], verdicts):
                decide([call], [], verdicts, spoken=False)
                if call.error is not None:
                    raise call.error
            said = said_of(served, call)
            model = cast("ToldModel", served.model)
            stream.answers = model.ask(inputs, call.encoder.outputs, said)
        found = stream.answers.next()
        if found is not None:
            check_answer(call.encoder.specs, found, -1)
        return found

    def _back(
        self, stream: _Stream, found: list[Array] | None, error: FairleadError | None
    ) -> None:
        self._busy = False
        if stream.ending:
            self._open.pop(id(stream.call), None)
        elif error is not None or found is None:
            self._finish(stream, error)
        else:
            self._deliver(stream, found)
        self._go()

    def _deliver(self, stream: _Stream, found: list[Array]) -> None:
        call = stream.call
        try:
            if call.opened is None:
                self._opened(self.served, call)
            assert call.piece is not None
            call.piece(_piece(call, found))
        except FairleadError as error:
            self._finish(stream, error)
            return
        except Exception as error:
            self._log("encode_failed", call, error)
            self._finish(stream, Internal("the answer could not be written"))
            return
        if stream.ending:
            return
        if call.full is not None and call.full():
            stream.parked = True
        else:
            self._turns.append(stream)

    def _finish(self, stream: _Stream, error: FairleadError | None) -> None:
        """Settles a call, and has the model told when it has more to say."""
        call = stream.call
        stream.ending = True
        stream.parked = False
        call.error, call.resume = error, None
        call.payload = b""
        call.compute_ns = max(stream.spent_ns, 1 if stream.answers is not None else 0)
        self._settle(self.served, [call], [])
        if stream not in self._turns:
            # A call whose answer is being made comes back by itself; it has its turn after that.
            self._turns.append(stream)
            self._go()


def _over(call: Call, moment: float) -> FairleadError | None:
    """Why a call that nobody waits for any more ends; None for one that is waited for or gone."""
    if call.gone or call.deadline >= moment:
        return None
    return DeadlineExceeded("the deadline passed before the last answer was made")


def _piece(call: Call, found: Sequence[Array]) -> Call:
    """One answer as a call of its own, with its payload; counted as sent by its call."""
    piece = Call(call.route, call.received, call.deadline, 0, True, _nobody)
    piece.rows = len(found[0]) if found and found[0].ndim else 1
    piece.encoder, piece.note, piece.lease = call.encoder, call.note, call.lease
    piece.caller, piece.parameters = call.caller, call.parameters
    told: Any = disclose([piece], list(found), None)
    call.encoder.encode([piece], *told)
    call.sent += len(piece.payload or b"") + sum(map(len, piece.tail))
    return piece


def _nobody(call: Call) -> None:
    """A piece is not given back."""
