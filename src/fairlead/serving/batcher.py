"""Joins the calls that have arrived, and runs them where they cost the others least.

Before running, the loop looks at its sockets once more while each look still brings calls: what
has arrived goes together, and nothing waits for company that is not there. A cheap model runs
inline, on the loop; a dearer one in threads that take everything queued while they were busy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import get_ident
from typing import Any

from fairlead.core.call import Call, known_by
from fairlead.core.clock import now
from fairlead.core.errors import FairleadError, Internal, Overloaded
from fairlead.serving.answered import Answered
from fairlead.serving.execute import drop_late, execute
from fairlead.serving.log import log
from fairlead.serving.quarantine import let_in
from fairlead.serving.registry import Served

INLINE_LIMIT_S = 0.005
"""No execution on the loop may take longer."""
_SLOW_S, _FAR_TOO_SLOW_S = 0.02, 0.25
_SLOW_ONES = 3
_STUCK_S = 10.0
"""An execution that goes on for so long after it was interrupted will not end by itself."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a version is executed, decided at warm-up.

    inline:   on the loop at the end of its turn.
    max_rows: rows joined into one execution; 1 when joining does not pay.
    slots:    executions at once, when not inline.
    """

    inline: bool
    max_rows: int
    slots: int


Settle = Callable[[Served, Sequence[Call], Sequence[Answered]], None]
"""Answers executed calls: (version, all of them, the answered ones with outputs)."""


class Batcher:
    """The queue of one version. All methods run on the event loop."""

    def __init__(
        self,
        served: Served,
        plan: Plan,
        loop: asyncio.AbstractEventLoop,
        settle: Settle,
        *,
        max_queue: int,
        max_wait_s: float,
        alone: Callable[[], bool] = lambda: False,
    ) -> None:
        """max_queue, max_wait_s: calls that may wait here, and how long one may.

        alone: whether no other call is near, so that none can join.
        """
        self._served = served
        self._plan = plan
        self._loop = loop
        self._settle = settle
        self._max_queue = max_queue
        self._max_wait_s = max_wait_s
        self._alone = alone
        self._queue: list[Call] = []
        self._armed = False
        self._seen = 0
        self._inline = plan.inline
        self._slow = 0
        self._idle = plan.slots
        self._threads: ThreadPoolExecutor | None = None
        self._running: dict[int, float] = {}
        self._taken: list[list[Call]] = []
        self._over = False
        served.submit = self.submit

    def submit(self, call: Call) -> None:
        """Queues a call, or runs it now if no other can come. Raises Overloaded when full."""
        queue = self._queue
        if len(queue) >= self._max_queue:
            raise Overloaded(
                f"{len(queue)} calls wait for model {self._served.package.name!r} already",
                fix="Try again in a second",
            )
        if self._inline and not queue and call.prepare is None and self._alone():
            self._run_inline([call])
            return
        queue.append(call)
        if not self._armed:
            self._armed = True
            self._loop.call_soon(self._flush)

    @property
    def model(self) -> str:
        """The version that it serves, as "model/version"."""
        return self._served.key

    @property
    def waiting(self) -> int:
        """Calls queued and not yet taken."""
        return len(self._queue)

    @property
    def stuck(self) -> bool:
        """Whether an execution cannot be stopped, so that only the process can be ended."""
        limit = now() - self._served.package.limits.time_budget_s - _STUCK_S
        return any(started < limit for started in list(self._running.values()))

    def tick(self) -> None:
        """Several times a second: stops what runs too long, answers what waits too long."""
        moment = now()
        limit = moment - self._served.package.limits.time_budget_s
        for thread, started in list(self._running.items()):
            if started < limit:
                self._served.model.interrupt(thread)
        self._slow = 0
        queue = self._queue
        live = drop_late(queue, moment, self._since(moment))
        if len(live) < len(queue):
            self._queue = live
            late = [call for call in queue if call.error is not None or call.gone]
            self._settle(self._served, late, [])

    def close(self) -> None:
        """Ends the threads once nothing holds a lease."""
        if self._threads is not None:
            self._threads.shutdown(wait=False)

    def give_up(self, error: FairleadError) -> int:
        """Answers all calls that wait or run by `error`; says how many. Nothing runs after it."""
        self._over = True
        groups = [group for group in (self._queue, *self._taken) if group]
        self._queue, self._taken = [], []
        for group in groups:
            for call in group:
                call.error = error
            self._settle(self._served, group, [])
        return sum(map(len, groups))

    def _since(self, moment: float) -> float:
        """Since when a call may have waited. None waits for too long for a process that is away."""
        since = moment - self._max_wait_s
        return since if getattr(self._served.model, "ready_since", 0.0) < since else 0.0

    def _flush(self) -> None:
        waiting = len(self._queue)
        if waiting > self._seen:
            # Calls came in this turn: look once more at the sockets before running.
            self._seen = waiting
            self._loop.call_soon(self._flush)
            return
        self._seen = 0
        self._armed = False
        while self._queue and self._inline and self._queue[0].prepare is None:
            self._run_inline(self._take(len(self._queue)))
        while self._queue and self._idle:
            # A thread that took everything would leave the others idle.
            share = -(-len(self._queue) // self._idle)
            self._idle -= 1
            taken = self._take(share)
            self._taken.append(taken)
            self._executor().submit(self._run_in_thread, taken)

    def _take(self, most: int) -> list[Call]:
        """The longest prefix of the queue, of at most so many calls, that may run together."""
        queue, limit = self._queue, self._plan.max_rows
        group, rows, count = queue[0].group, 0, 0
        for call in queue:
            rows += call.rows
            if call.group != group or count == most or (rows > limit and count):
                break
            count += 1
        if count == len(queue):
            self._queue = []
            return queue
        self._queue = queue[count:]
        return queue[:count]

    def _run_inline(self, calls: list[Call]) -> None:
        started = now()
        self._settle(self._served, calls, self._execute(calls, started))
        if now() - started > _SLOW_S:
            self._note_slow(now() - started)

    def _note_slow(self, spent: float) -> None:
        """Moves the model to the threads when it holds up the loop; one stall proves nothing."""
        self._slow += 1
        if spent > _FAR_TOO_SLOW_S or self._slow >= _SLOW_ONES:
            self._inline = False
            log("moved_to_threads", model=self._served.key, seconds=round(spent, 3))

    def _run_in_thread(self, calls: list[Call]) -> None:
        thread = get_ident()

        def begin() -> None:
            self._running[thread] = now()

        answers = self._execute(calls, now(), begin)
        self._running.pop(thread, None)
        self._loop.call_soon_threadsafe(self._back, calls, answers)

    def _execute(
        self, calls: list[Call], moment: float, begin: Callable[[], None] | None = None
    ) -> list[Answered]:
        live = drop_late(calls, moment, self._since(moment))
        if self._served.quarantine is not None:
            live = let_in(self._served, live)
        try:
            return execute(self._served, live, begin) if live else []
        except Exception as error:
            # Ours, not the model's. Whatever it is, every call gets an answer.
            known = next((call.echo for call in live if call.echo), ())
            log("execution_failed", model=self._served.key, error=repr(error), **known_by(known))
            for call in live:
                call.error = call.error or Internal("the server failed on this request")
            return []

    def _back(self, calls: list[Call], answers: list[Answered]) -> None:
        if self._over:
            return
        self._idle += 1
        self._taken.remove(calls)
        self._settle(self._served, calls, answers)
        if self._queue:
            self._flush()

    def _executor(self) -> ThreadPoolExecutor:
        if self._threads is None:
            guard: Any = getattr(self._served.model, "guard", None)
            self._threads = ThreadPoolExecutor(
                self._plan.slots, thread_name_prefix="predict", initializer=guard
            )
        return self._threads
