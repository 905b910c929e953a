"""Is a row plainly like the training rows? A few of them are enough to show it of nearly all rows.

A row is no stranger than the limit where some training row is near enough, whichever it is, and no
value lies too far beyond what training rows hold. That is cheaper to show than how strange it is,
for which the nearest of all has to be found. What is not shown here is judged in full: `show` may
miss an ordinary row, and never shows one that is beyond the limit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairlead.guards.nearest import Nearest
from fairlead.guards.novelty_reasons import Shape

Floats = NDArray[np.float64]

MOST = 48
"""Witnesses: each costs as much at every row, and the later ones speak for few."""
_TRIED = 512
_LEAST_SHARE, _LEAST_SHOWN = 0.005, 0.8
"""Of the training rows that are tried: a witness for fewer is not worth its place, nor are all of
them where they speak for fewer together."""
_UNIT = 2.0**-24
_SAFE = 1e-9


class Witnesses:
    """Training rows near which others are ordinary, for tables of numbers without gaps.

    A row is turned into coordinates as the novelty guard does it, bit by bit, but in another order:
    those that are bent stand last, so that they are one piece.
    """

    def __init__(self, shape: Shape, chosen: Floats, near: float, beyond: float) -> None:
        """chosen: the rows. near: the distance, and beyond: the excess, of what is just ordinary.

        Raises ValueError where distances are not told apart so well in single precision.
        """
        space, bends, ranges = shape.space, shape.bends, shape.ranges
        straight = np.setdiff1d(np.arange(space.width), bends.at)
        self._order: Any = np.concatenate([straight, bends.at])
        self._straight = len(straight)
        mean, scale = space.units_of_numbers
        self._mean, self._scale = mean[self._order], scale[self._order]
        self._bends = bends
        # What rounds in `Ranges.excess` is given away here.
        steps = np.abs(ranges.low / ranges.under) + np.abs(ranges.high / ranges.over)
        spare = _SAFE * (1.0 + steps)
        self._low = (ranges.low - (beyond - spare) * ranges.under)[self._order]
        self._high = (ranges.high + (beyond - spare) * ranges.over)[self._order]
        rows: Any = chosen[:, self._order].astype(np.float32)
        squares = np.vecdot(rows, rows)
        self._matrix = np.ascontiguousarray(np.vstack([-2.0 * rows.T, squares]))
        # |error| <= loose (|x|^2 + |row|^2 + 1), over any order of summation in single precision;
        # the 1 is the last coordinate of `show`.
        loose = 8.0 * (space.width + 5) * _UNIT
        self._grown = np.float32(1.0 + loose)
        longest = float(squares.max(initial=0.0))
        most = near**2 * (1.0 - loose) - loose * (longest + 1.0)
        if most <= 0.0:
            raise ValueError("a row would have to be nearer to a witness than can be shown")
        self._most = np.float32(most + 1.0)

    @property
    def count(self) -> int:
        """How many there are."""
        return self._matrix.shape[1]

    def show(self, table: Any) -> NDArray[np.bool_]:
        """Which rows are no stranger than the limit, as far as it is shown here."""
        placed: Any = table.take(self._order, axis=1) - self._mean
        placed *= self._scale
        inside: Any = placed >= self._low
        inside &= placed <= self._high
        # The place of the least is found several times faster than numpy's `all`.
        if inside.item(inside.argmin()):
            return self._near(placed)
        shown: Any = inside.all(axis=1)
        shown[shown] = self._near(placed[shown])
        return shown

    def _near(self, placed: Any) -> NDArray[np.bool_]:
        """Which rows, of those within the ranges, are near enough to a witness; bends them."""
        if self._straight < len(self._order):
            self._bends.bend(placed[:, self._straight :])
        single: Any = np.empty((len(placed), len(self._matrix)), np.float32)
        single[:, :-1] = placed
        single[:, -1] = 1.0
        # |x - row|^2 + 1, which its last coordinate adds.
        apart = (single @ self._matrix).min(axis=1)
        apart += np.vecdot(single, single) * self._grown
        return apart <= self._most


def witnesses_of(shape: Shape, limit: float) -> Witnesses | None:
    """The witnesses of a guard whose limit is this score; None where they would show too little."""
    nearest = shape.nearest
    if not (shape.space.plain and isinstance(nearest, Nearest) and nearest.neighbour == 1):
        return None
    near, beyond = shape.far.most(limit), shape.out.most(limit)
    if not np.isfinite(limit) or near is None or beyond is None:
        return None
    near, beyond = near * (1.0 - _SAFE), beyond * (1.0 - _SAFE)
    tried = nearest.rows[:_TRIED]
    chosen, shown = _chosen(tried, near)
    if shown < _LEAST_SHOWN:
        return None
    try:
        return Witnesses(shape, tried[chosen], near, beyond)
    except ValueError:
        return None


def _chosen(rows: Floats, near: float) -> tuple[list[int], float]:
    """Of these rows the few that are near enough to most of them, and the share that they are."""
    squares = np.vecdot(rows, rows)
    apart = squares[:, None] + squares - 2.0 * (rows @ rows.T)
    speaks: Any = (apart <= near**2).astype(np.float32)
    left: Any = np.ones(len(rows), np.float32)
    found: list[int] = []
    while len(found) < MOST:
        counts: Any = speaks @ left
        best = int(counts.argmax())  # always the best one next
        if counts[best] < max(1.0, _LEAST_SHARE * len(rows)):
            break
        found.append(best)
        left *= 1.0 - speaks[best]
    return found, 1.0 - float(left.mean())
