"""How far does a row lie beyond what training rows hold, in steps that are usual there?

Beyond the largest value of a column of weights another kilogramme is nothing; beyond the largest of
a column of shares another hundredth may be impossible. So the excess of each coordinate is counted
in units of its own: how far its largest training values lie above those just below them. Were its
tail an exponential, a new largest value would exceed the old by one unit on average.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NEVER_EXCESS = 25.0
"""The excess of what training rows never show, such as another value in a constant column."""

_ROUNDING = 1e-9
"""A value that is the largest one seen lies beyond it by as much as floats are rounded."""

_TOP_SHARE, _LEAST_TOP, _MOST_TOP = 0.02, 5, 100


@dataclass(slots=True)
class Ranges:
    """low, high: by coordinate, of the training rows. under, over: the units below and above."""

    low: Floats
    high: Floats
    under: Floats
    over: Floats
    _slopes: Floats
    _starts: Floats

    @classmethod
    def of(cls, low: Floats, high: Floats, under: Floats, over: Floats) -> Ranges:
        """Ranges from their four rows of numbers."""
        slopes = np.stack([1.0 / over, -1.0 / under])
        starts = np.stack([-high / over, low / under])
        return cls(low, high, under, over, slopes, starts)

    def table(self) -> Floats:
        """All numbers, one row each, for the disk; `of` takes them back."""
        return np.stack([self.low, self.high, self.under, self.over])

    def excess(self, placed: Floats) -> Floats:
        """The largest excess of each row; 0 inside."""
        beyond: Any = placed[:, None, :] * self._slopes
        beyond += self._starts
        rows, width = len(placed), 2 * len(self.low)
        starts = np.arange(0, rows * width, width)
        most = beyond.reshape(-1).take(starts + beyond.reshape(-1, width).argmax(axis=1))
        most[most <= _ROUNDING] = 0.0
        return most

    def excess_of_one(self, row: Floats) -> float:
        """As `excess`, bit by bit, for a single row: few numpy calls."""
        beyond: Any = row * self._slopes
        beyond += self._starts
        # The place of the largest is found several times faster than numpy's maximum.
        most: float = beyond.item(beyond.argmax())
        return most if most > _ROUNDING else 0.0

    def each(self, row: Floats) -> Floats:
        """The excess of every coordinate of a row; exactly 0 inside."""
        above = np.maximum(row - self.high, 0.0) / self.over
        return above + np.maximum(self.low - row, 0.0) / self.under


def learn_ranges(placed: Floats, least: Floats, fixed: Floats) -> tuple[Ranges, Floats]:
    """The ranges of these rows, and how far each lies beyond all others.

    least, fixed: by coordinate the smallest unit, and one that is given (NaN where none is).
    """
    count = len(placed)
    top = min(max(_LEAST_TOP, int(_TOP_SHARE * count)), _MOST_TOP, count // 2)
    ordered = np.sort(placed, axis=0)
    low, high = ordered[0].copy(), ordered[-1].copy()
    over = np.maximum(ordered[-top:].mean(axis=0) - ordered[-top - 1], least)
    under = np.maximum(ordered[top] - ordered[:top].mean(axis=0), least)
    given = ~np.isnan(fixed)
    over[given] = under[given] = fixed[given]
    ranges = Ranges.of(low, high, under, over)
    above = np.where(placed >= high, (placed - ordered[-2]) / over, 0.0)
    below = np.where(placed <= low, (ordered[1] - placed) / under, 0.0)
    return ranges, np.maximum(above, below).max(axis=1, initial=0.0)
