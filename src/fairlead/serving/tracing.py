"""Which requests become spans of their traces, and the thread that has them sent.

A span is noted as plain facts when its request is answered; what a collector takes is made of them
in the thread (otlp.py). A collector that is slow or gone costs spans, which are counted: no more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from random import getrandbits, random
from threading import Event, Thread
from typing import NamedTuple

from fairlead.core.call import Call, Head, Reply, Trace
from fairlead.core.clock import now, wall_ns
from fairlead.core.decision import OUTCOMES
from fairlead.core.errors import FairleadError
from fairlead.serving.log import log

MOST_PER_S = 200
"""Requests in a second that become spans, in one worker, whatever callers and settings wish."""
_ROOM, _AT_ONCE = 4096, 512
"""Requests that may wait to be sent, and that are sent at once."""
_EVERY_S, _TELL_S = 1.0, 10.0
_END_S = 2.0


class Span(NamedTuple):
    """One request as its span tells it. Times are in nanoseconds since 1970.

    route, wire: the address as the reference writes it; "" for one that nobody answers.
    status: of HTTP. error: the error's name, "" for none. grpc: the status of gRPC, -1 elsewhere.
    model: "" where none was reached; then version and rows say nothing.
    model_began, model_ns, batch: when the execution began, how long it took and how many rows it
    joined; 0 for what was not executed.
    """

    trace: Trace
    method: str
    route: str
    wire: str
    began: int
    ended: int
    status: int
    error: str
    grpc: int
    request_id: str
    model: str = ""
    version: int = 0
    rows: int = 0
    decision: str = ""
    model_began: int = 0
    model_ns: int = 0
    batch: int = 0


Send = Callable[[Sequence[Span]], bool]
"""Sends spans; whether they were taken. It may wait for as long as the collector does."""


class Tracer:
    """Chooses requests and has them sent.

    sent, lost: requests whose spans a collector has taken, and those that it could not be given.
    """

    def __init__(
        self,
        share: float,
        sender: Callable[[], Send],
        known: Callable[[str, str], tuple[str, str]],
    ) -> None:
        """share: of the requests that their callers do not keep. sender: makes, in the thread, what
        sends. known: the route and the wire of a method and a path."""
        self._share = share
        self._sender = sender
        self._sends: Send | None = None
        self._known = known
        self._waiting: deque[Span] = deque()
        self._wake, self._over = Event(), False
        self._second, self._count = 0.0, 0
        self._told, self._told_s = 0, now()
        self._why = ""
        self.sent = self.lost = 0
        self._thread = Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()

    def answered(self, calls: Sequence[Call], moment: float) -> None:
        """Calls that are answered or refused."""
        for call in calls:
            head = call.head
            if head is None:
                continue
            if self._is_chosen(head, moment):
                self._note(_of_call(call, self._begun(head, call.error, call.reply), moment))

    def plain(self, head: Head, reply: Reply, error: FairleadError | None, began: float) -> None:
        """A request that needs no model."""
        moment = now()
        if self._is_chosen(head, moment):
            spent = int((moment - began) * 1e9) if began else 0
            ended = wall_ns()
            self._note(self._begun(head, error, reply)._replace(began=ended - spent, ended=ended))

    def tick(self) -> None:
        """Now and then: says how many could not be sent since that was said last."""
        moment = now()
        if self.lost > self._told and moment - self._told_s > _TELL_S:
            self._told_s = moment
            count, self._told = self.lost - self._told, self.lost
            log("spans_lost", requests=count, reason=self._why or "not taken, or too many")

    def close(self, within_s: float = _END_S) -> None:
        """Sends what is left, for so many seconds at most, and for two."""
        self._over = True
        self._wake.set()
        self._thread.join(min(_END_S, within_s))

    def _is_chosen(self, head: Head, moment: float) -> bool:
        kept = head.trace is not None and head.trace.sampled
        chosen = kept or random() < self._share  # noqa: S311 - nothing is kept secret by it
        return chosen and self._has_room(moment)

    def _has_room(self, moment: float) -> bool:
        if moment - self._second >= 1.0:
            self._second, self._count = moment, 0
        self._count += 1
        if self._count > MOST_PER_S or len(self._waiting) >= _ROOM:
            self.lost += 1
            return False
        return True

    def _begun(self, head: Head, error: FairleadError | None, reply: Reply | None) -> Span:
        route, wire = self._known(head.method, head.path)
        trace = head.trace or Trace(f"{getrandbits(128) or 1:032x}", "", span_id(), True)
        known = dict(head.echo).get("x-request-id", "")
        status = 200 if reply is None else reply.status
        over_grpc = "grpc" in head.headers.get("content-type", "")
        told = dict(reply.trailers).get("grpc-status", "0") if reply is not None else "0"
        number = int(told) if over_grpc else -1
        name = "" if error is None else error.name
        return Span(trace, head.method, route, wire, 0, 0, status, name, number, known)

    def _note(self, span: Span) -> None:
        self._waiting.append(span)
        if len(self._waiting) >= _AT_ONCE:
            self._wake.set()

    def _run(self) -> None:
        """In the thread: sends what waits, once a second or when much does."""
        while True:
            self._wake.wait(_EVERY_S)
            self._wake.clear()
            while self._waiting:
                taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), _AT_ONCE))]
                if self._send(taken):
                    self.sent += len(taken)
                else:
                    self.lost += len(taken)
            if self._over:
                return

    def _send(self, spans: Sequence[Span]) -> bool:
        """Whether spans were taken; whatever is wrong with these, the next ones are tried."""
        try:
            if self._sends is None:
                self._sends = self._sender()
            return self._sends(spans)
        except Exception as error:
            self._why = repr(error)
            return False


def span_id() -> str:
    """The id of a new span."""
    return f"{getrandbits(64) or 1:016x}"


def _of_call(call: Call, span: Span, moment: float) -> Span:
    """The span of a call that ended at a moment: now, or a little before."""
    ended = wall_ns() - int((now() - moment) * 1e9)
    began = ended - int((moment - call.received) * 1e9)
    model, version = "", 0
    if call.lease is not None:
        model, version = call.lease.package.name, call.lease.package.version
    span = span._replace(began=began, ended=ended, model=model, version=version, rows=call.rows)
    if call.error is None or call.decision:
        span = span._replace(decision=OUTCOMES[call.decision])
    if call.batch is not None:
        started, spent_ns, rows = call.batch
        at = ended - int((moment - started) * 1e9)
        span = span._replace(model_began=at, model_ns=spent_ns, batch=rows)
    return span
