"""What a count of hits proves about the rate behind it."""

from __future__ import annotations

from math import inf, lgamma, log, sqrt

Z_95 = 1.959963984540054
"""Of a normal distribution, 95 % lie within so many standard deviations of the mean."""
_STEPS = 60


def wilson(hits: int, count: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson's score interval of a rate (Wilson 1927), 95 % by default; (0, 1) of nothing."""
    if not count:
        return 0.0, 1.0
    rate, square = hits / count, z * z / count
    middle = (rate + square / 2) / (1 + square)
    half = z * sqrt(rate * (1 - rate) / count + square / 4 / count) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def mean_interval(total: float, squares: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a mean from a sum and a sum of squares, by the normal distribution."""
    if count < 2:
        return -inf, inf
    mean = total / count
    spread = max(0.0, (squares - count * mean * mean) / (count - 1))
    half = Z_95 * sqrt(spread / count)
    return mean - half, mean + half


def against(hits: int, count: int, rate: float) -> float:
    """The logarithm of the evidence that the rate behind these hits is not `rate`.

    Every rate is betted on alike beforehand (Ville 1939; Robbins 1970). If the rate is the true
    one, the evidence ever reaches 1/a, however often one looks, with a probability of at most a.
    """
    if not 0.0 < rate < 1.0:
        return 0.0 if hits == rate * count else inf
    missed = count - hits
    mixed = lgamma(hits + 1) + lgamma(missed + 1) - lgamma(count + 2)
    return mixed - hits * log(rate) - missed * log(1 - rate)


def lowest(hits: int, count: int, doubt: float) -> float:
    """The lowest rate that these hits leave possible, wrong with a probability of `doubt`."""
    low, high = 0.0, hits / count if count else 0.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if against(hits, count, middle) >= log(1 / doubt):
            low = middle
        else:
            high = middle
    return low


def is_below(hits: int, count: int, rate: float, doubt: float) -> bool:
    """Whether the rate behind these hits is below `rate`, wrong with a probability of `doubt`.

    It may be asked after every hit: the probability is that of ever being wrong.
    """
    return count > 0 and hits < rate * count and against(hits, count, rate) >= log(1 / doubt)
