"""What counts in two versions prove, however often one looks: bets, and bounds of shares.

A bet multiplies its stake by the likelihood of what was seen, if the odds differed, against the
likelihood if they did not. Without a difference it reaches 1/rate with a chance of at most `rate`,
ever (Ville 1939; Wald 1945 for the ratio as a sequential test).
"""

from __future__ import annotations

from functools import lru_cache
from math import lgamma, log, log1p
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_BISECTIONS = 45
_MOST_TERMS = 1 << 18
"""Of sums that are worked out at once: memory is bounded however many calls there were."""


def log_gains(taken: Any, marked: Any, candidates: Any, stables: Any, log_odds: Any) -> Floats:
    """By how much bets multiply their stake, as logarithms, one for each place of the arrays.

    marked:     calls of both versions that are marked (failed, slow, ...); taken: those of them
                that the candidate served.
    candidates, stables: calls of each version.
    log_odds:   the logarithm of the odds ratio that the bet is on; 0 bets nothing.

    Given how many are marked in all, without a difference `taken` is hypergeometric (Fisher 1935),
    whatever the share of marked calls is now: Fisher's noncentral distribution for the odds ratio
    w against the central one is w^taken / E[w^J]. Where calls are drawn at random this needs no
    independence between calls. A product over windows is a test for stratified counts
    (Turner and Grünwald 2023, arXiv:2302.11401).
    """
    taken, marked = np.asarray(taken, np.int64), np.asarray(marked, np.int64)
    candidates, stables = np.asarray(candidates, np.int64), np.asarray(stables, np.int64)
    odds = np.asarray(log_odds, np.float64)
    most = int(np.minimum(marked, candidates).max(initial=0)) + 1
    logs = _log_factorials(_rounded(int((candidates + stables).max(initial=0)) + 1))
    found = np.zeros(len(odds))
    rows = max(1, _MOST_TERMS // most)
    for start in range(0, len(odds), rows):
        part = slice(start, start + rows)
        ways = _ways(logs, np.arange(most), marked[part], candidates[part], stables[part])
        tilt = _log_sum(ways + odds[part, None] * np.arange(most)) - _log_sum(ways)
        found[part] = odds[part] * taken[part] - tilt
    return found


def _ways(logs: Floats, many: Any, marked: Any, candidates: Any, stables: Any) -> Floats:
    """In how many ways, as logarithms but for a constant, the candidate serves so many of them."""
    rest: Any = marked[:, None] - many
    left: Any = candidates[:, None] - many
    others: Any = stables[:, None] - rest
    possible = (rest >= 0) & (left >= 0) & (others >= 0)
    ways = logs[many] + logs[np.maximum(left, 0)]
    ways = ways + logs[np.maximum(rest, 0)] + logs[np.maximum(others, 0)]
    return np.where(possible, -ways, -np.inf)


def _log_sum(logs: Any) -> Floats:
    top: Any = logs.max(axis=1)
    return top + np.log(np.exp(logs - top[:, None]).sum(axis=1))


def _rounded(count: int) -> int:
    """The next power of two, so that few tables are made."""
    return 1 << max(10, count.bit_length())


@lru_cache(maxsize=4)
def _log_factorials(count: int) -> Floats:
    """The logarithms of 0!, 1!, ... below `count`."""
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, count)))])


def chance(taken: int, marked: int, candidates: int, stables: int) -> float:
    """The chance that the candidate serves at least so many of the marked calls without difference.

    Fisher's exact test, one-sided (Fisher 1935): for one look, at a count that was fixed before.
    """
    most = min(marked, candidates)
    logs = _log_factorials(_rounded(candidates + stables + 1))
    many: Any = np.arange(max(0, marked - stables), most + 1)
    counts = (np.array([each]) for each in (marked, candidates, stables))
    ways: Any = _ways(logs, many, *counts)[0]
    shares: Any = np.exp(ways - ways.max())
    return float(shares[many >= taken].sum() / shares.sum())


def mixed(logs: Floats, weights: Floats) -> float:
    """The logarithm of what bets with these weights are worth together."""
    top = float(logs.max())
    return top + log(float((weights * np.exp(logs - top)).sum()))


# --- bounds -----------------------------------------------------------------------------


def upper(count: int, seen: int, rate: float) -> float:
    """A share that the true one exceeds at any time with a chance of at most `rate`.

    Robbins' confidence sequence with a uniform mixture (Robbins 1970; Howard, Ramdas, McAuliffe
    and Sekhon 2021): the shares whose likelihood ratio against the mixture is above `rate`. The
    whole rate is for this one side.
    """
    if seen >= count:
        return 1.0
    low, high = seen / count, 1.0
    limit = _evidence(count, seen) + log(rate)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if seen * log(max(middle, 1e-300)) + (count - seen) * log1p(-middle) > limit:
            low = middle
        else:
            high = middle
    return high


def lower(count: int, seen: int, rate: float) -> float:
    """A share that the true one falls below at any time with a chance of at most `rate`."""
    return 1.0 - upper(count, count - seen, rate) if count else 0.0


def _evidence(count: int, seen: int) -> float:
    """The logarithm of the likelihood of a sequence under the uniform mixture of all shares."""
    return lgamma(seen + 1) + lgamma(count - seen + 1) - lgamma(count + 2)
