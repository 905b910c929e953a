"""Values of which none is one row's own: every one stands for ten rows or more.

A value that ten rows share stays as it is. The others are averaged in tens, in order of size, and
the ten outermost take the value next to them, so that no extreme value shows in any average
(microaggregation, Domingo-Ferrer and Mateo-Sanz 2002, one column at a time).
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST = 10
"""So many rows stand behind every value that is kept."""


def aggregated(values: Any) -> Floats:
    """Numbers in their places, of which each is shared by ten rows; NaN stays NaN.

    Fewer than ten numbers say nothing: all become NaN.
    """
    numbers = np.asarray(values, dtype=np.float64)
    found = np.full(len(numbers), np.nan)
    there = np.flatnonzero(np.isfinite(numbers))
    if len(there) >= LEAST:
        found[there] = _shared(numbers[there])
    return found


def _shared(numbers: Floats) -> Floats:
    distinct, place, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    common: Floats = distinct[counts >= LEAST]
    found = numbers.copy()
    rare = np.flatnonzero(counts[place] < LEAST)
    if len(rare) == 0:
        return found
    order = rare[np.argsort(numbers[rare], kind="stable")]
    if len(order) < LEAST:
        # Too few to be a group of their own: they join the value next to them.
        near = np.abs(numbers[order][:, None] - common).argmin(axis=1)
        found[order] = common[near]
        return found
    group = groups(len(order))
    means: Floats = np.bincount(group, numbers[order]) / np.bincount(group)
    levels = np.unique(np.concatenate([means, common]))
    if len(levels) > 1:
        means[means == levels[0]] = levels[1]
        means[means == levels[-1]] = levels[-2]
    found[order] = means[group]
    return found


def groups(count: int) -> NDArray[np.intp]:
    """For each of so many ordered values its group; each has ten or more, the last perhaps more."""
    last = max(0, count // LEAST - 1)
    return np.minimum(np.arange(count) // LEAST, last)


def smoothed(values: Floats) -> Floats:
    """The values in rising order, each the mean of ten neighbours."""
    ordered = np.sort(values)
    group = groups(len(ordered))
    means: Floats = np.bincount(group, ordered) / np.bincount(group)
    return means[group]


def frequent(texts: Any) -> dict[str, int]:
    """How many rows hold each text that ten rows hold, most frequent first; "" is none."""
    counted = Counter(str(text) for text in texts.tolist() if text)
    kept = {text: count for text, count in counted.items() if count >= LEAST}
    return dict(sorted(kept.items(), key=lambda entry: (-entry[1], entry[0])))
