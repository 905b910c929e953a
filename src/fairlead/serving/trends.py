"""What the server did minute by minute in the last hours, kept in memory for those who look at it.

A sample holds what all workers have counted since the server started; what was done between two
moments is the difference of their samples.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from fairlead.serving.observe import BUCKETS, OK, quantile

KEPT = 181
"""Samples: one a minute, three hours long."""

EVERY_S = 60.0
_MOST_VERSIONS = 128


@dataclass(slots=True)
class Done:
    """What was done with one version, or with all of them.

    seconds: answers per latency bucket (observe.BUCKETS).
    """

    calls: int = 0
    failed: int = 0
    rows: int = 0
    seconds: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))

    def add(self, other: Done, times: int = 1) -> None:
        """Adds another, or takes it away."""
        self.calls += times * other.calls
        self.failed += times * other.failed
        self.rows += times * other.rows
        self.seconds = [a + times * b for a, b in zip(self.seconds, other.seconds, strict=True)]

    def within(self, share: float) -> float | None:
        """Seconds within which this share of the answers was given, None without any."""
        return quantile(self.seconds, share)


def done(stats: Mapping[str, Any]) -> Done:
    """What one version's counts say."""
    outcomes: Mapping[str, int] = stats["outcomes"]
    calls = sum(outcomes.values())
    return Done(calls, calls - outcomes.get(OK, 0), stats["rows"], list(stats["seconds"]))


class Trends:
    """The samples, oldest first."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, dict[str, Done]]] = deque(maxlen=KEPT)

    def take(self, moment: float, counts: Mapping[str, Any]) -> None:
        """Adds a sample, once the last one is old enough. counts: of all workers, merged.

        moment: seconds on any clock that only goes forward.
        """
        if self._samples and moment - self._samples[-1][0] < EVERY_S:
            return
        each = {key: done(stats) for key, stats in counts["stats"].items()}
        busiest = sorted(each, key=lambda key: -each[key].calls)[:_MOST_VERSIONS]
        self._samples.append((moment, {key: each[key] for key in busiest}))

    def since(self, moment: float, counts: Mapping[str, Any]) -> dict[str, Done]:
        """What was done by each version since a moment, or since it is known."""
        before: Mapping[str, Done] = {}
        for taken, each in self._samples:
            if taken > moment:
                break
            before = each
        found: dict[str, Done] = {}
        for key, stats in counts["stats"].items():
            found[key] = done(stats)
            if key in before:
                found[key].add(before[key], -1)
        return found

    def minutes(self, counts: Mapping[str, Any], moment: float) -> list[tuple[float, Done]]:
        """What all versions did from sample to sample, and since the last: the age of the end of
        each stretch in seconds, oldest first."""
        ends = [(taken, _sum([*each.values()])) for taken, each in self._samples]
        ends.append((moment, _sum([done(stats) for stats in counts["stats"].values()])))
        found: list[tuple[float, Done]] = []
        for (_, before), (taken, after) in pairwise(ends):
            between = Done()
            between.add(after)
            between.add(before, -1)
            found.append((moment - taken, between))
        return found


def _sum(each: Sequence[Done]) -> Done:
    whole = Done()
    for one in each:
        whole.add(one)
    return whole


def all_of(each: Mapping[str, Done]) -> Done:
    """All versions together."""
    return _sum([*each.values()])
