"""How far is a row from its nearest training row?

All training rows are tried, in single precision, since that is fast. Which of them may be the
nearest follows from a bound on its rounding errors, and those few are measured again in double
precision. So the distance is exact, and the same for a row alone and among others.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_UNIT = 2.0**-24
"""The relative error of one operation in single precision."""

_BLOCK = 512
_MOST_PAIRS = 200_000


class Nearest:
    """Distances to the `neighbour`-th nearest of some rows.

    rows: those rows; only what single precision can hold of them counts.
    """

    def __init__(self, rows: Floats, neighbour: int = 1) -> None:
        single = rows.astype(np.float32)
        self.rows = single.astype(np.float64)
        self.neighbour = neighbour
        squares = np.einsum("ij,ij->i", self.rows, self.rows)
        self._squares = squares.astype(np.float32)
        self._minus_twice = np.ascontiguousarray(-2.0 * single.T)
        # |computed - true| <= loose * (2 |x| |row| + |row|^2), over any order of summation.
        self._loose = 1.01 * (rows.shape[1] + 5) * _UNIT
        self._longest = sqrt(float(squares.max(initial=0.0)))

    def distances(self, placed: Floats) -> Floats:
        """One distance for each row."""
        if len(placed) <= _BLOCK:
            return self._distances(placed)
        parts = [placed[at : at + _BLOCK] for at in range(0, len(placed), _BLOCK)]
        return np.concatenate([self._distances(part) for part in parts])

    def distance_of_one(self, row: Floats) -> float:
        """As `distances`, for a single row: few and small numpy calls."""
        near = row.astype(np.float32) @ self._minus_twice
        near += self._squares
        if self.neighbour != 1:
            return float(self._distances(row[None])[0])
        first = int(near.argmin())
        slack = self._slack(sqrt(float(row @ row)))
        if np.count_nonzero(near <= float(near[first]) + slack) > 1:
            return float(self._distances(row[None])[0])
        apart = self.rows[first] - row
        return sqrt(float(apart @ apart))

    def _slack(self, length: Any) -> Any:
        """How much later than the first a row may seem to be and still be the nearest."""
        return 2.0 * self._loose * self._longest * (2.0 * length + self._longest)

    def _distances(self, placed: Floats) -> Floats:
        near = placed.astype(np.float32) @ self._minus_twice
        near += self._squares
        place = self.neighbour - 1
        best: Any = near.min(axis=1) if place == 0 else np.partition(near, place, axis=1)[:, place]
        slack = self._slack(np.sqrt(np.einsum("ij,ij->i", placed, placed)))
        limits = (best + slack)[:, None]
        flat = np.flatnonzero(near <= limits.astype(np.float32))
        return self._measured(placed, flat, near.shape[1])

    def _measured(self, placed: Floats, flat: Any, width: int) -> Floats:
        """The exact distance, given as flat positions the pairs that may be it."""
        of, to = np.divmod(flat, width)
        exact = np.empty(len(flat))
        for at in range(0, len(flat), _MOST_PAIRS):
            part = slice(at, at + _MOST_PAIRS)
            apart = self.rows[to[part]] - placed[of[part]]
            exact[part] = np.einsum("ij,ij->i", apart, apart)
        starts = np.searchsorted(of, np.arange(len(placed)))
        if self.neighbour > 1:
            exact = exact[np.lexsort((exact, of))]
            return np.sqrt(exact[starts + self.neighbour - 1])
        return np.sqrt(np.minimum.reduceat(exact, starts))
