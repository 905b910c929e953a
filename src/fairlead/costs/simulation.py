"""What one worker of our server would do with calls that come when they come: an event simulation.

It does what serving/batcher.py does. The loop reads every call that is there, and looks again while
that brings more; then an inline model executes so many of them at once on the loop, and a dearer
one in threads that take what was queued while they were busy. Calls whose turn would come too late
are refused when they come, and those that have waited too long are not executed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fairlead.costs.profile import QUANTILES, Profile, Service, Way
from fairlead.costs.waking import Ways

_BRIEF_S, _BRIEF = 0.1, 4.0
"""While calls are refused others wait no longer than this: serving/batcher.py."""
_BEFORE = 0.5
"""The part of the loop's work for a call that comes before its execution."""
_REFUSAL = 0.5
"""What a refusal costs the loop, as a part of a call."""
_DRAWN = 4096

Times = NDArray[np.float64]


class Bounds(NamedTuple):
    """Who is let in and how long they may wait; as a server's settings say where they say nothing
    else. body_mib: of a request."""

    queue_calls: int = 1024
    queue_wait_s: float = 1.0
    timeout_s: float = 30.0
    body_mib: int = 64


USUAL = Bounds()


class Seconds:
    """Draws how long executions take: from what was measured, between the sizes that were.

    faster: by so many times than where it was measured.
    """

    def __init__(self, services: Sequence[Service], faster: float = 1.0) -> None:
        self._sizes = sorted({one.rows for one in services})
        self._threads = sorted({one.threads for one in services})
        self._measured = {
            (one.rows, one.threads): np.asarray(one.quantiles) / faster for one in services
        }
        self._tables: dict[tuple[int, int], list[float]] = {}

    def take(self, rows: int, busy: int, chance: float) -> float:
        """Seconds of an execution. busy: executions at once, it among them. chance: 0 to 1."""
        table = self._tables.get((rows, busy))
        if table is None:
            table = self._tables[rows, busy] = self._between(rows, busy)
        place = chance * 100
        low = int(place)
        return table[low] + (place - low) * (table[low + 1] - table[low])

    def mean(self, rows: int, busy: int = 1) -> float:
        """Seconds of an execution on average."""
        table = self._between(rows, busy)
        return (sum(table[1:100]) + (table[0] + table[100]) / 2) / 100

    def quantiles(self, rows: int, busy: int = 1) -> tuple[float, ...]:
        """Seconds of an execution at 0, 1, ..., 100 per cent."""
        return tuple(self._between(rows, busy)[:101])

    def _between(self, rows: int, busy: int) -> list[float]:
        low = max((size for size in self._sizes if size <= rows), default=self._sizes[0])
        high = min((size for size in self._sizes if size >= rows), default=0)
        if not high:  # beyond what was measured: each row more takes what the last ones took
            low, high = (self._sizes[-2:] * 2)[:2]
        below, above = self._of(low, busy), self._of(high, busy)
        if low == high:
            found = below * (rows / low if rows > low else 1.0)
        else:
            found = below + (above - below) * (rows - low) / (high - low)
        told: list[float] = np.maximum.accumulate(np.maximum(found, 0.0)).tolist()
        return [*told, told[-1]]

    def _of(self, rows: int, busy: int) -> Times:
        """What was measured with as many at once, or the nearest number of them."""
        known = [t for t in self._threads if (rows, t) in self._measured]
        return self._measured[rows, min(known, key=lambda t: (abs(t - busy), t))]


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker.

    call_s, turn_s: of the loop for each call, and for each execution of however many.
    ways:     what a caller waits beyond that and its execution.
    cores:    that this worker has for itself, its loop among all that uses them.
    inline:   executions are on the loop; else in so many slots.
    max_rows: joined into one execution. rows: of each call.
    """

    seconds: Seconds
    call_s: float
    ways: Ways
    inline: bool
    turn_s: float = 0.0
    cores: int = 1 << 20
    slots: int = 1
    max_rows: int = 1
    rows: int = 1
    queue_calls: int = USUAL.queue_calls
    queue_wait_s: float = USUAL.queue_wait_s
    timeout_s: float = USUAL.timeout_s

    def alone_s(self, part: float) -> float:
        """Seconds within which so many calls are that come to a server that is awake and idle."""
        own = self.seconds.take(self.rows, 1, part)
        return self.call_s + self.turn_s + own + float(self.ways.awake(part))

    @property
    def most_calls(self) -> int:
        """Calls in one execution; one that has more rows than are joined goes alone."""
        return max(1, self.max_rows // self.rows)

    @property
    def call_each_s(self) -> float:
        """Seconds that a call takes of the others' time when many wait."""
        most = self.most_calls
        execution = self.seconds.mean(most * self.rows, 1 if self.inline else self.slots)
        loop = self.call_s + self.turn_s / most
        if self.inline:
            return loop + execution / most
        shared = (loop + execution / most) / self.cores
        return max(loop, execution / most / self.slots, shared)


def worker_of(
    profile: Profile,
    *,
    faster: float = 1.0,
    cores: int = 1,
    max_batch: int = 0,
    rows: int = 1,
    bounds: Bounds = USUAL,
) -> Worker:
    """A worker as the profile says, on a machine so many times as fast.

    cores: that this worker has for itself: more executions at once would only share them.
    max_batch: rows joined at the most; 0 for what a server chooses. rows: of each call.
    """
    ways = profile.ways or [Way(0.0, (profile.path_s,) * QUANTILES)]
    return Worker(
        seconds=Seconds(profile.services, faster / profile.slowed),
        call_s=profile.call_s / faster,
        turn_s=profile.turn_s / faster,
        # A lone caller waits for the loop as well.
        ways=Ways(ways, faster, profile.call_s + profile.turn_s),
        cores=cores,
        inline=profile.inline,
        slots=max(1, min(profile.slots, cores)),
        max_rows=min(max_batch, profile.max_rows) if max_batch else profile.max_rows,
        rows=rows,
        queue_calls=bounds.queue_calls,
        queue_wait_s=bounds.queue_wait_s,
        timeout_s=bounds.timeout_s,
    )


@dataclass(slots=True)
class Outcome:
    """What became of the calls.

    took: seconds of each that was answered. refused: at once, or after waiting too long. late: by
    their callers' deadlines. busy_s: of executions; loop_s: of the loop, inline ones included.
    seconds: in which the calls came. executions: how many there were. held: what calls had waited
    before they came to a worker, by the time at which they did.
    """

    seconds: float
    took: list[float] = field(default_factory=list[float])
    refused: int = 0
    late: int = 0
    busy_s: float = 0.0
    loop_s: float = 0.0
    executions: int = 0
    held: Mapping[float, float] = field(default_factory=dict[float, float])

    @property
    def calls(self) -> int:
        """All that came."""
        return len(self.took) + self.refused + self.late

    @property
    def refused_share(self) -> float:
        """Of all calls, those that were not answered in time."""
        return (self.refused + self.late) / max(1, self.calls)

    @property
    def joined(self) -> float:
        """Calls in one execution, on average."""
        return len(self.took) / max(1, self.executions)

    def quantile(self, part: float) -> float:
        """Seconds within which so many of the answered calls were; infinite where none was."""
        if not self.took:
            return float("inf")
        place = min(len(self.took) - 1, ceil(part * len(self.took)) - 1)
        return float(np.partition(self.took, place)[place])

    def add(self, other: Outcome) -> None:
        """Another worker's, in the same time."""
        self.took += other.took
        self.refused += other.refused
        self.late += other.late
        self.busy_s += other.busy_s
        self.loop_s += other.loop_s
        self.executions += other.executions


def simulate(
    times: Times,
    seconds: float,
    worker: Worker,
    random: np.random.Generator,
    held: Mapping[float, float] | None = None,
) -> Outcome:
    """What becomes of calls that come at these times, ascending, in so many seconds.

    held: seconds that some had waited before, by their times.
    """
    outcome = Outcome(seconds, held=held or {})
    chances = _chances(random)
    run = _inline if worker.inline else _in_threads
    run(times.tolist(), worker, chances, outcome)
    ways = worker.ways.awake(random.random(len(outcome.took)))
    outcome.took = (np.asarray(outcome.took) + ways).tolist()
    return outcome


def _chances(random: np.random.Generator) -> Iterator[float]:
    while True:
        yield from random.random(_DRAWN).tolist()


class _Queue:
    """The calls that wait, and who is let in."""

    __slots__ = (
        "_brief_s",
        "_budget_s",
        "_each_s",
        "_most",
        "_outcome",
        "_patience_s",
        "_timeout_s",
        "_wait_s",
        "ahead",
        "waiting",
    )

    def __init__(self, worker: Worker, outcome: Outcome) -> None:
        most = worker.most_calls
        execution = worker.seconds.mean(most * worker.rows, 1 if worker.inline else worker.slots)
        if worker.inline:  # the server counts what it does with the answers, too
            execution += worker.turn_s + (1 - _BEFORE) * worker.call_s * most
        self._each_s = execution / most / (1 if worker.inline else worker.slots)
        self._wait_s = self._budget_s = worker.queue_wait_s
        self._brief_s = min(worker.queue_wait_s, max(_BRIEF_S, _BRIEF * execution))
        self._timeout_s = worker.timeout_s
        self._patience_s = min(worker.timeout_s, worker.queue_wait_s)
        self._most = worker.queue_calls
        self._outcome = outcome
        self.waiting: deque[float] = deque()
        self.ahead = 0

    def come(self, at: float) -> bool:
        """A call comes. False for one that is refused."""
        waiting = len(self.waiting)
        if waiting:
            late = (waiting + self.ahead) * self._each_s > self._budget_s
            if late or waiting >= self._most:
                self._outcome.refused += 1
                self._budget_s = self._brief_s
                return False
        self.waiting.append(at)
        return True

    def take(self, most: int, moment: float) -> list[float]:
        """Those to execute together, oldest first; who has waited too long is answered so."""
        taken: list[float] = []
        waiting, since = self.waiting, moment - self._patience_s
        while waiting and len(taken) < most:
            at = waiting.popleft()
            if at >= since:
                taken.append(at)
            elif moment - at > self._timeout_s:
                self._outcome.late += 1
            else:
                self._outcome.refused += 1
        if not waiting:
            self._budget_s = self._wait_s
        return taken

    def answer(self, calls: Sequence[float], moment: float) -> None:
        held, took_s = self._outcome.held, self._outcome.took
        for at in calls:
            took = moment - at + held.get(at, 0.0) if held else moment - at
            if took > self._timeout_s:
                self._outcome.late += 1
            else:
                took_s.append(took)


def _inline(
    times: Sequence[float], worker: Worker, chances: Iterator[float], outcome: Outcome
) -> None:
    queue, most, rows = _Queue(worker, outcome), worker.most_calls, worker.rows
    before, after = _BEFORE * worker.call_s, (1 - _BEFORE) * worker.call_s
    refusal = _REFUSAL * worker.call_s
    take, waking = worker.seconds.take, worker.ways.waking
    place, count, moment = 0, len(times), 0.0
    while place < count or queue.waiting:
        if not queue.waiting and times[place] > moment:
            slept = times[place] - moment
            moment = times[place] + waking(slept, next(chances))
        began = moment
        while place < count and times[place] <= moment:
            moment += before if queue.come(times[place]) else refusal
            place += 1
        calls = queue.take(most, moment)
        if calls:
            spent = take(len(calls) * rows, 1, next(chances))
            outcome.busy_s += spent
            outcome.executions += 1
            moment += spent + worker.turn_s + after * len(calls)
            queue.answer(calls, moment)
        outcome.loop_s += moment - began


def _in_threads(
    times: Sequence[float], worker: Worker, chances: Iterator[float], outcome: Outcome
) -> None:
    queue, most, rows = _Queue(worker, outcome), worker.most_calls, worker.rows
    before, after = _BEFORE * worker.call_s, (1 - _BEFORE) * worker.call_s
    refusal = _REFUSAL * worker.call_s
    take, waking = worker.seconds.take, worker.ways.waking
    running: list[tuple[float, list[float]]] = []
    place, count, loop, idle = 0, len(times), 0.0, worker.slots
    turn, taken_s = worker.turn_s, 0.0
    while place < count or running:
        coming = times[place] if place < count else float("inf")
        ending = running[0][0] if running else float("inf")
        moment = min(coming, ending)
        if moment > loop:
            slept = moment - loop
            loop = moment if running else moment + waking(slept, next(chances))
        began = loop
        while place < count and times[place] <= loop:
            loop += before if queue.come(times[place]) else refusal
            place += 1
        while running and running[0][0] <= loop:
            ended, calls = heappop(running)
            if taken_s:
                heappush(running, (ended + taken_s, calls))
                taken_s = 0.0
                continue
            idle += 1
            queue.ahead -= len(calls)
            loop += turn + after * len(calls)
            queue.answer(calls, loop)
        outcome.loop_s += loop - began
        if len(running) >= worker.cores:  # the loop ran where an execution would have
            taken_s += loop - began
        while queue.waiting and idle:
            calls = queue.take(min(most, -(-len(queue.waiting) // idle)), loop)
            if not calls:
                continue
            idle -= 1
            queue.ahead += len(calls)
            spent = take(len(calls) * rows, worker.slots - idle, next(chances))
            outcome.busy_s += spent
            outcome.executions += 1
            heappush(running, (loop + spent, calls))
