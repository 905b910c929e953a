"""The four questions of a rollout: what is counted for each, and which differences are bet on.

Every question is asked of marked calls: failed ones, slow ones, those with a decision, those with
an answer. What a bet is on comes from windows before the one it is placed on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fairlead.core.package import RolloutChoice
from fairlead.rollout.bins import Bins, Counts, bins_within
from fairlead.rollout.evidence import Evidence
from fairlead.rollout.exact import Floats, log_gains

QUESTIONS = ("errors", "latency", "decisions", "predictions")

ERROR_SIZES = (0.5, 1.0, 3.0)
"""Bets are on so many times the points that are too much, so that worse is seen sooner."""
QUANTILES = (0.99, 0.95, 0.9)
NUMBER_MARKS = 9
"""Numbers are held against so many of their own quantiles."""

LEAST_KNOWN = 100
"""Answered calls of the stable version before anything but errors is bet on."""
MOST_AT_ONCE = 1 << 18
"""On more calls at once nothing is bet: it would take the judge too long."""
_USUAL_ERRORS, _AS_MANY = 0.01, 50
"""What is taken for the share of failures at first, and for how many calls it counts."""
_LARGEST_SHARE = 0.98


@dataclass(frozen=True, slots=True)
class Marked:
    """Calls of one version, and how many of them are marked in each of several ways."""

    calls: int
    marked: Counts


def weights(question: str, bins: Bins | None) -> Floats:
    """What part of a question's stake is on each of its bets; they sum to one."""
    if question == "errors":
        return np.array([0.2, 0.6, 0.2])
    if question == "latency":
        return np.full(len(QUANTILES) + 1, 1.0 / (len(QUANTILES) + 1))
    count = 2 * len(_decisions(Evidence()).marked)
    if question == "predictions":
        count = 2 * len(_marks(bins))
    return np.full(count, 1.0 / max(1, count))


def asked(question: str, rule: RolloutChoice, bins: Bins | None) -> bool:
    """Whether a question is asked at all."""
    if question == "decisions":
        return rule.decision_points < 100
    return question != "predictions" or (bins is not None and rule.prediction_points < 100)


def gains(
    question: str, rule: RolloutChoice, past: Evidence, stable: Evidence, candidate: Evidence
) -> Floats:
    """What the bets of a question make of one window, as logarithms.

    past: what was seen of the stable version before this window. All evidence is settled.
    """
    calls = stable.calls + candidate.calls
    unknown = question != "errors" and past.calls - past.failed < LEAST_KNOWN
    if unknown or calls > MOST_AT_ONCE:
        return np.zeros(len(weights(question, past.bins)))
    if question == "latency":
        places, before, after = _slow(rule, past)
        ours, theirs = (_beyond(seen.latencies, places) for seen in (candidate, stable))
    else:
        ours, theirs = (marked(question, seen) for seen in (candidate, stable))
        before, after = _moved(question, rule, marked(question, past))
        each = len(after) // len(ours.marked)
        ours, theirs = (Marked(m.calls, np.tile(m.marked, each)) for m in (ours, theirs))
    both = ours.marked + theirs.marked
    return log_gains(
        ours.marked,
        both,
        np.full(len(both), ours.calls),
        np.full(len(both), theirs.calls),
        _log_odds(before, after),
    )


def marked(question: str, seen: Evidence) -> Marked:
    """The marked calls of one version, for any question but that of latency."""
    if question == "errors":
        return Marked(seen.calls, np.array([seen.failed]))
    return _decisions(seen) if question == "decisions" else _answers(seen)


def _decisions(seen: Evidence) -> Marked:
    """Calls that were warned of or worse, abstained from or worse, rejected."""
    worse = seen.decisions[::-1].cumsum()[::-1]
    return Marked(int(worse[0]), worse[1:])


def _answers(seen: Evidence) -> Marked:
    """Calls with an answer of each class, or with a number beyond each mark."""
    counts = seen.answers
    if seen.bins is not None and seen.bins.classes:
        return Marked(int(counts.sum()), counts[_marks(seen.bins)])
    return Marked(int(counts.sum()), counts[::-1].cumsum()[::-1][_marks(seen.bins)])


def _marks(bins: Bins | None) -> Counts:
    if bins is None:
        return np.zeros(0, np.int64)
    if bins.classes:
        return np.arange(bins.size)
    # The last bin is that of missing numbers, and a mark of its own.
    spread = np.linspace(1, bins.size - 1, NUMBER_MARKS + 1).round()
    return np.unique(spread).astype(np.int64)


def _moved(question: str, rule: RolloutChoice, past: Marked) -> tuple[Floats, Floats]:
    """The share of marked calls of the stable version, and those that would be too far off."""
    if question == "errors":
        share = (past.marked + _USUAL_ERRORS * _AS_MANY) / (past.calls + _AS_MANY)
        return np.tile(share, len(ERROR_SIZES)), share + np.array(ERROR_SIZES) * (
            rule.error_points / 100
        )
    share = (past.marked + 0.5) / (past.calls + 1)
    points = rule.decision_points if question == "decisions" else rule.prediction_points
    return np.tile(share, 2), np.concatenate([share + points / 100, share - points / 100])


def _log_odds(before: Floats, after: Floats) -> Floats:
    """The logarithm of the odds ratio, 0 where there can be no such share."""
    possible = (after > 0) & (after < 1)
    share = np.clip(after, 1e-9, _LARGEST_SHARE)
    base = np.clip(before, 1e-9, _LARGEST_SHARE)
    odds = np.log(share / (1 - share)) - np.log(base / (1 - base))
    # What hardly differs would never be shown.
    return np.where(possible & (np.abs(odds) > 0.02), odds, 0.0)


# --- latency ----------------------------------------------------------------------------


def tail(latencies: Counts) -> Counts:
    """How many calls took at least as long as each bin begins, and none beyond the last."""
    return np.append(latencies[::-1].cumsum()[::-1], 0)


def _beyond(latencies: Counts, places: Counts) -> Marked:
    held = tail(latencies)
    return Marked(int(held[0]), held[places])


def _slow(rule: RolloutChoice, past: Evidence) -> tuple[Counts, Floats, Floats]:
    """Bins beyond which calls are slow, the stable share there, and what would be too much.

    At a quantile q of the stable version too much is the share that it has beyond q divided by
    the factor, which is what a version that many times slower has beyond q. At the factor times
    the 99th percentile it is one of a hundred, whatever the shape.
    """
    held = tail(past.latencies)
    count, step = int(held[0]), bins_within(rule.latency_factor)
    edge = len(held) - 1
    found = [int(np.argmax(held <= (1 - q) * count)) for q in QUANTILES]
    places = np.array([min(edge, found[0] + step), *found])
    before = (held[places] + 0.5) / (count + 1)
    after = held[np.maximum(0, np.array(found) - step)] / count
    slower = np.minimum(np.concatenate([[1 - QUANTILES[0]], after]), _LARGEST_SHARE)
    # Nothing is bet on a version that is faster.
    return places, before, np.maximum(before, slower)


def percentile(latencies: Counts, share: float = QUANTILES[0]) -> int:
    """The bin in which this share of the calls is reached; 0 without calls."""
    total = int(latencies.sum())
    return int(np.searchsorted(latencies.cumsum(), share * total)) if total else 0
