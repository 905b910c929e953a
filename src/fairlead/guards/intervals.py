"""Intervals around a regression's answers that hold the truth as often as they say.

Split conformal prediction: the errors on rows whose truth is known say how far an answer may be
off. When a spread per row is given, errors are measured in units of it.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairlead.guards.confidence import COVERAGES

Floats = NDArray[np.float64]
LEAST_ROWS = 10


class Intervals:
    """Learnt intervals. radius: by coverage; infinite where there are too few rows for it."""

    def __init__(self, radii: Floats, rows: int) -> None:
        self._radii = radii
        self.rows = rows

    def radius(self, coverage: float = 0.9) -> float:
        """Half the width at this coverage. Raises ValueError for one that was not learnt."""
        if coverage not in COVERAGES:
            raise ValueError(f"coverage must be one of {', '.join(map(str, COVERAGES))}")
        return float(self._radii[COVERAGES.index(coverage)])

    def around(self, values: Any, coverage: float = 0.9) -> tuple[Floats, Floats]:
        """Lower and upper ends for each answer."""
        given = np.asarray(values, dtype=np.float64)
        radius = self.radius(coverage)
        return given - radius, given + radius

    def to_bytes(self) -> bytes:
        """The guard as an .npz file without any object in it."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, radii=self._radii, rows=np.array(self.rows))
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Intervals:
        """The inverse of `to_bytes`. Raises ValueError or KeyError on anything else."""
        with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:
            return cls(arrays["radii"], int(arrays["rows"]))


def learn_intervals(values: Any, truths: Any) -> Intervals:
    """Learns how far answers are off.

    values, truths: a number per row, (rows,) or (rows, 1); their shapes may differ.

    Raises ValueError for too few rows, no numbers, or answers that are not one per truth.
    """
    # Flat before the difference: (rows, 1) less (rows,) would be every answer less every truth.
    given = np.asarray(values, dtype=np.float64).reshape(-1)
    true = np.asarray(truths, dtype=np.float64).reshape(-1)
    if len(given) != len(true):
        raise ValueError(f"there are {len(given)} answers for {len(true)} true values")
    errors = np.sort(np.abs(given - true))
    if len(errors) < LEAST_ROWS:
        raise ValueError(f"{len(errors)} labelled rows are too few: {LEAST_ROWS} are the least")
    if not np.isfinite(errors).all():
        raise ValueError("answers and truths must be finite numbers")
    count = len(errors)
    ranks = [int(np.ceil(c * (count + 1))) for c in COVERAGES]
    return Intervals(np.array([errors[r - 1] if r <= count else np.inf for r in ranks]), count)
