"""How many machines a goal needs, what is left above that, and what happens at twice the traffic
and when one machine dies: by simulation of the busiest hour, the same for the same seed.

Callers come to workers by chance, so one worker is simulated with its part of the calls; that is
true of many callers, and too kind where a few of them hold most of the traffic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from fairlead.core.errors import GoalImpossible
from fairlead.costs.arrivals import Times, drawn, peak
from fairlead.costs.fleet import Autoscale, Run, simulate_fleet
from fairlead.costs.profile import Profile
from fairlead.costs.simulation import USUAL, Bounds, Outcome, Worker, simulate, worker_of
from fairlead.costs.traffic import Traffic

CALLS = 20_000
"""Calls that one trial draws, where the traffic has as many."""
MOST_REPLICAS = 1 << 17
MOST_OF_A_DAY = 300_000
MOST_HEADROOM = 32.0


@dataclass(frozen=True, slots=True)
class Goal:
    """What must be reached in the busiest hour.

    p99_s: seconds within which 99 % of the answered calls are. refused: the part of all calls that
    may be refused or late. spare: one machine may die and the goal still be reached.
    """

    p99_s: float
    refused: float = 0.001
    spare: bool = False


@dataclass(frozen=True, slots=True)
class Machines:
    """What the replicas run on.

    workers, cores: of each. faster: than where the profile was taken. boot_s: from ordering one
    until its server starts.
    """

    workers: int
    cores: int
    faster: float = 1.0
    boot_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What callers see. joined: calls in one execution. load: the busy part of a worker."""

    p50_s: float
    p95_s: float
    p99_s: float
    refused: float
    joined: float
    load: float

    def to_json(self) -> dict[str, float | None]:
        """For a report."""
        each = {"p50_s": self.p50_s, "p95_s": self.p95_s, "p99_s": self.p99_s}
        told: dict[str, float | None] = {
            name: round(value, 6) if value < float("inf") else None for name, value in each.items()
        }
        told["refused_share"] = round(self.refused, 6)
        return told | {"calls_joined": round(self.joined, 2), "load": round(self.load, 3)}


@dataclass(frozen=True, slots=True)
class Capacity:
    """The answer.

    replicas: machines that the goal needs. seen: in the busiest hour, by as many. safe_per_s: calls
    per second by which the goal is reached still. double: at twice the traffic. without_one: with a
    machine less; None where there is only one. max_batch: rows joined at the most. profile: which
    it follows from.
    """

    goal: Goal
    traffic: Traffic
    machines: Machines
    replicas: int
    max_batch: int
    seen: Seen
    safe_per_s: float
    double: Seen
    without_one: Seen | None
    profile: Profile

    @property
    def headroom(self) -> float:
        """So many times the busiest hour's calls may come."""
        return self.safe_per_s / self.traffic.peak_per_s

    def to_json(self) -> dict[str, Any]:
        """For a report."""
        traffic = self.traffic
        return {
            "replicas": self.replicas,
            "workers": self.machines.workers,
            "max_batch": self.max_batch,
            "goal": {
                "p99_s": self.goal.p99_s,
                "refused_share": self.goal.refused,
                "spare": self.goal.spare,
            },
            "traffic": {
                "said": traffic.said,
                "per_month": round(traffic.per_month),
                "mean_per_s": round(traffic.mean_per_s, 6),
                "peak_per_s": round(traffic.peak_per_s, 6),
                "dispersion": round(traffic.dispersion, 2),
                "assumed": list(traffic.assumed),
            },
            "busiest_hour": self.seen.to_json(),
            "safe_per_s": round(self.safe_per_s, 3),
            "headroom": round(self.headroom, 2),
            "slower_than_usual": round(self.profile.unsteady, 2),
            "at_double": self.double.to_json(),
            "without_one": None if self.without_one is None else self.without_one.to_json(),
        }


class Planner:
    """Plans for one profile on one kind of machine, with its trials remembered."""

    def __init__(
        self,
        profile: Profile,
        traffic: Traffic,
        machines: Machines,
        *,
        seed: int = 1,
        calls: int = CALLS,
        bounds: Bounds = USUAL,
    ) -> None:
        """calls: of one trial. The rest as the server's settings say."""
        self.profile = profile
        self.traffic = traffic
        self.machines = machines
        self._seed = seed
        self._calls = calls
        self._bounds = bounds
        self._tried: dict[tuple[int, int, float], Seen] = {}

    def worker(self, max_batch: int = 0) -> Worker:
        """One of its workers, in the slowest seconds that the profile saw.

        max_batch: rows joined; 0 for what a server chooses.
        """
        machines = self.machines
        return worker_of(
            self.profile,
            faster=machines.faster / self.profile.unsteady,
            cores=max(1, machines.cores // machines.workers),
            max_batch=max_batch,
            rows=self.traffic.rows,
            bounds=self._bounds,
        )

    def seen(self, replicas: int, max_batch: int = 0, factor: float = 1.0) -> Seen:
        """The busiest hour by so many replicas, at so many times the traffic."""
        key = (replicas, max_batch, factor)
        found = self._tried.get(key)
        if found is None:
            traffic = self.traffic if factor == 1.0 else self.traffic.times(factor)
            random = np.random.default_rng(self._seed)
            part = 1 / (replicas * self.machines.workers)
            times, seconds = peak(traffic, part, random, calls=self._calls)
            worker = self.worker(max_batch)
            found = self._tried[key] = seen_of(simulate(times, seconds, worker, random), worker)
        return found

    def check(self, goal: Goal) -> None:
        """Raises GoalImpossible for a goal that a call which is alone misses already."""
        worker = self.worker()
        alone = worker.alone_s(0.99)
        if not 0 < goal.p99_s < float("inf") or alone >= goal.p99_s:
            raise GoalImpossible(
                f"99 % of calls within {goal.p99_s * 1000:g} ms: a call that is alone takes "
                f"{alone * 1000:.3g} ms (99 % of them) on this machine"
                + (" at its slowest" if self.profile.unsteady > 1 else ""),
                fix="Allow more time, make the model lighter, or take a faster machine",
            )
        if not 0 <= goal.refused < 1:
            raise GoalImpossible("the refused part of all calls is from 0 to below 1")

    def plan(self, goal: Goal) -> Capacity:
        """The fewest replicas by which the goal is reached, and all that is asked about them.

        Raises GoalImpossible.
        """
        self.check(goal)
        found: list[tuple[int, int]] = []
        for max_batch in self._batches():
            fewest = self.fewest(goal, max_batch)
            if fewest:
                found.append((fewest, max_batch))
        if not found:
            raise GoalImpossible(
                f"more than {MOST_REPLICAS:,} machines would be needed",
                fix="Make the model lighter, or allow more time",
            )
        needed, max_batch = min(found)
        replicas = needed + 1 if goal.spare else needed
        safe = self._safe(goal, replicas, max_batch)
        return Capacity(
            goal=goal,
            traffic=self.traffic,
            machines=self.machines,
            replicas=replicas,
            max_batch=max_batch or self.profile.max_rows,
            seen=self.seen(replicas, max_batch),
            safe_per_s=safe * self.traffic.peak_per_s,
            double=self.seen(replicas, max_batch, 2.0),
            without_one=self.seen(replicas - 1, max_batch) if replicas > 1 else None,
            profile=self.profile,
        )

    def _batches(self) -> list[int]:
        """The sizes of batches worth a trial: what a server chooses, and what was found best."""
        best = {self.profile.latency.max_batch, self.profile.throughput.max_batch}
        return [0, *sorted(b for b in best if 0 < b < self.profile.max_rows)]

    def fewest(self, goal: Goal, max_batch: int = 0) -> int:
        """The fewest replicas for a goal; 0 where no number is enough."""

        def meets(replicas: int) -> bool:
            return _reached(self.seen(replicas, max_batch), goal)

        worker = self.worker(max_batch)
        load = self.traffic.peak_per_s * worker.call_each_s / self.machines.workers
        high = max(1, ceil(load))
        while not meets(high):
            high *= 2
            if high > MOST_REPLICAS:
                return 0
        return _first(meets, max(1, ceil(0.9 * load)), high)

    def _safe(self, goal: Goal, replicas: int, max_batch: int) -> float:
        """So many times the traffic by which the goal is reached still, within 5 %."""

        def meets(factor: float) -> bool:
            return _reached(self.seen(replicas, max_batch, factor), goal)

        low, high = 1.0, 2.0
        while meets(high):
            low, high = high, 2 * high
            if low >= MOST_HEADROOM:
                return low
        while high / low > 1.05:
            middle = (low * high) ** 0.5
            low, high = (middle, high) if meets(middle) else (low, middle)
        return low

    def safe_each(self, goal: Goal) -> float:
        """Calls per second that one machine answers within the goal, as bursty as all of them."""
        known = self.seen(1)
        if not _reached(known, goal):
            fewest = self.fewest(goal, 0)
            return self.traffic.peak_per_s / fewest if fewest else 0.0
        return self._safe(goal, 1, 0) * self.traffic.peak_per_s

    def elastic(self, goal: Goal, least: int) -> Run | None:
        """The busiest day with machines that come and go, so many at the least.

        None for a day of more calls than are drawn here: there, machines start long before the
        first of them is short.
        """
        day = self.traffic.busiest_day
        if sum(day) * 3600 > MOST_OF_A_DAY:
            return None
        start = self.machines.boot_s + self.profile.load_s / self.machines.faster
        each = self.safe_each(goal)
        if not each:
            return None
        scale = Autoscale(least, MOST_REPLICAS, each, start)
        random = np.random.default_rng(self._seed)
        times = _by_the_hour(day, self.traffic.dispersion, random)
        workers = self.machines.workers
        return simulate_fleet(times, len(day) * 3600.0, self.worker(), scale, random, workers)


def seen_of(outcome: Outcome, worker: Worker) -> Seen:
    """What callers see of it."""
    slots = 1 if worker.inline else worker.slots
    threads = 0.0 if worker.inline else outcome.busy_s / outcome.seconds / slots
    p50, p95, p99 = (outcome.quantile(part) for part in (0.5, 0.95, 0.99))
    load = max(outcome.loop_s / outcome.seconds, threads)
    return Seen(p50, p95, p99, outcome.refused_share, outcome.joined, load)


def _reached(seen: Seen, goal: Goal) -> bool:
    return seen.p99_s <= goal.p99_s and seen.refused <= goal.refused


def _first(meets: Callable[[int], bool], low: int, high: int) -> int:
    """The lowest number that meets, where `high` does, within 1 %: simulations are no closer."""
    while low < high and high - low > high // 100:
        middle = (low + high) // 2
        low, high = (low, middle) if meets(middle) else (middle + 1, high)
    return high


def _by_the_hour(rates: tuple[float, ...], dispersion: float, random: np.random.Generator) -> Times:
    return np.concatenate(
        [drawn(r, 3600.0, dispersion, random) + 3600.0 * n for n, r in enumerate(rates)]
    )
