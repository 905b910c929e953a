"""What a model gives while so many callers ask it at once, in process: no sockets, no decoding.

Callers are numbers in a queue. As in a server (serving/batcher.py), whoever is free takes of those
who wait as many as may be joined, and leaves others their share; who is answered asks again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Condition, Lock, Thread
from typing import Any

import numpy as np

from fairlead.core.clock import now
from fairlead.costs.profile import QUANTILES
from fairlead.costs.searching import Place

_LEAST, _LEAST_SLOW = 7, 3
_SLOW_S = 1.0
_PARTS = 8
_LOOKED_AT = 0.25
"""The share of a trial after which it may turn out to be hopeless."""


@dataclass(frozen=True, slots=True)
class Executed:
    """A trial.

    rows_per_s, p50_s, p99_s: as callers of one row each see it, while other programs let it: of
    eight parts of the trial the first is what the better quarter gives, the last the median.
    rows: joined by most executions; quantiles: seconds of all of those. cpu_s: processor time of
    one execution, of whatever size. whole: it was not ended early.
    """

    rows_per_s: float
    p50_s: float
    p99_s: float
    rows: int
    quantiles: tuple[float, ...]
    cpu_s: float
    whole: bool


def execute(
    ask: Callable[[int], Any],
    place: Place,
    seconds: float,
    *,
    bar: float = 0.0,
    spent: Callable[[], float] = lambda: 0.0,
    begin: Callable[[], Any] | None = None,
) -> Executed:
    """Tries a place for some seconds, longer where executions are.

    ask: answers so many rows. bar: rows per second below which the trial is ended early.
    spent: processor time until now. begin: called in each thread. Raises what `ask` raises.
    """
    batch, threads, callers = place
    rows = min(batch, -(-callers // threads))
    ask(rows)  # the first of a size is slower
    queue = _Queue(callers, threads, batch)
    run = _Run(ask, queue, seconds, bar, threads, now())
    before = spent()
    if threads == 1:
        run.work()
    else:
        others = [Thread(target=run.thread, args=(begin,)) for _ in range(threads)]
        for other in others:
            other.start()
        for other in others:
            other.join()
        if run.error is not None:
            raise run.error
    cpu = spent() - before
    sizes = [size for size, _ in run.executions]
    usual = int(np.bincount(sizes).argmax())
    times = [time for size, time in run.executions if size == usual]
    per_s, p99 = _undisturbed(run)
    return Executed(
        rows_per_s=per_s,
        p50_s=float(np.median(run.waits)),
        p99_s=p99,
        rows=usual,
        quantiles=quantiles_of(times),
        cpu_s=cpu / len(sizes),
        whole=not run.hopeless,
    )


def _undisturbed(run: _Run) -> tuple[float, float]:
    """Rows per second and the 99th percentile of a call's seconds, less what others spoilt.

    What else runs on a machine only ever takes time away, and not all the time.
    """
    took = max(run.last - run.began, 1e-9)
    if len(run.executions) < _PARTS * _LEAST_SLOW:
        return len(run.waits) / took, float(np.quantile(run.waits, 0.99))
    ended = np.repeat(run.ends, [rows for rows, _ in run.executions])
    place = np.minimum(((ended - run.began) / took * _PARTS).astype(int), _PARTS - 1)
    waits = np.asarray(run.waits)
    parts = [waits[place == part] for part in range(_PARTS)]
    rates = [len(part) * _PARTS / took for part in parts]
    slow = [float(np.quantile(part, 0.99)) for part in parts if len(part)]
    return float(np.quantile(rates, 0.75)), float(np.median(slow))


def quantiles_of(times: Sequence[float]) -> tuple[float, ...]:
    """The values at 0, 1, ..., 100 per cent.

    Of many, the slowest one alone says little, and would weigh as much as a hundredth of all; the
    last value is then the one with which the quantiles have the mean that the times have.
    """
    spread = np.quantile(times, np.linspace(0, 1, QUANTILES))
    slowest = np.sort(times)[-max(1, len(times) // (QUANTILES - 1)) :]
    if len(times) >= 2 * QUANTILES:
        spread[-1] = min(spread[-1], 2 * slowest.mean() - spread[-2])
    return tuple(np.maximum.accumulate(spread).tolist())


class _Queue:
    """Callers who wait, each by the moment since when."""

    def __init__(self, callers: int, threads: int, batch: int) -> None:
        self._waiting = deque([now()] * callers)
        self._idle = threads
        self._batch = batch
        self._changed = Condition()

    def take(self) -> list[float]:
        """Those who are answered next."""
        with self._changed:
            while not self._waiting:
                self._changed.wait()
            count = min(self._batch, -(-len(self._waiting) // self._idle))
            self._idle -= 1
            return [self._waiting.popleft() for _ in range(count)]

    def give_back(self, count: int, moment: float) -> None:
        """So many were answered, and ask again."""
        with self._changed:
            self._idle += 1
            self._waiting.extend([moment] * count)
            self._changed.notify_all()


@dataclass
class _Run:
    """A trial under way.

    waits: seconds of each call; executions: rows and seconds of each; ends: when each ended.
    """

    ask: Callable[[int], Any]
    queue: _Queue
    seconds: float
    bar: float
    threads: int
    began: float
    waits: list[float] = field(default_factory=list[float])
    executions: list[tuple[int, float]] = field(default_factory=list[tuple[int, float]])
    ends: list[float] = field(default_factory=list[float])
    lock: Lock = field(default_factory=Lock)
    last: float = 0.0
    hopeless: bool = False
    error: Exception | None = None

    def work(self) -> None:
        """Answers until it is over."""
        ask, queue = self.ask, self.queue
        while not self._over():
            taken = queue.take()
            start = now()
            try:
                ask(len(taken))
            finally:
                moment = self.last = now()
                queue.give_back(len(taken), moment)
            with self.lock:
                self.ends.append(moment)
                self.executions.append((len(taken), moment - start))
                self.waits += [moment - since for since in taken]

    def thread(self, begin: Callable[[], Any] | None) -> None:
        """The same in a thread of its own."""
        try:
            if begin is not None:
                begin()
            self.work()
        except Exception as error:
            self.error = error

    def _over(self) -> bool:
        if self.error is not None or self.hopeless:
            return True
        spent = max(self.last - self.began, 1e-9)
        count = len(self.executions)
        least = _LEAST if spent < _SLOW_S else _LEAST_SLOW
        if spent >= self.seconds and count >= least:
            return True
        if self.bar and spent > self.seconds * _LOOKED_AT and count >= _LEAST_SLOW:
            self.hopeless = self._usual() < self.bar
        return self.hopeless

    def _usual(self) -> float:
        """Rows per second if all executions were as quick as the usual one."""
        with self.lock:
            seconds = sorted(seconds for _, seconds in self.executions)
            rows = len(self.waits) / len(seconds)
        return self.threads * rows / max(seconds[len(seconds) // 2], 1e-9)
