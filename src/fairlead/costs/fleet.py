"""Machines that come and go with the calls: how many, when, what callers wait meanwhile, and for
how many hours somebody pays.

A machine is ordered when the calls of the last minute need one more, and answers once it has booted
and loaded the model. Calls that come while none answers are held until one does.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

import numpy as np
from numpy.typing import NDArray

from fairlead.costs.simulation import Outcome, Times, Worker, simulate

_STEP_S = 5.0
_APART_S = 1e-9
"""Calls that were held come one after the other."""


@dataclass(frozen=True, slots=True)
class Autoscale:
    """When machines come and go.

    least: 0 where none is kept while nobody calls. target: calls per second for one of them.
    window_s: in which calls are counted. start_s: from ordering one to its first answer. keep_s:
    how long fewer must have been enough before one goes.
    """

    least: int
    most: int
    target: float
    start_s: float
    window_s: float = 60.0
    keep_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Machine:
    """One, from when it is paid for. ready: it answers. ends: it goes."""

    ordered: float
    ready: float
    ends: float


@dataclass(frozen=True, slots=True)
class Run:
    """What became of the calls, and of the machines.

    paid_s: machine seconds. most: machines at once. cold: calls that were held until one answered.
    """

    outcome: Outcome
    paid_s: float
    most: int
    cold: int

    @property
    def cold_share(self) -> float:
        """Of all calls, those that waited for a machine."""
        return self.cold / max(1, self.outcome.calls)

    def to_json(self) -> dict[str, float | None]:
        """For a report."""
        outcome = self.outcome
        p99 = outcome.quantile(0.99)
        return {
            "calls": outcome.calls,
            "machine_hours": round(self.paid_s / 3600, 3),
            "most_machines": self.most,
            "cold_share": round(self.cold_share, 6),
            "refused_share": round(outcome.refused_share, 6),
            "p50_s": round(outcome.quantile(0.5), 6) if outcome.took else None,
            "p99_s": round(p99, 6) if outcome.took else None,
        }


def machines(times: Times, seconds: float, scale: Autoscale) -> list[Machine]:
    """Which machines there are, as calls come at these times."""
    steps = max(1, ceil(seconds / _STEP_S))
    counts = np.bincount(
        np.minimum((times / _STEP_S).astype(np.int64), steps - 1), minlength=steps
    ).tolist()
    window, kept = max(1, round(scale.window_s / _STEP_S)), max(1, round(scale.keep_s / _STEP_S))
    recent: deque[int] = deque(maxlen=window)
    wanted: deque[int] = deque(maxlen=kept)
    living = [(0.0, 0.0)] * scale.least
    gone: list[Machine] = []
    for step, count in enumerate(counts):
        moment = step * _STEP_S
        if count and not living:
            first = float(times[np.searchsorted(times, moment)])
            living.append((first, first + scale.start_s))
        recent.append(count)
        rate = sum(recent) / (window * _STEP_S)
        need = ceil(rate / scale.target) if sum(recent) else 0
        wanted.append(min(scale.most, max(scale.least, need)))
        after = moment + _STEP_S
        while len(living) < wanted[-1]:
            living.append((after, after + scale.start_s))
        while len(wanted) == kept and len(living) > max(wanted):
            ordered, ready = living.pop()
            gone.append(Machine(ordered, ready, max(after, ready)))
    gone += [Machine(ordered, ready, max(seconds, ready)) for ordered, ready in living]
    return sorted(gone, key=lambda one: one.ready)


def simulate_fleet(
    times: Times,
    seconds: float,
    worker: Worker,
    scale: Autoscale,
    random: np.random.Generator,
    workers: int = 1,
) -> Run:
    """What becomes of calls that come at these times. workers: of each machine."""
    fleet = machines(times, seconds, scale)
    times, held = _held(times, fleet)
    ready, ends = (np.array([getattr(m, name) for m in fleet]) for name in ("ready", "ends"))
    outcome = Outcome(seconds, held=held)
    chosen = _chosen(times, ready, ends, random)
    for number in range(len(fleet)):
        mine = times[chosen == number]
        places = random.integers(0, workers, len(mine)) if workers > 1 else np.zeros(len(mine))
        for place in range(workers):
            outcome.add(simulate(mine[places == place], seconds, worker, random, held))
    paid = sum(one.ends - one.ordered for one in fleet)
    most = max((int(((ready <= at) & (ends > at)).sum()) for at in ready), default=0)
    return Run(outcome, paid, most, len(held))


def _held(times: Times, fleet: list[Machine]) -> tuple[Times, dict[float, float]]:
    """When calls come to a machine, and how long some were held before."""
    held: dict[float, float] = {}
    moved = times.copy()
    gaps = _gaps(fleet)
    for begin, end in gaps:
        first, last = np.searchsorted(times, [begin, end])
        for number, place in enumerate(range(first, last)):
            at = end + number * _APART_S
            held[at] = end - float(times[place])
            moved[place] = at
    return np.sort(moved), held


def _gaps(fleet: list[Machine]) -> list[tuple[float, float]]:
    """The times in which no machine answers, each until one does."""
    found: list[tuple[float, float]] = []
    until = 0.0
    for one in fleet:
        if one.ready > until:
            found.append((until, one.ready))
        until = max(until, one.ends)
    return found


def _chosen(
    times: Times, ready: Times, ends: Times, random: np.random.Generator
) -> NDArray[np.int64]:
    """The machine that each call goes to: any of those that answer then."""
    draws = random.random(len(times))
    found = np.zeros(len(times), np.int64)
    edges = np.unique(np.concatenate([ready, ends, times[:1], [np.inf]]))
    for begin, end in pairwise(edges):
        there = np.flatnonzero((ready <= begin) & (ends > begin))
        first, last = np.searchsorted(times, [begin, end])
        if len(there) and last > first:
            found[first:last] = there[(draws[first:last] * len(there)).astype(np.int64)]
        elif last > first:  # after the last has gone, the one that went last
            found[first:last] = int(np.argmax(ends))
    return found
