"""`python -m benchmarks.reliability.rollouts`: how often verdicts are wrong, and how soon right.

Calls are made up; what assigns them, counts them and judges them is the real thing: several
workers, whose evidence is merged every second, and a judge that looks every second.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, median
from typing import Any

import numpy as np

from benchmarks.reliability.traffic import World, alike, kept, worse
from fairlead.core.package import RolloutChoice
from fairlead.guards.bounds import upper_bound
from fairlead.rollout.assign import Drawn, Kept
from fairlead.rollout.evidence import Evidence
from fairlead.rollout.verdict import GOING_ON, ROLL_BACK, Judge

REQUESTS = 5000
SHARES = (0.5, 0.1)
WORKERS = 4
_CANDIDATES = 50
"""Calls of the candidate in a second: a look every second is one after so many."""
_LONGEST_S = 10 * REQUESTS // _CANDIDATES
_WRONG, _CAUGHT = 0.05, 0.95


@dataclass(frozen=True, slots=True)
class Run:
    """How one rollout ended. requests: of both versions; candidate: of it alone, until then.

    peeked: a test made for one look at a fixed count, looked at every second, had called the
    candidate worse at some time.
    """

    outcome: str
    requests: int
    candidate: int
    peeked: bool


def rollout(world: World, share: float, seed: int) -> Run:
    """One rollout until its verdict, with a look every second."""
    callers = Callers(world.callers, share, seed) if world.callers else None
    assignment = "caller" if callers else "random"
    rule = RolloutChoice("canary", share, assignment, requests=REQUESTS, minutes=0)
    bins = world.stable.bins()
    judge = Judge(rule, bins)
    workers = [Worker(world, callers, share, seed, number) for number in range(WORKERS)]
    peeked = False
    # Where none of the callers is drawn for the candidate there is never a verdict.
    for second in range(1, _LONGEST_S):
        both = [worker.second(second) for worker in workers]
        for seen in both[1:]:
            both[0][0].merge(seen[0])
            both[0][1].merge(seen[1])
        judge.look(*both[0], float(second))
        peeked = peeked or _fixed(judge.stable, judge.candidate)
        if judge.verdict.outcome != GOING_ON:
            break
    every = judge.stable.calls + judge.candidate.calls
    return Run(judge.verdict.outcome, every, judge.candidate.calls, peeked)


class Callers:
    """Who calls, how often, and how their calls fare; each keeps a version."""

    def __init__(self, callers: int, share: float, seed: int) -> None:
        random = np.random.default_rng(seed)
        places = Kept(f"rollout {seed}", share)
        names = [f"caller {number}" for number in range(callers)]
        self.candidate = np.array([places.candidate(name) for name in names])
        self.group = np.array([places.group(name) for name in names])
        often = 1.0 / np.arange(1, callers + 1) ** 0.7
        self.often = often / often.sum()
        self.worse = random.gamma(1.0, 1.0, callers)
        self.longer = np.exp(0.3 * random.standard_normal(callers))


class Worker:
    """Serves made-up calls, and says every second what it has seen."""

    def __init__(
        self, world: World, callers: Callers | None, share: float, seed: int, number: int
    ) -> None:
        self._world, self._callers = world, callers
        self._random = np.random.default_rng((seed, number))
        self._calls = _CANDIDATES / share / WORKERS
        self._drawn = Drawn(f"rollout {seed}", str(number), share)
        bins, grouped = world.stable.bins(), callers is not None
        self._seen = Evidence(bins, grouped=grouped), Evidence(bins, grouped=grouped)

    def second(self, second: int) -> tuple[Evidence, Evidence]:
        """What was seen of the stable version and the candidate in this second."""
        random, callers = self._random, self._callers
        calls = int(random.poisson(self._calls))
        trouble = self._world.spells and second % 30 < 5
        worse, longer = np.full(calls, 10.0 if trouble else 1.0), np.full(calls, 1 + 2.0 * trouble)
        if callers is None:
            theirs = np.array([self._drawn.candidate() for _ in range(calls)], bool)
            groups = np.zeros(calls, int)
        else:
            who = random.choice(len(callers.often), calls, p=callers.often)
            theirs, groups = callers.candidate[who], callers.group[who]
            worse, longer = worse * callers.worse[who], longer * callers.longer[who]
        versions = (self._world.stable, self._world.candidate)
        for version, seen, mine in zip(versions, self._seen, (~theirs, theirs), strict=True):
            told = version.answer(random, int(mine.sum()), worse[mine], longer[mine])
            _count(seen, *told, groups[mine])
        return self._seen[0].drain(), self._seen[1].drain()


def _count(
    seen: Evidence, failed: Any, took: Any, decisions: Any, answers: Any, groups: Any
) -> None:
    well = ~failed
    lists = [each[well].tolist() for each in (took, decisions, answers, groups)]
    seen.add(*lists)
    for group in groups[failed].tolist():
        seen.fail("MODEL_ERROR", group)


def _fixed(stable: Evidence, candidate: Evidence) -> bool:
    """Whether a z-test of two shares of failures says "worse" at 5 %: made for one look."""
    ones, others = candidate.calls, stable.calls
    if not ones or not others:
        return False
    share = (candidate.failed + stable.failed) / (ones + others)
    error = sqrt(share * (1 - share) * (1 / ones + 1 / others))
    apart = candidate.failed / ones - stable.failed / others
    return error > 0 and apart / error > NormalDist().inv_cdf(1 - _WRONG)


# --- the table --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """What many rollouts of one kind came to.

    happened: how many of them it happened in; within: the 95 % interval of its share (Clopper and
    Pearson). requests: the median until the verdict. kept: whether the promise is.
    """

    name: str
    share: float
    rollouts: int
    happened: int
    requests: str
    kept: bool | None

    @property
    def within(self) -> tuple[float, float]:
        return interval(self.happened, self.rollouts)

    def text(self) -> str:
        low, high = self.within
        said = {True: "kept", False: "BROKEN", None: "reported"}[self.kept]
        part = f"{self.happened / self.rollouts:7.1%} ({low:.1%} to {high:.1%})"
        counted = f"{self.share:4.0%} {self.rollouts:5} {part:<26} {self.requests:<14}"
        return f"{self.name:<48} {counted} {said}"


def interval(happened: int, among: int) -> tuple[float, float]:
    """The shares that so many of so many do not exclude, at 95 %."""
    return 1 - upper_bound(among, among - happened, 0.975), upper_bound(among, happened, 0.975)


def false_alarms(rollouts: int, share: float, seed: int) -> list[Line]:
    """Of candidates that are no different: how many are rolled back, and the negative control."""
    worlds = alike()
    runs = [rollout(worlds[i % len(worlds)], share, seed + i) for i in range(rollouts)]
    wrong = sum(run.outcome == ROLL_BACK for run in runs)
    early = sum(run.candidate < REQUESTS for run in runs)
    peeked = sum(run.peeked for run in runs)
    lowest = interval(peeked, rollouts)[0]
    needed = _needed(runs)
    return [
        Line(
            "no difference: rolled back", share, rollouts, wrong, needed, wrong <= _WRONG * rollouts
        ),
        Line("no difference: decided before the last call", share, rollouts, early, needed, None),
        Line("control: a fixed test, peeked at", share, rollouts, peeked, "", lowest > _WRONG),
    ]


def kept_callers(callers: int, rollouts: int, share: float, seed: int) -> Line:
    """Of candidates that are no different, among callers who keep their version.

    It is reported, not promised: who is served by which version is drawn once, not for every call.
    """
    world = kept(callers)
    runs = [rollout(world, share, seed + i) for i in range(rollouts)]
    wrong = sum(run.outcome == ROLL_BACK for run in runs)
    return Line(f"no difference, {world.name}", share, rollouts, wrong, _needed(runs), None)


def caught(world: World, rollouts: int, share: float, seed: int) -> list[Line]:
    """Of candidates that are worse: how many are rolled back in time.

    In time is within 5,000 requests of both versions together where half of them are the
    candidate's and any test could do it; and by the look that reaches 5,000 of the candidate at
    any share.
    """
    runs = [rollout(world, share, seed + i) for i in range(rollouts)]
    back = [run for run in runs if run.outcome == ROLL_BACK]
    soon = sum(run.requests <= REQUESTS for run in back)
    late = sum(run.candidate < REQUESTS + 2 * _CANDIDATES for run in back)
    needed, least = _needed(back), _CAUGHT * rollouts
    possible = share == max(SHARES) and best(world, REQUESTS / 2) > _CAUGHT
    return [
        Line(
            f"{world.name}: 5,000 in all",
            share,
            rollouts,
            soon,
            needed,
            soon >= least if possible else None,
        ),
        Line(f"{world.name}: 5,000 of it", share, rollouts, late, needed, late >= least),
    ]


def best(world: World, each: float) -> float:
    """How many of a hundred candidates with more errors any test can catch in one look.

    At so many calls of each version, when 5 % of good ones may be called worse (by the normal
    distribution; Neyman and Pearson). 1 for candidates with as many errors.
    """
    one, other = world.stable.errors, world.candidate.errors
    if one == other:
        return 1.0
    error = sqrt((one * (1 - one) + other * (1 - other)) / each)
    usual = NormalDist()
    return usual.cdf((other - one) / error - usual.inv_cdf(1 - _WRONG))


def _needed(runs: Sequence[Run]) -> str:
    if not runs:
        return "none"
    both, own = median(r.requests for r in runs), median(r.candidate for r in runs)
    return f"{both:.0f} / {own:.0f}"


def main() -> int:
    """0 when every promise is kept, 1 when one is broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reliability.rollouts")
    parser.add_argument("--rollouts", type=int, default=200, help="of every kind")
    parser.add_argument("--seed", type=int, default=1, help="of the calls and of who gets them")
    parser.add_argument("--share", type=float, nargs="+", default=SHARES, help="of the candidate")
    options = parser.parse_args()
    print(
        f"seed {options.seed}, {WORKERS} workers, a look every second, {_CANDIDATES} calls of the"
    )
    print("candidate in each; 95 % intervals;")
    print("requests: the median until the verdict, of both versions / of the candidate")
    broken = 0
    for share in options.share:
        lines = false_alarms(options.rollouts, share, options.seed)
        for callers in (300, 30):
            lines.append(kept_callers(callers, options.rollouts, share, options.seed))
        for world in worse():
            lines += caught(world, options.rollouts, share, options.seed)
        for line in lines:
            print(line.text(), flush=True)
        broken += sum(line.kept is False for line in lines)
    print("every promise is kept" if not broken else f"{broken} promises are BROKEN")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
