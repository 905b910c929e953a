"""Columns with long tails, such as money, on a scale on which distances mean something.

On its own scale such a column is one value for nearly all rows and a huge one for a few. Its
inverse hyperbolic sine is a logarithm far out and straight near its centre, whatever the sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_HEAVY = 8.0
"""A kurtosis (3 for a normal, 9 for an exponential) from which a column is tried bent."""

_FARTHEST = 5.0
"""No training value of a bent column lies farther from its mean, in deviations."""


@dataclass(slots=True)
class Bends:
    """The bent coordinates, and their numbers in the same order.

    A bent value is (arcsinh((value - centre) * steep) - mean) * scale.
    """

    at: NDArray[np.intp]
    centre: Floats
    steep: Floats
    mean: Floats
    scale: Floats

    def rows(self, placed: Floats) -> Floats:
        """Rows with these coordinates bent; the same array when there are none."""
        if not len(self.at):
            return placed
        bent: Any = placed.copy()
        found: Any = placed.take(self.at, axis=-1)
        self.bend(found)
        # Numpy's `...` costs as much as all of the above.
        if placed.ndim == 1:
            bent[self.at] = found
        else:
            bent[:, self.at] = found
        return bent

    def bend(self, values: Floats) -> None:
        """Bends values of these coordinates alone, in their order and in place."""
        values -= self.centre
        values *= self.steep
        np.arcsinh(values, out=values)
        values -= self.mean
        values *= self.scale

    def table(self) -> Floats:
        """All numbers, one row each, for the disk."""
        rows = [self.at.astype(np.float64), self.centre, self.steep, self.mean, self.scale]
        return np.stack(rows)

    @classmethod
    def from_table(cls, table: Floats) -> Bends:
        """The inverse of `table`."""
        return cls(table[0].astype(np.intp), table[1], table[2], table[3], table[4])


def learn_bends(placed: Floats, numbers: list[int], zeros: Floats) -> Bends:
    """Which coordinates to bend, and how.

    numbers: coordinates that are numbers; zeros: where their zero lies.
    """
    kept: list[list[float]] = []
    for at, zero in zip(numbers, zeros.tolist(), strict=True):
        values = placed[:, at]
        straight = kurtosis(values)
        if straight < _HEAVY:
            continue
        centre, steep = _shape(values, zero)
        bent = np.arcsinh((values - centre) * steep)
        mean, spread = float(bent.mean()), float(bent.std())
        if spread > 0.0:
            # A value that one row in thousands holds is rare, not so many deviations far away.
            farthest = float(np.abs(bent - mean).max()) / spread
            scale = min(1.0, _FARTHEST / farthest) / spread
            kept.append([at, centre, steep, mean, scale])
    return Bends.from_table(np.array(kept).T if kept else np.zeros((5, 0)))


def kurtosis(values: Floats) -> float:
    """The fourth moment in units of the second squared; 0 for a constant."""
    apart = values - values.mean()
    spread = float((apart**2).mean())
    return float((apart**4).mean()) / spread**2 if spread > 1e-12 else 0.0


def _shape(values: Floats, zero: float) -> tuple[float, float]:
    """Centre and steepness: from zero for what is never negative, else from the median."""
    positive = values[values > zero + 1e-9]
    if values.min() >= zero - 1e-9 and len(positive):
        return zero, 1.0 / max(float(np.quantile(positive, 0.1)) - zero, 1e-6)
    low, centre, high = np.quantile(values, [0.25, 0.5, 0.75])
    usual = float(high - low) / 1.349 or float(np.abs(values - centre).mean())
    return float(centre), 1.0 / max(usual, 1e-6)
