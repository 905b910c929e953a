"""Many thousand numbers as 256 sums, in which what is far apart stays far apart.

Every number is added to one of the sums or taken from it (a sparse random projection: Charikar,
Chen and Farach-Colton 2002; Achlioptas 2003). One absurd number moves one sum, and is not thinned
out over all of them as it is where every sum holds every number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SUMS = 256
_SEED = 0
_MOST_ROWS = 2000
"""So many rows tell well enough where numbers lie."""

_LEAST_SCALE = 1e-3
"""Of the usual deviation: a number that hardly ever changes counts no more than this."""


class Sketch:
    """How numbers become sums: the same for the same width, whoever makes it.

    mean, scale: where each number usually lies, and how far it usually strays from there.
    """

    def __init__(self, mean: NDArray[np.float32], scale: NDArray[np.float32]) -> None:
        self.mean, self.scale = mean, scale
        random = np.random.default_rng(_SEED)
        self._order: Any = random.permutation(len(mean))
        ends: Any = np.arange(SUMS + 1) * len(mean) // SUMS
        self._starts, counts = ends[:-1], np.diff(ends)
        signs: Any = random.choice([-1.0, 1.0], len(mean))
        self._weights = signs / np.repeat(np.sqrt(counts), counts) / scale[self._order]
        self._middle = mean[self._order].astype(np.float64)

    @property
    def width(self) -> int:
        """How many numbers a row has."""
        return len(self.mean)

    def sums(self, rows: Any) -> Floats:
        """The sums of rows of (count, width) numbers: (count, SUMS), of deviation about one."""
        moved = np.asarray(rows, dtype=np.float64)[:, self._order]
        moved -= self._middle
        moved *= self._weights
        # What is missing adds nothing: it counts as what is usual.
        moved[np.isnan(moved)] = 0.0
        add: Any = np.add.reduceat
        return add(moved, self._starts, axis=1)


def learn_sketch(rows: Any) -> Sketch:
    """The sketch of rows of (count, width) numbers, of which there are at least SUMS."""
    table = np.asarray(rows)[:_MOST_ROWS].astype(np.float64)
    there = np.isfinite(table)
    table[~there] = 0.0
    counts = np.maximum(there.sum(axis=0), 1)
    mean = table.sum(axis=0) / counts
    table -= mean * there
    scale = np.sqrt((table * table).sum(axis=0) / counts)
    moving = scale[scale > 0]
    usual = float(np.median(moving)) if len(moving) else 1.0
    least = max(usual * _LEAST_SCALE, float(np.finfo(np.float32).tiny))
    return Sketch(mean.astype(np.float32), np.maximum(scale, least).astype(np.float32))
