"""What has become of a column, in words."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, nextafter

import numpy as np

from fairlead.guards.drift_columns import MISSING, UNSEEN, Counts, Watched
from fairlead.guards.drift_evidence import Evidence

_LEAST_SHIFT = 0.1


def words(watched: Watched, counts: Counts, found: Evidence) -> str:
    """The part of a column that shows its change best, and how far its mean has moved."""
    rows = int(counts.sum())
    now, before = counts / rows, watched.shares
    apart = now - before
    place = int(np.argmax(np.abs(apart)))
    # Below an edge, or in one bin alone: whichever shows more.
    below = np.abs(np.cumsum(apart))[: MISSING - 1] if watched.edges is not None else apart[:0]
    if watched.edges is not None and below.max(initial=0.0) > abs(apart[place]):
        place = int(np.argmax(below))
        now, before = np.cumsum(now), np.cumsum(before)
        what = between(-inf, float(watched.edges[place]))
    else:
        place = {"missing": MISSING, "unseen": UNSEEN}.get(found.test, place)
        what = _bin_words(watched, place % watched.bins)
    said = (
        f"{watched.name}: {now[place]:.1%} of the last {rows} rows are {what}, "
        f"{before[place]:.1%} of {watched.learnt_from}"
    )
    if found.shift is not None and abs(found.shift) >= _LEAST_SHIFT:
        said += f"; the mean has moved by {found.shift:+.2g} standard deviations"
    return said


def _bin_words(watched: Watched, place: int) -> str:
    if place == watched.bins + MISSING:
        return "missing"
    if place == watched.bins + UNSEEN:
        rare = watched.edges is None and watched.filled[UNSEEN] > 0
        return "rare or unseen values" if rare else f"values that {watched.learnt_from} do not hold"
    if watched.edges is None:
        return repr(list(watched.categories)[place])
    return between(*limits(watched.edges.tolist())[place : place + 2])


def limits(edges: Sequence[float]) -> list[float]:
    """Where the bins of numbers begin and end; the first and the last have no end."""
    return [-inf, *edges, inf]


def single(low: float, high: float) -> bool:
    """Whether a bin holds one value alone."""
    return nextafter(low, inf) == high


def between(low: float, high: float) -> str:
    """The numbers of a bin, in words."""
    if single(low, high):
        return _number(low)
    if low == -inf:
        return "any number" if high == inf else f"below {_number(high)}"
    return f"{_number(low)} or more" if high == inf else f"{_number(low)} to {_number(high)}"


def _number(value: float) -> str:
    if abs(value) < np.finfo(np.float64).tiny:
        return "0"
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"
