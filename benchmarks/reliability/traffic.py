"""Made-up calls of a stable version and of a candidate that is worse in one way, or in none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fairlead.rollout.bins import Bins, bins_of_numbers

Random = np.random.Generator
Draw = Callable[[Random, int], Any]


def lognormal(random: Random, count: int) -> Any:
    """Seconds of a usual service: a median of 10 ms."""
    return 0.01 * np.exp(0.5 * random.standard_normal(count))


def bimodal(random: Random, count: int) -> Any:
    """Seconds of a service of which one of twenty calls misses its cache."""
    slow = random.random(count) < 0.05
    return np.where(slow, 0.05, 0.005) * np.exp(0.2 * random.standard_normal(count))


def heavy(random: Random, count: int) -> Any:
    """Seconds with a tail that falls by the square (Pareto): a few calls take very long."""
    return 0.005 * (1.0 - random.random(count)) ** -0.5


SHAPES: dict[str, Draw] = {"lognormal": lognormal, "bimodal": bimodal, "heavy tail": heavy}


@dataclass(frozen=True, slots=True)
class Version:
    """How one version answers.

    errors: the share of calls that fail. latency: seconds. slower: by what they are multiplied.
    beyond: only those above so many seconds are. decisions: shares. answers: shares of classes, or
    empty for numbers. moved: by how much the numbers are higher, in standard deviations.
    """

    errors: float = 0.005
    latency: Draw = lognormal
    slower: float = 1.0
    beyond: float = 0.0
    decisions: tuple[float, ...] = (0.9, 0.05, 0.03, 0.02)
    answers: tuple[float, ...] = (0.4, 0.3, 0.2, 0.1)
    moved: float = 0.0

    def answer(
        self, random: Random, count: int, worse: Any = 1.0, longer: Any = 1.0
    ) -> tuple[Any, Any, Any, Any]:
        """Of so many calls: which fail, seconds, decisions, answers.

        worse, longer: by what the chance to fail and the seconds are multiplied, whichever version
        answers: for each call, or for all.
        """
        made: Any = self.latency(random, count) * longer
        beyond: Any = made > self.beyond
        made[beyond] *= self.slower
        decisions: Any = random.choice(len(self.decisions), count, p=self.decisions)
        if self.answers:
            answers: Any = random.choice(len(self.answers), count, p=self.answers)
        else:
            answers = random.standard_normal(count) + self.moved
        return random.random(count) < self.errors * worse, made, decisions, answers

    def bins(self) -> Bins | None:
        """How its answers are counted; numbers by a thousand of the stable version's own."""
        if self.answers:
            return Bins(classes=len(self.answers))
        return bins_of_numbers(np.random.default_rng(0).standard_normal(1000))


@dataclass(frozen=True, slots=True)
class World:
    """A stable version and a candidate.

    spells:  for 5 of every 30 seconds everything fails ten times as often and takes three times as
             long, whichever version answers.
    callers: so many, each of whom is kept at a version; they call unequally often, and differ in
             how often their calls fail and how long they take. 0 draws for every call.
    """

    name: str
    stable: Version
    candidate: Version
    spells: bool = False
    callers: int = 0


def alike() -> list[World]:
    """Candidates that are no different, of every kind of service."""
    numbers = Version(answers=())
    return [
        *(World(name, replace(Version(), latency=draw), replace(Version(), latency=draw))
          for name, draw in SHAPES.items()),
        World("5 % errors", Version(errors=0.05), Version(errors=0.05)),
        World("numbers", numbers, numbers),
        World("bad spells", Version(), Version(), spells=True),
    ]  # fmt: skip


def kept(callers: int) -> World:
    """A candidate that is no different, among callers who differ and keep their version."""
    few = Version(errors=0.02)
    return World(f"{callers} callers keep their version", few, few, callers=callers)


def worse() -> list[World]:
    """Candidates that must be caught."""
    found = [
        World(f"+2 points of errors, from {base:.1%}", Version(base), Version(base + 0.02))
        for base in (0.005, 0.05)
    ]
    for name, draw in SHAPES.items():
        stable = Version(latency=draw)
        found.append(World(f"1.5 x p99, {name}", stable, replace(stable, slower=1.5)))
    tail = float(np.quantile(lognormal(np.random.default_rng(0), 200_000), 0.95))
    found.append(
        World("1.5 x p99, the slowest 5 % only", Version(), Version(slower=1.5, beyond=tail))
    )
    found += [
        World("10 points of decisions", Version(), Version(decisions=(0.8, 0.05, 0.13, 0.02))),
        World("10 points of classes", Version(), Version(answers=(0.3, 0.4, 0.2, 0.1))),
        World("numbers 0.3 deviations higher", Version(answers=()), Version(answers=(), moved=0.3)),
    ]
    return found
