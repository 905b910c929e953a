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

from fairlead.core.call import Call
from fairlead.core.clock import now
from fairlead.core.errors import Overloaded
from fairlead.serving.execute import Answered, drop_late, execute
from fairlead.serving.registry import Served

INLINE_LIMIT_S = 0.005
"""No execution on the loop may take longer; one that does moves its model to the threads."""


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
        alone: Callable[[], bool] = lambda: False,
    ) -> None:
        """alone: whether no other caller is connected, so that nobody can join."""
        self._served = served
        self._plan = plan
        self._loop = loop
        self._settle = settle
        self._max_queue = max_queue
        self._alone = alone
        self._queue: list[Call] = []
        self._armed = False
        self._seen = 0
        self._inline = plan.inline
        self._idle = plan.slots
        self._threads: ThreadPoolExecutor | None = None
        self._running: dict[int, float] = {}
        served.submit = self.submit

    def submit(self, call: Call) -> None:
        """Queues a call, or runs it now if no other can come. Raises Overloaded when full."""
        queue = self._queue
        if len(queue) >= self._max_queue:
            raise Overloaded(
                f"{len(queue)} calls wait for model {self._served.package.name!r} already",
                fix="Try again in a second",
            )
        if self._inline and not queue and self._alone():
            self._run_inline([call])
            return
        queue.append(call)
        if not self._armed:
            self._armed = True
            self._loop.call_soon(self._flush)

    @property
    def waiting(self) -> int:
        """Calls queued and not yet taken."""
        return len(self._queue)

    def interrupt_overdue(self) -> None:
        """Stops executions that exceeded the version's time budget."""
        limit = now() - self._served.package.limits.time_budget_s
        for thread, started in list(self._running.items()):
            if started < limit:
                self._served.model.interrupt(thread)

    def close(self) -> None:
        """Ends the threads once nothing holds a lease."""
        if self._threads is not None:
            self._threads.shutdown(wait=False)

    def _flush(self) -> None:
        waiting = len(self._queue)
        if waiting > self._seen:
            # Calls came in this turn: look once more at the sockets before running.
            self._seen = waiting
            self._loop.call_soon(self._flush)
            return
        self._seen = 0
        self._armed = False
        if self._inline:
            while self._queue:
                self._run_inline(self._take())
        else:
            while self._queue and self._idle:
                self._idle -= 1
                self._executor().submit(self._run_in_thread, self._take())

    def _take(self) -> list[Call]:
        """The longest prefix of the queue that may run together."""
        queue, limit = self._queue, self._plan.max_rows
        group, rows, count = queue[0].group, 0, 0
        for call in queue:
            rows += call.rows
            if call.group != group or (rows > limit and count):
                break
            count += 1
        if count == len(queue):
            self._queue = []
            return queue
        self._queue = queue[count:]
        return queue[:count]

    def _run_inline(self, calls: list[Call]) -> None:
        started = now()
        live = drop_late(calls, started)
        answers = execute(self._served, live) if live else []
        self._settle(self._served, calls, answers)
        if now() - started > INLINE_LIMIT_S * 4:
            self._inline = False

    def _run_in_thread(self, calls: list[Call]) -> None:
        thread = get_ident()
        self._running[thread] = now()
        try:
            live = drop_late(calls, now())
            answers = execute(self._served, live) if live else []
        finally:
            del self._running[thread]
        self._loop.call_soon_threadsafe(self._back, calls, answers)

    def _back(self, calls: list[Call], answers: list[Answered]) -> None:
        self._idle += 1
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
