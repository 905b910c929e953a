"""How rare is a value among training rows, also beyond the largest one seen?"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_KNOTS = 512


class Tail:
    """How rare a value is: minus the logarithm of the share of training rows that reach it.

    knots: values in rising order; heights: their rarity; slope: how it goes on beyond the last.
    """

    def __init__(self, knots: Floats, heights: Floats, slope: float) -> None:
        self.knots, self.heights, self.slope = knots, heights, slope
        gaps = np.maximum(np.diff(knots), 1e-300)
        self._rises = np.append(np.diff(heights) / gaps, slope)
        # The same numbers for one value at a time, where numpy costs more than it saves.
        self._plain: tuple[list[float], ...] = (
            knots.tolist(), heights.tolist(), self._rises.tolist()
        )  # fmt: skip

    @classmethod
    def learn(cls, values: Floats) -> Tail:
        """The tail of these values; it goes on as an exponential of their upper tenth's mean."""
        ordered = np.sort(values)
        count = len(ordered)
        survival = (count - np.arange(count)) / (count + 1)
        heights = -np.log(survival)
        top = ordered[-max(2, count // 10) :]
        spread = float((top - top[0]).mean()) or float(ordered[-1]) or 1.0
        # Evenly spread ranks, and more of them the nearer to the top.
        evenly = np.linspace(0, count - 1, _KNOTS // 2)
        keep = np.unique(np.append(evenly, count - np.geomspace(1, count, _KNOTS // 2)).astype(int))
        # Equal values have the rarity of the most frequent of them.
        knots, first = np.unique(ordered[keep], return_index=True)
        return cls(knots, heights[keep][first], 1.0 / max(spread, 1e-12))

    def of(self, values: Floats) -> Floats:
        """The rarity of each value."""
        at: Any = np.maximum(np.searchsorted(self.knots, values, side="right") - 1, 0)
        beyond = np.maximum(values - self.knots[at], 0.0)
        return self.heights[at] + beyond * self._rises[at]

    def most(self, rarity: float) -> float | None:
        """The largest value that is no rarer than this; None where every value is rarer."""
        knots, heights, rises = self._plain
        at = bisect_right(heights, rarity) - 1
        if at < 0:
            return None
        found = knots[at] + (rarity - heights[at]) / rises[at] if rises[at] > 0.0 else knots[at]
        return min(found, knots[at + 1]) if at + 1 < len(knots) else found

    def of_one(self, value: float) -> float:
        """The rarity of one value: what `of` says, bit by bit."""
        knots, heights, rises = self._plain
        at = max(bisect_right(knots, value) - 1, 0)
        return heights[at] + max(value - knots[at], 0.0) * rises[at]
