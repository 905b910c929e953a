"""Joins the calls that have arrived, and runs them where they cost the others least.

Before running, the loop looks at its sockets once more while each look still brings calls: what
has arrived goes together, and nothing waits for company that is not there. A cheap model runs
inline, on the loop; a dearer one in threads that take everything queued while they were busy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import get_ident
from typing import Any

from fairlead.core.call import Call, known_by
from fairlead.core.clock import now
from fairlead.core.errors import FairleadError, Internal, Overloaded
from fairlead.serving.answered import Answered
from fairlead.serving.execute import drop_late, execute
from fairlead.serving.log import log
from fairlead.serving.pace import Pace
from fairlead.serving.quarantine import let_in
from fairlead.serving.queue import Queue
from fairlead.serving.served import Served
from fairlead.serving.shedding import Shedding

INLINE_LIMIT_S = 0.005
"""No execution on the loop may take longer."""
_SLOW_S, _FAR_TOO_SLOW_S = 0.02, 0.25
_SLOW_ONES = 3
_STUCK_S = 10.0
"""An execution that goes on for so long after it was interrupted will not end by itself."""
_SIFTED_S = 0.02
_BRIEF_S, _BRIEF = 0.1, 4.0
"""While calls are refused, others wait for so many seconds or executions at most: a longer queue
answers no more of them, only later, and forecasts of it are worse."""


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
        max_bytes: int = 1 << 40,
        alone: Callable[[], bool] = lambda: False,
    ) -> None:
        """max_queue, max_bytes, max_wait_s: calls that may wait here, with how large bodies in all,
        and how long one may.

        alone: whether no other call is near, so that none can join.
        """
        self.served = served
        self._plan = plan
        self._loop = loop
        self._settle = settle
        self._max_wait_s = self._budget_s = max_wait_s
        self._alone = alone
        self._queue = Queue(max_queue, max_bytes)
        self._pace = Pace(1 if plan.inline else plan.slots)
        self._shedding = Shedding()
        self._in_work = 0
        self._sampled = False
        self._sifted = 0.0
        self._refused = False
        self._armed = False
        self._seen = 0
        self._inline = plan.inline
        self._slow = 0
        self._idle = plan.slots
        self._threads: ThreadPoolExecutor | None = None
        self._running: dict[int, float] = {}
        self._taken: list[list[Call]] = []
        self._over: FairleadError | None = None
        served.submit = self.submit

    def submit(self, call: Call) -> None:
        """Queues a call, or runs it now if no other can come.

        Raises Overloaded when the queue is full, or when its turn would come too late.
        """
        queue = self._queue
        if queue.calls:
            if self._pace.row_s:
                self._consider(call)
        elif self._inline and call.prepare is None and self._alone():
            self._run_inline([call])
            return
        out = queue.push(call)
        if out:
            self._push_out(call, out)
        if not self._armed:
            self._armed = True
            self._loop.call_soon(self._flush)

    def _consider(self, call: Call) -> None:
        """Looks closer at a call whose turn might come too late, if all that waits went first."""
        pace = self._pace
        wait = (self._queue.rows + self._in_work) * pace.row_s
        left = call.deadline - call.received - pace.slack_s
        if wait > self._budget_s or wait + pace.service_s > left:
            self._foresee(call)
        elif not self._sampled:
            self._sampled = True
            call.foreseen = wait + pace.service_s

    def _foresee(self, call: Call) -> None:
        """Raises Overloaded for a call whose turn would come too late, as far as is known now."""
        queue, pace = self._queue, self._pace
        wait = (queue.ahead(call) + self._in_work) * pace.row_s
        left = call.deadline - call.received - pace.slack_s
        if wait > self._budget_s or wait + pace.service_s > left:
            self._press()
            name = self.served.package.name
            raise self._shedding.give(
                f"more calls wait for model {name!r} than it can answer in time",
                queue.rows * pace.row_s,
            )

    def _press(self) -> None:
        """Until nobody waits, calls are looked at before they are decoded, and fewer may wait."""
        self._refused = True
        self.served.pressed = self._look
        self._budget_s = min(self._max_wait_s, max(_BRIEF_S, _BRIEF * self._pace.service_s))

    def _relax(self) -> None:
        """Nobody waits."""
        self.served.pressed = None
        self._budget_s = self._max_wait_s

    def _look(self, call: Call) -> None:
        """As `_foresee`, where a call's rows are not known yet."""
        if self._queue.calls:
            self._foresee(call)
        else:
            self._relax()

    def _push_out(self, call: Call, out: Sequence[Call]) -> None:
        """The queue was full: another call has left, or this one is refused with Overloaded."""
        self._press()
        if out[0] is call and now() > self._sifted + _SIFTED_S:
            # For some of what fills it nobody may wait any more.
            self._settle_soon(self._sift())
            out = self._queue.push(call)
            if not out:
                return
        queue = self._queue
        error = self._shedding.give(
            f"{queue.calls} calls wait for model {self.served.package.name!r} already",
            queue.rows * self._pace.row_s,
        )
        if out[0] is call:
            raise error
        for one in out:
            one.error = error
        self._settle_soon(out)

    def _settle_soon(self, calls: Sequence[Call]) -> None:
        """Answers calls that were not executed, but not from within the turn of another call."""
        if calls:
            self._loop.call_soon(self._settle_apart, calls)

    def _settle_apart(self, calls: Sequence[Call]) -> None:
        """Answers calls that were not executed: the calls of a group, as always, together."""
        while calls:
            group = calls[0].group
            self._settle(self.served, [call for call in calls if call.group == group], ())
            calls = [call for call in calls if call.group != group]

    @property
    def model(self) -> str:
        """The version that it serves, as "model/version"."""
        return self.served.key

    @property
    def waiting(self) -> int:
        """Calls queued and not yet taken."""
        return self._queue.calls

    @property
    def stuck(self) -> bool:
        """Whether an execution cannot be stopped, so that only the process can be ended."""
        limit = now() - self.served.package.limits.time_budget_s - _STUCK_S
        return any(started < limit for started in list(self._running.values()))

    def tick(self) -> None:
        """Several times a second: stops what runs too long, answers what waits too long."""
        moment = now()
        limit = moment - self.served.package.limits.time_budget_s
        for thread, started in list(self._running.items()):
            if started < limit:
                self.served.model.interrupt(thread)
        self._slow = 0
        self._settle_apart(self._sift())

    def _sift(self) -> list[Call]:
        """Takes out the calls that nobody waits for any more, or that have waited too long."""
        moment = self._sifted = now()
        since = self._since(moment)
        late = self._queue.sift(lambda calls: drop_late(calls, moment, since))
        self._compare(late)
        return late

    def close(self) -> None:
        """Ends the threads once nothing holds a lease."""
        if self._threads is not None:
            self._threads.shutdown(wait=False)

    def give_up(self, error: FairleadError) -> int:
        """Answers all calls that wait, run or come by `error`; says how many wait or run.

        What runs is not waited for.
        """
        self._over, self._inline = error, False
        waiting = self._queue.sift(lambda calls: [])
        groups = [group for group in (waiting, *self._taken) if group]
        self._taken = []
        for group in groups:
            for call in group:
                call.error = error
            self._settle_apart(group)
        return sum(map(len, groups))

    def _since(self, moment: float) -> float:
        """Since when a call may have waited. None waits for too long for a process that is away."""
        since = moment - self._max_wait_s
        return since if getattr(self.served.model, "ready_since", 0.0) < since else 0.0

    def _flush(self) -> None:
        queue = self._queue
        waiting = queue.calls
        if waiting > self._seen:
            # Calls came in this turn: look once more at the sockets before running.
            self._seen = waiting
            self._loop.call_soon(self._flush)
            return
        self._seen = 0
        self._armed = False
        if self._over is not None:
            self.give_up(self._over)
            return
        if self._inline and waiting:
            taken = queue.take(self._plan.max_rows, waiting, plain=True)
            if taken:
                self._run_inline(taken, bool(queue.calls))
                if queue.calls:
                    self._go_on()
                return
        while queue.calls and self._idle:
            # A thread that took everything would leave the others idle.
            taken = self._living(queue.take(self._plan.max_rows, -(-queue.calls // self._idle)))
            if not taken:
                continue
            self._idle -= 1
            rows = sum([call.rows for call in taken])
            self._in_work += rows
            self._taken.append(taken)
            full = bool(queue.calls) or self._refused
            self._refused = False
            back = partial(self._back, taken, rows, now(), full)
            self._hand_over(taken, back)
        if self._budget_s < self._max_wait_s and not queue.calls:
            self._relax()

    def _living(self, taken: list[Call]) -> list[Call]:
        """Those that somebody waits for; where one is dead, others that wait are too.

        A thread that took the dead one by one would find no time for the living.
        """
        moment = now()
        live = drop_late(taken, moment, self._since(moment))
        if len(live) < len(taken):
            late = [call for call in taken if call.error is not None]
            self._compare(late)
            self._settle_soon([*late, *self._sift()])
        return live

    def _go_on(self) -> None:
        """What could not go with the others goes in the next turn, after those of other models."""
        self._armed = True
        self._seen = 1 << 60
        self._loop.call_soon(self._flush)

    def _run_inline(self, calls: list[Call], full: bool = False) -> None:
        started = now()
        self._settle(self.served, calls, self._execute(calls, started))
        spent = now() - started
        if full:
            self._pace.note(sum([call.rows for call in calls]), spent, full)
            self._shedding.renew()
        if spent > _SLOW_S:
            self._note_slow(spent)

    def _note_slow(self, spent: float) -> None:
        """Moves the model to the threads when it holds up the loop; one stall proves nothing."""
        self._slow += 1
        if spent > _FAR_TOO_SLOW_S or self._slow >= _SLOW_ONES:
            self._inline = False
            log("moved_to_threads", model=self.served.key, seconds=round(spent, 3))

    def _run_in_thread(self, calls: list[Call], back: Callable[[list[Answered]], None]) -> None:
        thread = get_ident()

        def begin() -> None:
            self._running[thread] = now()

        answers = self._execute(calls, 0.0, begin)
        self._running.pop(thread, None)
        self._loop.call_soon_threadsafe(back, answers)

    def _execute(
        self, calls: list[Call], moment: float, begin: Callable[[], None] | None = None
    ) -> list[Answered]:
        """Runs calls, in a thread where `begin` is given: those are looked at already.

        moment: now, for those that are not.
        """
        live = calls
        try:
            if begin is None:
                live = drop_late(calls, moment, self._since(moment))
            if self.served.quarantine:
                live = let_in(self.served, live)
            return execute(self.served, live, begin) if live else []
        except Exception as error:
            # Ours, not the model's. Whatever it is, every call gets an answer.
            known = next((call.echo for call in live if call.echo), ())
            log("execution_failed", model=self.served.key, error=repr(error), **known_by(known))
            for call in live:
                call.error = call.error or Internal("the server failed on this request")
            return []

    def _back(
        self, calls: list[Call], rows: int, began: float, full: bool, answers: list[Answered]
    ) -> None:
        if self._over is not None:
            return
        self._idle += 1
        self._in_work -= rows
        self._taken.remove(calls)
        self._shedding.renew()
        if answers:
            self._pace.note(rows, now() - began, full or self._refused)
        self._compare(calls)
        self._sampled = False
        self._settle(self.served, calls, answers)
        if self._queue.calls:
            self._flush()

    def _compare(self, calls: Sequence[Call]) -> None:
        """Learns of one call for each execution how good what was foreseen is."""
        for call in calls:
            if call.foreseen and not call.gone:
                self._pace.compare(call.foreseen, now() - call.received)

    def _hand_over(self, calls: list[Call], back: Callable[[list[Answered]], None]) -> None:
        """Has a thread execute calls; refuses them while none can be had."""
        threads = self._threads or self._pool()
        try:
            threads.submit(self._run_in_thread, calls, back)
        except RuntimeError as error:
            if self._threads is not None and not isinstance(error, BrokenExecutor):
                return  # a thread that runs already takes them in its turn
            for call in calls:
                call.error = Overloaded("the server has no thread for them", fix="Try again later")
            none: list[Answered] = []
            self._loop.call_soon(back, none)
        else:
            self._threads = threads

    def _pool(self) -> ThreadPoolExecutor:
        guard: Any = getattr(self.served.model, "guard", None)
        return ThreadPoolExecutor(self._plan.slots, thread_name_prefix="predict", initializer=guard)
