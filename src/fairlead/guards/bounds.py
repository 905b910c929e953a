"""What few observations allow one to promise: exact binomial tails and the bounds made of them."""

from __future__ import annotations

from math import exp, lgamma, log, log1p


def at_least(count: int, least: int, chance: float) -> float:
    """The probability that at least `least` of `count` independent events of this chance happen."""
    if least <= 0:
        return 1.0
    if least > count or chance <= 0.0:
        return 0.0
    if chance >= 1.0:
        return 1.0
    if least > count * chance:
        return sum(_exactly(count, k, chance) for k in range(least, count + 1))
    return max(0.0, 1.0 - sum(_exactly(count, k, chance) for k in range(least)))


def _exactly(count: int, k: int, chance: float) -> float:
    ways = lgamma(count + 1) - lgamma(k + 1) - lgamma(count - k + 1)
    return exp(ways + k * log(chance) + (count - k) * log1p(-chance))


def upper_bound(count: int, seen: int, confidence: float = 0.95) -> float:
    """The largest chance that `seen` of `count` events still allow (Clopper and Pearson 1934).

    The true chance lies below it with at least this confidence, whatever it is.
    """
    if seen >= count:
        return 1.0
    low, high = seen / count, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        # P(at most `seen`) falls as the chance rises; the bound is where it reaches 1-confidence.
        if 1.0 - at_least(count, seen + 1, middle) > 1.0 - confidence:
            low = middle
        else:
            high = middle
    return high


def shows(count: int, seen: int, most: float, confidence: float = 0.95) -> bool:
    """Whether `seen` of `count` events show with this confidence a chance of at most `most`.

    The same as `upper_bound(count, seen, confidence) <= most`, without the search for the bound.
    """
    if seen >= count:
        return most >= 1.0
    return 1.0 - at_least(count, seen + 1, most) <= 1.0 - confidence


def assured_rank(count: int, rate: float, confidence: float = 0.95) -> int:
    """The largest rank whose true false-alarm rate is at most `rate` with this confidence.

    With `rank` of `count` calibration scores at or above the threshold, the true rate is
    Beta(rank, count + 1 - rank) distributed, and at most `rate` with the probability that at least
    `rank` of `count` events of that chance happen. 0 when no rank will do.
    """
    best = 0
    for rank in range(1, int(rate * (count + 1)) + 1):
        if at_least(count, rank, rate) < confidence:
            break
        best = rank
    return best
