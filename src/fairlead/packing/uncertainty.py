"""How far a figure from few rows may be off: intervals, always the same for the same rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite, sqrt
from statistics import NormalDist
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Span = tuple[float, float]

CONFIDENCE = 0.95
FEW = 30
"""A figure of fewer rows is shown and not judged."""

_SEED = 0
_RESAMPLES, _LEAST_RESAMPLES = 400, 100
_MOST_DRAWN = 4_000_000
_DIGITS = 6


def z_of(comparisons: int = 1) -> float:
    """How many standard errors an interval reaches, where so many are looked at (Bonferroni)."""
    return NormalDist().inv_cdf(1.0 - (1.0 - CONFIDENCE) / (2.0 * max(1, comparisons)))


def wilson(hits: float, count: int, comparisons: int = 1) -> Span:
    """The interval of a share (Wilson 1927); (0, 1) of no rows."""
    if not count:
        return 0.0, 1.0
    z = z_of(comparisons)
    share = hits / count
    middle = share + z * z / (2 * count)
    reach = z * sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    whole = 1 + z * z / count
    return max(0.0, (middle - reach) / whole), min(1.0, (middle + reach) / whole)


def around_mean(values: Floats, comparisons: int = 1) -> Span:
    """The interval of a mean, by the spread of its values."""
    mean = float(values.mean())
    if len(values) < 2:
        return -float("inf"), float("inf")
    reach = z_of(comparisons) * float(values.std(ddof=1)) / sqrt(len(values))
    return mean - reach, mean + reach


def interval_of(values: Floats, comparisons: int = 1) -> Span:
    """The interval of the mean of a value per row; of a share where all are 0 or 1."""
    if bool(((values == 0.0) | (values == 1.0)).all()):
        return wilson(float(values.sum()), len(values), comparisons)
    return around_mean(values, comparisons)


def bootstrapped(values: Floats, figures: Callable[[Floats], Floats]) -> list[Span]:
    """Intervals of figures that are made of column means, from rows drawn again (seeded).

    values: (rows, columns). figures: from means (draws, columns) to figures (draws, figures).
    """
    count = len(values)
    draws = max(_LEAST_RESAMPLES, min(_RESAMPLES, _MOST_DRAWN // max(1, count)))
    random = np.random.default_rng(_SEED)
    means = np.empty((draws, values.shape[1]))
    for draw in range(draws):
        weights = np.bincount(random.integers(0, count, count), minlength=count)
        means[draw] = weights @ values / count
    return _middle(figures(means))


def drawn_tables(table: Floats, figures: Callable[[Floats], Floats]) -> list[Span]:
    """The same of figures that are made of a table of counts, (k, k), drawn as a whole (seeded)."""
    count = int(table.sum())
    shares = (table / count).reshape(-1)
    drawn = np.random.default_rng(_SEED).multinomial(count, shares, _RESAMPLES)
    return _middle(figures(drawn.reshape(-1, *table.shape).astype(np.float64)))


def _middle(figures: Floats) -> list[Span]:
    """The inner 95 % of each column; figures that a draw does not define are left out."""
    tail = (1.0 - CONFIDENCE) / 2.0
    found: list[Span] = []
    for column in figures.T:
        known = column[np.isfinite(column)]
        low, high = np.quantile(known, [tail, 1.0 - tail]) if len(known) else (np.nan, np.nan)
        found.append((float(low), float(high)))
    return found


def plain(value: Any) -> Any:
    """A value as JSON holds it: six digits of a number, None for what is no number.

    Six digits stay the same where another processor adds in another order.
    """
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in cast("list[Any]", value)]
    if isinstance(value, np.ndarray):
        return plain(cast("Any", value).tolist())
    if isinstance(value, np.generic):
        return plain(cast("Any", value).item())
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if isfinite(value) else None
    return value
