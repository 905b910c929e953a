"""How far is a row from its nearest training row?

All training rows are tried, in single precision, since that is fast. Which of them may be the
nearest follows from a bound on its rounding errors, and those few are measured again in double
precision. So the distance is exact, and the same for a row alone and among others.
"""

from __future__ import annotations

from math import sqrt
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_UNIT = 2.0**-24
"""The relative error of one operation in single precision."""

_LINE = 64
_BLOCK = 512
_ONE_BY_ONE = 3
_MOST_PAIRS = 200_000


class Nearest:
    """Distances to the `neighbour`-th nearest of some rows.

    rows: those rows; only what single precision can hold of them counts.
    """

    def __init__(self, rows: Floats, neighbour: int = 1) -> None:
        single = rows.astype(np.float32)
        self.rows = single.astype(np.float64)
        self.neighbour = neighbour
        squares = np.vecdot(self.rows, self.rows)
        # (x, 1) times it is |row|^2 - 2 x row for every row: their order by nearness to x.
        self._matrix = _aligned(np.vstack([-2.0 * single.T, squares.astype(np.float32)]))
        # |computed - true| <= loose * (2 |x| |row| + |row|^2), over any order of summation.
        loose = 1.01 * (rows.shape[1] + 5) * _UNIT
        longest = sqrt(float(squares.max(initial=0.0)))
        # Twice the bound, where |x| <= |x - row| + |row| for any row.
        self._slack_per_distance = 4.0 * loose * longest
        self._least_slack = 6.0 * loose * longest**2
        self._places = np.arange(_BLOCK) * len(rows)

    def distances(self, placed: Floats) -> Floats:
        """One distance for each row."""
        if len(placed) <= _BLOCK:
            return self._distances(placed)
        parts = [placed[at : at + _BLOCK] for at in range(0, len(placed), _BLOCK)]
        return np.concatenate([self._distances(part) for part in parts])

    def distance_of_one(self, row: Floats) -> float:
        """As `distances`, bit by bit, for a single row: few and small numpy calls."""
        if self.neighbour != 1:
            return float(self._distances(row[None])[0])
        single: Any = np.empty(len(row) + 1, np.float32)
        single[:-1] = row
        single[-1] = 1.0
        near = single.dot(self._matrix)
        first = near.argmin()
        apart: Any = self.rows[first] - row
        distance = sqrt(apart.dot(apart))
        limit = near.item(first) + self._slack(distance)
        near[first] = np.inf
        if near.item(near.argmin()) <= limit:
            return float(self._candidates(row[None])[0])
        return distance

    def _slack(self, distance: Any) -> Any:
        """How much later than the first a row may seem to be and still be the nearest.

        distance: from the row to any that is kept. The row is no longer than that and the longest.
        """
        return self._slack_per_distance * distance + self._least_slack

    def _near(self, placed: Floats) -> Any:
        single: Any = np.empty((len(placed), len(self._matrix)), np.float32)
        single[:, :-1] = placed
        single[:, -1] = 1.0
        if len(placed) > _ONE_BY_ONE:
            return single @ self._matrix
        # A product of very few rows costs more than so many products of one.
        near = np.empty((len(placed), self._matrix.shape[1]), np.float32)
        for row, found in zip(single, near, strict=True):
            np.dot(row, self._matrix, out=found)
        return near

    def _distances(self, placed: Floats) -> Floats:
        if self.neighbour != 1:
            return self._candidates(placed)
        near = self._near(placed)
        first = near.argmin(axis=1)
        flat = near.reshape(-1)
        starts = self._places[: len(placed)]
        at = starts + first
        apart = cast("Floats", self.rows.take(first, axis=0)) - placed
        found = np.sqrt(np.vecdot(apart, apart))
        limits = flat.take(at) + self._slack(found)
        flat[at] = np.inf
        others = flat.take(starts + near.argmin(axis=1))
        unclear: Any = others <= limits
        if np.count_nonzero(unclear):
            found[unclear] = self._candidates(placed[unclear])
        return found

    def _candidates(self, placed: Floats) -> Floats:
        """As `_distances`, where several rows may be the nearest one, or it is not the first."""
        near = self._near(placed)
        place = self.neighbour - 1
        best: Any = near.min(axis=1) if place == 0 else np.partition(near, place, axis=1)[:, place]
        limits = (best + self._slack(np.sqrt(np.vecdot(placed, placed))))[:, None]
        # One step up: a limit in single precision must not be below the exact one.
        flat = np.flatnonzero(near <= np.nextafter(limits.astype(np.float32), np.float32(np.inf)))
        return self._measured(placed, flat, near.shape[1])

    def _measured(self, placed: Floats, flat: Any, width: int) -> Floats:
        """The exact distance, given as flat positions the pairs that may be it."""
        of, to = np.divmod(flat, width)
        exact = np.empty(len(flat))
        for at in range(0, len(flat), _MOST_PAIRS):
            part = slice(at, at + _MOST_PAIRS)
            apart = self.rows[to[part]] - placed[of[part]]
            exact[part] = np.vecdot(apart, apart)
        starts = np.searchsorted(of, np.arange(len(placed)))
        if self.neighbour > 1:
            exact = exact[np.lexsort((exact, of))]
            return np.sqrt(exact[starts + self.neighbour - 1])
        return np.sqrt(np.minimum.reduceat(exact, starts))


def _aligned(matrix: Any) -> Any:
    """The same matrix at an address that products read in whole lines: up to twice as fast."""
    room = np.empty(matrix.nbytes + _LINE, np.uint8)
    start = -room.ctypes.data % _LINE
    found = room[start : start + matrix.nbytes].view(matrix.dtype).reshape(matrix.shape)
    found[:] = matrix
    return found
