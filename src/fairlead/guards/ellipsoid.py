"""How far is a row from the middle of all training rows, in units of how they spread?

The distance of Mahalanobis (1936), with the covariance drawn towards an equal one as far as few
rows make it uncertain (Chen, Wiesel, Eldar and Hero 2010). It takes no training row to be measured,
only their mean and covariance.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST_WIDTH = 512
"""With more coordinates each has its own variance, and how they hang together is not learnt."""

_LEAST_SHRUNK = 1e-4
"""So much of the equal covariance stays, so that what never varies has a distance too."""


class Ellipsoid:
    """Distances in units of spread.

    mean: of the rows. whitening: a matrix that makes their covariance one, or one factor for each
    coordinate.
    """

    rows: Floats = np.zeros((0, 0))
    """It holds none."""

    neighbour = 0

    def __init__(self, mean: Floats, whitening: Floats) -> None:
        self.mean = mean
        self.whitening = whitening
        self._across = np.ascontiguousarray(whitening.T)
        self._precision = whitening @ whitening.T if whitening.ndim == 2 else whitening**2

    def distances(self, placed: Floats) -> Floats:
        """One distance for each row; each as if it were alone, bit by bit."""
        return np.array([self.distance_of_one(row) for row in placed])

    def distance_of_one(self, row: Floats) -> float:
        """The distance of a single row."""
        apart = row - self.mean
        white: Any = self._across.dot(apart) if self._across.ndim == 2 else self._across * apart
        return sqrt(white.dot(white))

    def parted(self, row: Floats, parts: Sequence[slice]) -> tuple[float, Floats]:
        """The squared distance, and by how much it would fall if the row were free in each part.

        Free to take whatever values fit the others best. parts: one after the other, none left out.
        """
        apart = row - self.mean
        starts = np.array([part.start for part in parts])
        if self._precision.ndim == 1:
            squares = self._precision * apart**2
            return float(squares.sum()), np.add.reduceat(squares, starts)
        pull = self._precision @ apart
        falls: Floats = pull[starts] ** 2 / self._precision[starts, starts]
        solve: Any = np.linalg.solve
        for place, part in enumerate(parts):
            if part.stop - part.start > 1:
                falls[place] = pull[part] @ solve(self._precision[part, part], pull[part])
        return float(apart @ pull), falls


def learn_ellipsoid(placed: Floats) -> Ellipsoid:
    """Mean and shrunk covariance of these rows."""
    count, width = placed.shape
    mean: Floats = placed.mean(axis=0)
    apart = placed - mean
    if width > MOST_WIDTH:
        variance: Floats = (apart**2).mean(axis=0)
        floor = _LEAST_SHRUNK * (float(variance.mean()) or 1.0)
        return Ellipsoid(mean, 1.0 / np.sqrt(variance + floor))
    covariance: Floats = apart.T @ apart / count
    trace, squares = float(np.trace(covariance)), float((covariance**2).sum())
    # The oracle approximating shrinkage: equation 23 of Chen et al.
    above = (1.0 - 2.0 / width) * squares + trace**2
    below = (count + 1.0 - 2.0 / width) * (squares - trace**2 / width)
    share = min(1.0, above / below) if below > 0.0 else 1.0
    share = max(share, _LEAST_SHRUNK)
    equal = (trace / width) or 1.0
    shrunk = (1.0 - share) * covariance + share * equal * np.eye(width)
    values, vectors = np.linalg.eigh(shrunk)
    return Ellipsoid(mean, vectors / np.sqrt(np.maximum(values, _LEAST_SHRUNK**2 * equal)))
