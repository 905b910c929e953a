"""Whether what was seen leaves no room for what would be too much: the case for promotion.

Every bound is one that the truth is beyond, ever, with a chance of at most the rate it was given
(`exact.upper`); the bounds of both versions share the rate of a question.
"""

from __future__ import annotations

from bisect import bisect_left
from math import inf

from fairlead.core.package import RolloutChoice
from fairlead.rollout.bins import LATENCY_BINS, Counts, latency_edge
from fairlead.rollout.evidence import Evidence
from fairlead.rollout.exact import lower, upper
from fairlead.rollout.questions import QUANTILES, Marked, marked, tail

_SLOW = 1 - QUANTILES[0]


def within(
    question: str, rule: RolloutChoice, stable: Evidence, candidate: Evidence, rate: float
) -> bool:
    """Whether the candidate is shown to be within the margin of this question.

    It is said of one that is beyond it with a chance of at most `rate`, however often it is asked.
    """
    if question == "latency":
        return slower_at_most(candidate.latencies, stable.latencies, rate) < rule.latency_factor
    ours, theirs = marked(question, candidate), marked(question, stable)
    if question == "errors":
        return more_at_most(ours, theirs, 0, rate) < rule.error_points / 100
    points = rule.decision_points if question == "decisions" else rule.prediction_points
    # Every way in which answers are marked must be within: none of them needs a part of the rate
    # but for its two sides, of which only one can be beyond.
    return all(
        more_at_most(ours, theirs, place, rate) < points / 100
        and more_at_most(theirs, ours, place, rate) < points / 100
        for place in range(len(ours.marked))
    )


def more_at_most(one: Marked, other: Marked, place: int, rate: float) -> float:
    """By how much one share of marked calls exceeds another at most."""
    highest = upper(one.calls, int(one.marked[place]), rate / 2)
    return highest - lower(other.calls, int(other.marked[place]), rate / 2)


def slower_at_most(candidate: Counts, stable: Counts, rate: float) -> float:
    """How many times the stable 99th percentile of latency that of the candidate is, at most.

    A bound of a quantile is where the bound of the share beyond it crosses that of the quantile;
    it needs no correction for having looked everywhere, since it can be wrong at the true
    quantile only (Howard and Ramdas 2022). Infinite where too little was seen.
    """
    ours, theirs = tail(candidate), tail(stable)
    high = bisect_left(
        range(LATENCY_BINS),
        True,
        key=lambda place: upper(int(ours[0]), int(ours[place]), rate / 2) < _SLOW,
    )
    beyond = bisect_left(
        range(LATENCY_BINS),
        True,
        key=lambda place: lower(int(theirs[0]), int(theirs[place]), rate / 2) <= _SLOW,
    )
    if high == LATENCY_BINS or beyond <= 1:
        return inf
    return latency_edge(high) / latency_edge(beyond - 1)
