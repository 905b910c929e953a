"""The simulated worker beside what queueing theory knows exactly, and beside Ciw.

Usage: python -m benchmarks.costs.queues [--calls 400000] [--seed 1]

Ciw (https://ciw.readthedocs.io) is another simulator of queues, written by others. Where it is not
installed (`make test-oracles` installs it) the closed forms judge alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from math import log1p
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.costs import queues

from benchmarks.report import table
from fairlead.costs.arrivals import drawn
from fairlead.costs.simulation import Seconds, Worker, simulate
from fairlead.costs.waking import steady

BOUND = 0.05
"""By how much the simulation may differ from what is exact, and from Ciw."""
MEAN_S = 0.01
"""Of one service, in every case."""
CALLS = 400_000
_FOREVER = 1e9


class Known(Seconds):
    """Services of a known distribution, whatever their size. kind: exponential, fixed or even."""

    def __init__(self, kind: str = "exponential") -> None:
        self.kind = kind

    def take(self, rows: int, busy: int, chance: float) -> float:
        if self.kind == "exponential":
            return -MEAN_S * log1p(-chance)
        return MEAN_S if self.kind == "fixed" else 2 * MEAN_S * chance

    def mean(self, rows: int, busy: int = 1) -> float:
        return MEAN_S

    @property
    def square_s(self) -> float:
        """The mean of their squares."""
        return {"exponential": 2.0, "fixed": 1.0, "even": 4 / 3}[self.kind] * MEAN_S**2


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of the calls of one simulation. took: seconds of each that was answered."""

    took: NDArray[np.float64]
    refused: float
    late: float


@dataclass(frozen=True, slots=True)
class Case:
    """A queue. load: of its servers. of: the figure, as (words, how it is read).

    exact: what theory says; None where it says nothing. room: calls that may wait. joined: in one
    service. deadline_s: of every caller. dispersion: of the calls in 10 s.
    """

    name: str
    servers: int
    load: float
    of: tuple[str, Callable[[Seen], float]]
    exact: float | None
    kind: str = "exponential"
    room: int = 10**9
    joined: int = 1
    deadline_s: float = _FOREVER
    dispersion: float = 1.0

    @property
    def per_s(self) -> float:
        """Calls in a second."""
        return self.joined * self.servers * self.load / MEAN_S

    def times(self, calls: int, seed: int) -> tuple[NDArray[np.float64], float]:
        """When they come, and in how many seconds."""
        seconds = calls / self.per_s
        random = np.random.default_rng(seed)
        return drawn(self.per_s, seconds, self.dispersion, random), seconds

    def ours(self, calls: int, seed: int) -> float:
        """The figure by our simulation."""
        times, seconds = self.times(calls, seed)
        worker = Worker(
            Known(self.kind),
            call_s=0.0,
            ways=steady(0.0),
            inline=False,
            slots=self.servers,
            max_rows=self.joined,
            queue_calls=self.room,
            queue_wait_s=_FOREVER,
            timeout_s=self.deadline_s,
        )
        found = simulate(times, seconds, worker, np.random.default_rng(seed + 1000))
        total = found.calls
        seen = Seen(np.asarray(found.took), found.refused / total, found.late / total)
        return self.of[1](seen)

    @property
    def known_to_ciw(self) -> bool:
        """Whether Ciw can say it: it serves customers one by one."""
        return self.joined == 1

    def ciw(self, calls: int, seed: int) -> float:
        """The same by Ciw, of the same calls, with services of its own."""
        import ciw

        times, seconds = self.times(calls, seed)
        made: dict[str, Any] = {}
        if self.deadline_s < _FOREVER:
            made["reneging_time_distributions"] = [ciw.dists.Deterministic(self.deadline_s)]
        if self.room < 10**9:
            made["queue_capacities"] = [self.room]
        service = {
            "exponential": lambda: ciw.dists.Exponential(1 / MEAN_S),
            "fixed": lambda: ciw.dists.Deterministic(MEAN_S),
            "even": lambda: ciw.dists.Uniform(0.0, 2 * MEAN_S),
        }[self.kind]()
        gaps = [float(gap) for gap in np.diff(times, prepend=0.0)]
        network = ciw.create_network(
            arrival_distributions=[ciw.dists.Sequential([*gaps, float("inf")])],
            service_distributions=[service],
            number_of_servers=[self.servers],
            **made,
        )
        ciw.seed(seed)
        run = ciw.Simulation(network)
        run.simulate_until_max_time(seconds + _FOREVER / 1e6)
        return self.of[1](self._of_records(run.get_all_records()))

    def _of_records(self, records: Sequence[Any]) -> Seen:
        total = len(records)
        served = [one for one in records if one.record_type == "service"]
        took = np.array([one.waiting_time + one.service_time for one in served])
        left = sum(one.record_type == "renege" for one in records)
        refused = sum(one.record_type == "rejection" for one in records)
        late = took > self.deadline_s
        return Seen(took[~late], refused / total, (left + int(late.sum())) / total)


WAIT = ("mean wait, ms", lambda seen: 1e3 * (float(seen.took.mean()) - MEAN_S))
P99 = ("p99 of wait and service, ms", lambda seen: 1e3 * float(np.quantile(seen.took, 0.99)))
REFUSED = ("refused, %", lambda seen: 100 * seen.refused)
LATE = ("late, %", lambda seen: 100 * seen.late)


def _p99(servers: int, load: float) -> float:
    return 1e3 * queues.sojourn_quantile(servers, load, MEAN_S, 0.99)


def _wait(servers: int, load: float) -> float:
    return 1e3 * queues.mean_wait(servers, load, MEAN_S)


# 99th percentiles are of loads that some hundred thousand calls tell well: of a busier M/M/1 they
# differ by some per cent from one seed to the next, by Ciw as by ours.
CASES = (
    Case("M/M/1", 1, 0.5, WAIT, _wait(1, 0.5)),
    Case("M/M/1", 1, 0.6, P99, _p99(1, 0.6)),
    Case("M/M/2", 2, 0.7, WAIT, _wait(2, 0.7)),
    Case("M/M/4", 4, 0.8, WAIT, _wait(4, 0.8)),
    Case("M/M/4", 4, 0.8, P99, _p99(4, 0.8)),
    Case("M/M/8", 8, 0.8, P99, _p99(8, 0.8)),
    Case("M/D/1", 1, 0.8, WAIT, 1e3 * queues.mean_wait_fixed(1, 0.8, MEAN_S), kind="fixed"),
    Case("M/D/4", 4, 0.8, WAIT, 1e3 * queues.mean_wait_fixed(4, 0.8, MEAN_S), kind="fixed"),
    Case(
        "M/G/1, services from 0 to twice their mean",
        1,
        0.7,
        WAIT,
        1e3 * queues.mean_wait_general(0.7, MEAN_S, Known("even").square_s),
        kind="even",
    ),
    Case("M/M/1/6", 1, 0.9, REFUSED, 100 * queues.blocked(1, 6, 0.9), room=5),
    Case("M/M/2/8", 2, 0.9, REFUSED, 100 * queues.blocked(2, 8, 0.9), room=6),
    Case(
        "M/M/1, callers wait 40 ms",
        1,
        0.8,
        LATE,
        100 * queues.too_late(0.8, MEAN_S, 0.04),
        deadline_s=0.04,
    ),
    Case(
        "M/M/1, up to 4 joined",
        1,
        0.8,
        WAIT,
        1e3 * queues.mean_wait_joined(4, 0.8, MEAN_S),
        joined=4,
    ),
    Case("bursts/M/2, dispersion 20", 2, 0.4, P99, None, dispersion=20.0),
)


@dataclass(frozen=True, slots=True)
class Judged:
    """A case, and the figure by each. ciw: None where it was not asked or cannot say."""

    case: Case
    ours: float
    ciw: float | None

    @property
    def worst(self) -> float:
        """The larger difference, as a part of what is exact or of what Ciw says."""
        judges = [judge for judge in (self.case.exact, self.ciw) if judge is not None]
        return max((abs(self.ours / judge - 1) for judge in judges), default=float("inf"))


def judge(case: Case, calls: int, seed: int, *, ciw: bool) -> Judged:
    """Simulates a case by ours and, where wanted and possible, by Ciw."""
    asked = ciw and case.known_to_ciw
    return Judged(case, case.ours(calls, seed), case.ciw(calls, seed) if asked else None)


def lines(found: Sequence[Judged], calls: int) -> list[str]:
    """The table."""
    rows: list[list[str]] = []
    for one in found:
        case = one.case
        judges = ["-" if judge is None else f"{judge:.3f}" for judge in (case.exact, one.ciw)]
        each = [
            "-" if judge is None else f"{one.ours / judge - 1:+.1%}"
            for judge in (case.exact, one.ciw)
        ]
        about = (case.name, f"{case.load:.0%}", case.of[0], f"{calls:,}")
        rows.append([*about, *judges, f"{one.ours:.3f}", *each])
    header = ("queue", "load", "figure", "N", "exact", "Ciw", "ours", "of exact", "of Ciw")
    return table(header, rows)


def main() -> int:
    """0 when every case is within the bound, 1 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS, help="simulated for each case")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    ciw = find_spec("ciw") is not None
    if not ciw:
        print("Ciw is not installed: only the closed forms judge")
    found = [judge(case, options.calls, options.seed, ciw=ciw) for case in CASES]
    print(*lines(found, options.calls), sep="\n")
    judged = [one for one in found if one.worst < float("inf")]
    worst = max(one.worst for one in judged)
    print(f"\n{len(judged)} cases, seed {options.seed}: the worst differs by {worst:.1%}", end=" ")
    print(f"(bound {BOUND:.0%})")
    return 0 if worst <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
