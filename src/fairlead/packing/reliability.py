"""Can the model's own confidence be believed? On rows that taught neither the calibration nor the
sets that are judged by them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairlead.guards.calibration import FOLDS
from fairlead.guards.confidence import COVERAGES, LEAST_ROWS, Confidence, set_quantiles
from fairlead.guards.intervals import learn_intervals
from fairlead.packing.judged import Classified, Regressed
from fairlead.packing.uncertainty import wilson

Floats = NDArray[np.float64]

_BINS = 10
_POINTS = 50
_SEED = 0


def reliability_of(found: Classified, guard: Confidence | None) -> dict[str, Any]:
    """{"raw": curve, "calibrated": curve}; the latter only where a calibration was learnt.

    A curve is {"ece", "bins": [{"low", "high", "n", "confidence", "accuracy", "from", "to"}]}:
    rows by their confidence in ten equal steps, the share that is right and its interval.
    """
    if found.scores is None:
        return {}
    right = found.scores.argmax(axis=1) == found.truth
    made = {"raw": _curve(found.scores.max(axis=1), right)}
    if guard is not None and guard.rows == len(right):
        made["calibrated"] = {
            "method": guard.method,
            **_curve(guard.honest, ~guard.wrong),
        }
    return made


def _curve(sure: Floats, right: Any) -> dict[str, Any]:
    places = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    bins: list[dict[str, Any]] = []
    apart = 0.0
    for place in range(_BINS):
        mine = places == place
        count = int(mine.sum())
        if not count:
            continue
        hits = int(right[mine].sum())
        low, high = wilson(hits, count)
        confidence, accuracy = float(sure[mine].mean()), hits / count
        apart += count * abs(confidence - accuracy)
        bins.append(
            {
                "low": place / _BINS,
                "high": (place + 1) / _BINS,
                "n": count,
                "confidence": confidence,
                "accuracy": accuracy,
                "from": low,
                "to": high,
            }
        )
    return {"ece": apart / len(sure), "bins": bins}


def risk_coverage_of(found: Classified, guard: Confidence | None) -> dict[str, Any]:
    """{"augrc", "points": [[coverage, risk], ...]}: what is wrong among the surest answers.

    augrc: the area under the generalised risk (Traub et al. 2024): wrong and given, over all
    coverages; 0 is the least, and half the error rate that of answers withheld at random.
    """
    if found.scores is None:
        return {}
    honest = guard is not None and guard.rows == len(found.truth)
    sure: Any = guard.honest if guard is not None and honest else found.scores.max(axis=1)
    wrong = found.scores.argmax(axis=1) != found.truth
    order = np.argsort(-sure, kind="stable")
    # Rows that are equally sure are given or withheld together.
    ends: Any = np.flatnonzero(np.append(np.diff(sure[order]) != 0, True)) + 1
    errors = np.cumsum(wrong[order])[ends - 1]
    count = len(sure)
    shares, joint = np.append(0.0, ends / count), np.append(0.0, errors / count)
    area = float(((joint[1:] + joint[:-1]) / 2 * np.diff(shares)).sum())
    shown: Any = np.unique(np.linspace(0, len(ends) - 1, _POINTS).astype(int))
    points = [[float(ends[i]) / count, float(errors[i]) / float(ends[i])] for i in shown]
    return {"augrc": area, "at_random": float(wrong.mean()) / 2, "points": points}


def sets_of(found: Classified) -> list[dict[str, Any]]:
    """For each coverage that sets promise, what they reach on rows that they were not learnt from.

    [{"promised", "reached", "low", "high", "n", "mean_size"}]
    """
    if found.scores is None or len(found.truth) < LEAST_ROWS:
        return []
    scores, truth = found.scores, found.truth
    folds = np.random.default_rng(_SEED).permutation(len(truth)) % FOLDS
    inside = np.empty((len(COVERAGES), len(truth)), bool)
    sizes = np.empty((len(COVERAGES), len(truth)))
    for fold in range(FOLDS):
        mine = folds == fold
        misses = 1.0 - scores[mine]
        own = misses[np.arange(len(misses)), truth[mine]]
        for place, most in enumerate(set_quantiles(scores[~mine], truth[~mine]).tolist()):
            inside[place, mine] = own <= most
            sizes[place, mine] = (misses <= most).sum(axis=1)
    return [
        {**_reached(promised, inside[place]), "mean_size": float(sizes[place].mean())}
        for place, promised in enumerate(COVERAGES)
    ]


def spans_of(found: Regressed) -> list[dict[str, Any]]:
    """The same of the intervals around a regressor's answers, with their mean width.

    [{"promised", "reached", "low", "high", "n", "mean_width"}]; None for an endless width.
    """
    count = len(found.truth)
    if count < LEAST_ROWS:
        return []
    folds = np.random.default_rng(_SEED).permutation(count) % FOLDS
    inside = np.empty((len(COVERAGES), count), bool)
    widths = np.empty((len(COVERAGES), count))
    for fold in range(FOLDS):
        mine = folds == fold
        guard = learn_intervals(found.given[~mine], found.truth[~mine])
        for place, coverage in enumerate(COVERAGES):
            radius = guard.radius(coverage)
            inside[place, mine] = found.per_row[mine] <= radius
            widths[place, mine] = 2 * radius
    return [
        {**_reached(promised, inside[place]), "mean_width": float(widths[place].mean())}
        for place, promised in enumerate(COVERAGES)
    ]


def _reached(promised: float, inside: Any) -> dict[str, Any]:
    low, high = wilson(float(inside.sum()), len(inside))
    return {
        "promised": promised,
        "reached": float(inside.mean()),
        "low": low,
        "high": high,
        "n": len(inside),
    }
