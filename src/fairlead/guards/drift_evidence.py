"""Has a column moved? The tests, and the sizes that say by how much.

Numbers are held against the rows they were learnt from by the Kolmogorov-Smirnov distance on the
edges of the bins, which sees every change of shape, and by the mean rank, which sees a shift
sooner; categories by the chi-squared test. Missing and unseen values have an exact test of their
own. The p-values of a column's tests share its error (weighted Bonferroni). PSI and the shift are
sizes and decide nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc, exp, isfinite, lgamma, log, log1p, pi, sqrt
from typing import Literal

import numpy as np

from fairlead.guards.drift_columns import MISSING, UNSEEN, Counts, Floats, Watched

Test = Literal["shape", "rank", "categories", "rare", "missing", "unseen"]

_WEIGHTS: dict[Test, float] = {
    "shape": 0.45, "rank": 0.45, "categories": 0.85, "rare": 0.05, "missing": 0.05, "unseen": 0.05,
}  # fmt: skip
"""The shares of a column's error: those of numbers add up to one, and those of categories."""

_NORMAL_ROWS, _NORMAL_TIE = 100, 0.25
"""With so many rows, and no more of them in one bin, the mean rank is normal enough far out too."""

_LEAST_EXPECTED = 5.0
"""Where fewer rows are expected, a category is rare; the chi-squared test joins such ones."""

_FEW = 50
"""Of so many rows and more, the share in a bin is nearly normal."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What some rows say of one column.

    p:        the chance of so much without a change; test: the one that it comes from.
    distance: between 0 and 1: of the shares below a value, or half the sum of all differences.
    psi:      the population stability index.
    shift:    of the mean, in standard deviations of the rows learnt from; None where there is none.
    """

    p: float
    test: Test
    distance: float
    psi: float
    shift: float | None


def evidence(watched: Watched, counts: Counts) -> Evidence:
    """Holds counts of the bins against those of the rows that the column was learnt from."""
    seen = int(counts.sum())
    if seen == 0 or watched.rows == 0:
        return Evidence(1.0, "shape", 0.0, 0.0, None)
    test, p = min(_tests(watched, counts, seen).items(), key=lambda entry: entry[1])
    return Evidence(
        min(1.0, p),
        test,
        distance(watched, counts),
        psi(watched.shares, counts / seen, seen),
        shift(watched, counts),
    )


def _tests(watched: Watched, counts: Counts, seen: int) -> dict[Test, float]:
    """Each test's p-value divided by its share of the column's error."""
    filled = watched.filled
    if watched.edges is None:
        rare = (counts + filled) * (min(seen, watched.rows) / (seen + watched.rows))
        rare = rare < _LEAST_EXPECTED
        few = int(counts[rare].sum()), seen, int(filled[rare].sum()), watched.rows
        found: dict[Test, float] = {
            "categories": chi_squared(counts, filled),
            "rare": share(*few),
        }
    else:
        apart = counts[:MISSING] / seen - watched.shares[:MISSING]
        most = float(np.abs(np.cumsum(apart)).max(initial=0.0))
        size = sqrt(seen * watched.rows / (seen + watched.rows))
        found = {
            "shape": kolmogorov(most * size),
            "rank": rank(counts[:MISSING], filled[:MISSING]),
        }
    places: dict[Test, int] = {"missing": MISSING, "unseen": UNSEEN}
    for name, place in places.items():
        found[name] = share(int(counts[place]), seen, int(filled[place]), watched.rows)
    return {name: p / _WEIGHTS[name] for name, p in found.items()}


# --- tests: the chance of so large a difference between two samples of the same -------------


def kolmogorov(value: float) -> float:
    """The survival of Kolmogorov's distribution; of a distance on bins it is an upper bound."""
    if value < 0.2:
        return 1.0
    total = 0.0
    for k in range(1, 101):
        term = 2.0 * (-1.0) ** (k - 1) * exp(-2.0 * (k * value) ** 2)
        total += term
        if abs(term) < 1e-12 * abs(total):
            break
    return min(1.0, max(0.0, total))


def rank(mine: Counts, theirs: Counts) -> float:
    """The mean rank of one sample among both, two-sided; the samples as counts of ascending bins.

    The normal approximation of Mann and Whitney, corrected for ties. Where it does not hold, for
    few rows or where one bin has most of them, Bennett's inequality for a draw without replacement
    (Hoeffding 1963, sections 3 and 6): an upper bound, whatever values are tied.
    """
    fewer, more = (mine, theirs) if mine.sum() <= theirs.sum() else (theirs, mine)
    drawn = int(fewer.sum())
    if drawn == 0:
        return 1.0
    both = fewer + more
    middle = (np.cumsum(both) - both / 2) / both.sum()
    # The mean midrank of both together is a half.
    total = int(both.sum())
    variance = float((both * (middle - 0.5) ** 2).sum()) / total
    moved = float((fewer * middle).sum()) / drawn - 0.5
    if variance <= 0.0 or moved == 0.0:
        return 1.0
    if drawn >= _NORMAL_ROWS and both.max() <= _NORMAL_TIE * total:
        # Of a draw without replacement from both together.
        spread = sqrt(variance / drawn * (total - drawn) / (total - 1))
        return erfc(abs(moved) / spread / sqrt(2.0))
    held = middle[both > 0]
    most = float(held[-1]) - 0.5 if moved > 0 else 0.5 - float(held[0])
    ratio = abs(moved) * most / variance
    exponent = drawn * variance / most**2 * ((1 + ratio) * log1p(ratio) - ratio)
    return min(1.0, 2.0 * exp(-exponent))


def share(mine: int, rows: int, theirs: int, other_rows: int) -> float:
    """Whether two shares differ: Fisher's exact test, twice its smaller tail.

    mine of rows, theirs of other_rows.
    """
    if mine * other_rows < theirs * rows:
        mine, rows, theirs, other_rows = theirs, other_rows, mine, rows
    hits, misses = mine + theirs, rows + other_rows - mine - theirs
    if theirs * rows == mine * other_rows:
        return 1.0
    # The chance of exactly `mine`, then of each number above it by the ratio to the one before.
    term = exp(_choose(hits, mine) + _choose(misses, rows - mine) - _choose(hits + misses, rows))
    total = term
    for count in range(mine, min(hits, rows)):
        term *= (hits - count) * (rows - count) / (count + 1) / (misses - rows + count + 1)
        total += term
        if term < 1e-12 * total:
            break
    return min(1.0, 2.0 * total)


def _choose(count: int, of: int) -> float:
    """The logarithm of the binomial coefficient."""
    return lgamma(count + 1) - lgamma(of + 1) - lgamma(count - of + 1)


def chi_squared(mine: Counts, theirs: Counts) -> float:
    """Whether two samples have the same categories in the same shares; rare ones are joined."""
    both = mine + theirs
    order = np.argsort(both, kind="stable")
    smaller = min(mine.sum(), theirs.sum()) / both.sum()
    # A cell ends where it holds enough; what is left at the end belongs to the last cell.
    held = 0.0
    ends: list[int] = []
    for place, expected in enumerate((both[order] * smaller).tolist()):
        held += expected
        if held >= _LEAST_EXPECTED:
            ends.append(place + 1)
            held = 0.0
    if len(ends) < 2:
        return 1.0
    starts = [0, *ends[:-1]]
    left = np.add.reduceat(mine[order], starts).astype(np.float64)
    right = np.add.reduceat(theirs[order], starts).astype(np.float64)
    ratio = sqrt(right.sum() / left.sum())
    value = float(((left * ratio - right / ratio) ** 2 / (left + right)).sum())
    return chi_squared_survival(value, len(ends) - 1)


def chi_squared_survival(value: float, freedom: int) -> float:
    """The chance that a chi-squared variable of so many degrees of freedom exceeds the value."""
    half = value / 2.0
    if half <= 0.0:
        return 1.0
    if freedom % 2:
        at, total = 0.5, erfc(sqrt(half))
        term = 2.0 * sqrt(half / pi)
    else:
        at, total = 1.0, exp(-half)
        term = half
    # Q(a + 1, x) = Q(a, x) + x^a e^-x / gamma(a + 1); terms as logarithms, or they overflow.
    logs = log(term) - half
    while at < freedom / 2.0 - 0.25:
        total += exp(logs)
        at += 1.0
        logs += log(half / at)
    return min(1.0, total)


# --- sizes ------------------------------------------------------------------------------


def distance(watched: Watched, counts: Counts) -> float:
    """The largest difference of the cumulative shares (numbers), or half the sum of differences."""
    apart = counts / max(1, counts.sum()) - watched.shares
    if watched.edges is None:
        return float(np.abs(apart).sum() / 2)
    most = float(np.abs(np.cumsum(apart[:MISSING])).max(initial=0.0))
    return max(most, float(np.abs(apart[MISSING:]).max()))


def shift(watched: Watched, counts: Counts) -> float | None:
    """How far the mean has moved, in standard deviations of the rows learnt from.

    Every value counts as the mean of its bin, so a move beyond the outermost bins is said as
    smaller than it is. None for categories, constants, and where no number was seen.
    """
    mine, theirs = counts[:MISSING], watched.filled[:MISSING]
    if watched.spread == 0.0 or not mine.sum() or not theirs.sum():
        return None
    with np.errstate(all="ignore"):
        found = float(_mean(watched.means, mine) - _mean(watched.means, theirs)) / watched.spread
    return found if isfinite(found) else None


def _mean(means: Floats, counts: Counts) -> float:
    held = counts > 0
    return float((means[held] * (counts[held] / counts.sum())).sum())


def psi(expected: Floats, found: Floats, rows: int) -> float:
    """The population stability index; an empty bin counts as half a row."""
    least = 0.5 / rows
    left, right = np.maximum(expected, least), np.maximum(found, least)
    return float(((right - left) * np.log(right / left)).sum())


def usual_psi(watched: Watched, rows: int) -> float:
    """What the index exceeds in one of a hundred windows without a change.

    A chi-squared variable of the same mean and variance; Wilson and Hilferty's cube root gives its
    quantile.
    """
    held, repeated = np.unique(watched.filled[watched.filled > 0], return_counts=True)
    bins = int(repeated.sum())
    if bins < 2 or rows < 1:
        return 0.0
    usual = 1 / rows + 1 / watched.rows
    mean, variance = np.full(len(held), usual), np.full(len(held), 2 * usual**2)
    few = held * min(1.0, rows / watched.rows) < _FEW
    if few.any():
        mean[few], variance[few] = _psi_of_few(held[few], watched.rows, rows)
    # What is in the other bins is not in the last one.
    free = (bins - 1) / bins
    whole, spread = free * float(mean @ repeated), free * float(variance @ repeated)
    freedom = 2 * whole**2 / spread
    return whole * (1 - 2 / (9 * freedom) + 2.326 * sqrt(2 / (9 * freedom))) ** 3


def _psi_of_few(held: Counts, others: int, rows: int) -> tuple[Floats, Floats]:
    """Mean and variance of what bins with few rows add to the index.

    held: rows of each bin, of `others` that were learnt from. How many of `rows` will be in it has
    the negative binomial distribution: a Poisson number, whose mean is known from `held` alone.
    """
    most = float(held.max()) * rows / others
    counts = np.arange(int(most + 12 * sqrt(most * (1 + rows / others))) + 20)[:, None]
    steps = np.log((held + counts) / (counts + 1) * (rows / (rows + others)))
    start = held * log(others / (rows + others))
    chances = np.exp(start + np.vstack([np.zeros(len(held)), np.cumsum(steps, axis=0)[:-1]]))
    chances /= chances.sum(axis=0)
    least = 0.5 / rows
    shares = np.maximum(held / others, least)
    found = np.maximum(counts / rows, least)
    added = (found - shares) * np.log(found / shares)
    mean = (chances * added).sum(axis=0)
    return mean, (chances * (added - mean) ** 2).sum(axis=0)
