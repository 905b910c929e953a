"""The shares of a watched column as a person looks at them: few bars, each with a name."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isinf

from fairlead.guards.drift_columns import MISSING, UNSEEN, Watched
from fairlead.guards.drift_words import between, limits, single

_BARS = 24
_MOST_NAMED = 12
"""Of a column of categories; the others are one bar together."""


@dataclass(frozen=True, slots=True)
class Bar:
    """The share of a column that has these values: in the rows learnt from, and in a window.

    beside: it is no value of the column's scale: missing, none that was known, or many together.
    """

    label: str
    learnt: float
    now: float
    beside: bool = False


def bars(watched: Watched, now: Sequence[float] | None) -> list[Bar]:
    """The bars of a column. Missing and other values have one where there are any.

    now: the shares of the bins in a window; None when none has ended: the bars have 0 then.
    """
    learnt: list[float] = watched.shares.tolist()
    now = now or [0.0] * watched.bins
    if watched.edges is None:
        found = _category_bars(list(watched.categories), learnt, now)
    else:
        edges: list[float] = watched.edges.tolist()
        few = _bin_bars if _few_values(edges) else _equal_bars
        found = few(edges, learnt, now)
    for place, label in ((MISSING, "missing"), (UNSEEN, "other values")):
        if learnt[place] or now[place]:
            found.append(Bar(label, learnt[place], now[place], beside=True))
    return found


def _category_bars(
    names: Sequence[str], learnt: Sequence[float], now: Sequence[float]
) -> list[Bar]:
    most = sorted(range(len(names)), key=lambda place: -max(learnt[place], now[place]))
    shown = most if len(most) <= _MOST_NAMED else most[: _MOST_NAMED - 1]
    found = [Bar(names[place], learnt[place], now[place]) for place in sorted(shown)]
    rest = most[len(shown) :]
    if rest:
        before, after = (sum(shares[place] for place in rest) for shares in (learnt, now))
        found.append(Bar(f"{len(rest)} more", before, after, beside=True))
    return found


def _few_values(edges: Sequence[float]) -> bool:
    """Whether the rows held few distinct numbers, or nearly all of them the same."""
    alone = sum(map(single, edges[:-1], edges[1:]))
    return len(edges) < _MOST_NAMED or 2 * alone == len(edges) <= 2 * _BARS


def _bin_bars(edges: Sequence[float], learnt: Sequence[float], now: Sequence[float]) -> list[Bar]:
    """A bar for each bin that any row is in."""
    found: list[Bar] = []
    for place, (low, high) in enumerate(pairwise(limits(edges))):
        if learnt[place] or now[place]:
            found.append(Bar(between(low, high), learnt[place], now[place]))
    return found


def _equal_bars(edges: Sequence[float], learnt: Sequence[float], now: Sequence[float]) -> list[Bar]:
    """Bars of equal width between the outer edges, and one on either side for what lies beyond.

    Within a bin, values are taken to be spread evenly.
    """
    low, high = edges[0], edges[-1]
    width = high / _BARS - low / _BARS
    steps = [low + i * width for i in range(_BARS)] + [high]
    before, after = (_spread(edges, shares, steps) for shares in (learnt, now))
    return [
        Bar(between(left, right), before[place], after[place])
        for place, (left, right) in enumerate(pairwise(limits(steps)))
    ]


def _spread(edges: Sequence[float], shares: Sequence[float], steps: Sequence[float]) -> list[float]:
    """Shares of bins with these edges, as shares of bars with those."""
    found = [shares[0], *[0.0] * (len(steps) - 1), shares[len(edges)]]
    # Half of the largest numbers, so that their differences are numbers too.
    scale = 0.5 if isinf(edges[-1] - edges[0]) else 1.0
    halves = [scale * step for step in steps]
    for place, (low, high) in enumerate(pairwise(edges), start=1):
        if single(low, high):
            found[bisect_right(steps, low)] += shares[place]
            continue
        start, stop = scale * low, scale * high
        for bar in range(bisect_right(halves, start), len(steps)):
            left, right = halves[bar - 1], halves[bar]
            if left >= stop:
                break
            common = min(stop, right) - max(start, left)
            found[bar] += shares[place] * (common / (stop - start))
    return found
