"""How a server's rate grows with its callers: the universal scalability law, fitted to points.

X(n) = a n / (1 + s (n - 1) + k n (n - 1)). Divided out, n / X is linear in 1/a, s/a and k/a, so
the fit is one small system of equations. Every point counts by its relative difference, and
neither s nor k is negative: then a part of the law is left out, and what remains is fitted alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import inf, sqrt

from fairlead.costs.profile import Point, Scaling

_TERMS = 3
_SINGULAR = 1e-12


def fit(points: Sequence[Point]) -> Scaling:
    """The law that is nearest to the points, by least squares of relative differences.

    One point gives a law without contention. Raises ValueError without any point, or where a rate
    or a number of callers is not above zero.
    """
    if not points or any(p.calls_per_s <= 0 or p.callers < 1 for p in points):
        raise ValueError("no points, or points without a rate")
    # Each row times what is sought shall be 1: n / X = A + B (n - 1) + C n (n - 1), divided by it.
    rows = [
        [
            p.calls_per_s / p.callers * term
            for term in (1, p.callers - 1, p.callers * (p.callers - 1))
        ]
        for p in points
    ]
    found = min(_candidates(rows), key=lambda terms: _error(rows, terms))
    made = Scaling(1 / found[0], found[1] / found[0], found[2] / found[0], 0.0)
    worst = max(abs(rate(made, p.callers) - p.calls_per_s) / p.calls_per_s for p in points)
    return Scaling(made.a, made.s, made.k, worst)


def rate(law: Scaling, callers: float) -> float:
    """Calls per second that so many callers get."""
    return law.a * callers / (1 + law.s * (callers - 1) + law.k * callers * (callers - 1))


def most_useful(law: Scaling) -> float:
    """The number of callers beyond which more get less in all; infinity where there is none."""
    if law.s >= 1:
        return 1.0 if law.k > 0 or law.s > 1 else inf
    return max(1.0, sqrt((1 - law.s) / law.k)) if law.k > 0 else inf


def _candidates(rows: Sequence[Sequence[float]]) -> list[tuple[float, ...]]:
    """The best fit of every choice of terms, where it is one: the first positive, none negative."""
    found: list[tuple[float, ...]] = []
    for count in range(_TERMS):
        for others in combinations(range(1, _TERMS), count):
            chosen = (0, *others)
            solved = _solve([[row[term] for term in chosen] for row in rows])
            if solved is not None and solved[0] > 0 and all(value >= 0 for value in solved):
                terms = dict(zip(chosen, solved, strict=True))
                found.append(tuple(terms.get(term, 0.0) for term in range(_TERMS)))
    return found


def _error(rows: Sequence[Sequence[float]], terms: Sequence[float]) -> float:
    return sum((1 - sum(map(float.__mul__, row, terms))) ** 2 for row in rows)


def _solve(rows: Sequence[Sequence[float]]) -> list[float] | None:
    """What times each row comes nearest to 1; None where the points do not tell."""
    size = len(rows[0])
    scale = [max(abs(row[i]) for row in rows) for i in range(size)]
    if not all(scale):
        return None
    scaled = [[value / most for value, most in zip(row, scale, strict=True)] for row in rows]
    table = [
        [sum(row[i] * row[j] for row in scaled) for j in range(size)] + [sum(r[i] for r in scaled)]
        for i in range(size)
    ]
    for step in range(size):
        pivot = max(range(step, size), key=lambda i, step=step: abs(table[i][step]))
        if abs(table[pivot][step]) < _SINGULAR:
            return None
        table[step], table[pivot] = table[pivot], table[step]
        for other in range(size):
            if other != step:
                share = table[other][step] / table[step][step]
                pairs = zip(table[other], table[step], strict=True)
                table[other] = [value - share * taken for value, taken in pairs]
    return [table[i][size] / table[i][i] / scale[i] for i in range(size)]
