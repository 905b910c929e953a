"""The bins in which latencies and answers are counted, the same in every worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isfinite, log
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fairlead.guards.drift_columns import watch

Counts = NDArray[np.int64]

MOST_CLASSES = 64
"""Of more classes those that far apart are counted as one."""
_MOST_EDGES = 512

# --- latencies ---------------------------------------------------------------------------

_SHORTEST_S, _LONGEST_S, _STEP = 1e-5, 600.0, 1.05
LATENCY_BINS = ceil(log(_LONGEST_S / _SHORTEST_S) / log(_STEP)) + 2
"""Each is 5 % wide, from 10 µs to 10 minutes; the first and the last hold what is beyond."""


def latency_places(seconds: Any) -> Counts:
    """The bin of each of these latencies, in seconds; what is no number is in the last."""
    held = np.maximum(np.asarray(seconds, dtype=np.float64), _SHORTEST_S / 2)
    places = np.floor(np.log(held / _SHORTEST_S) / log(_STEP)) + 1
    bounded = np.clip(np.nan_to_num(places, nan=LATENCY_BINS), 0, LATENCY_BINS - 1)
    return bounded.astype(np.int64)


def latency_edge(place: int) -> float:
    """Seconds at which this bin begins; 0 for the first."""
    return 0.0 if place <= 0 else _SHORTEST_S * _STEP ** (place - 1)


def bins_within(factor: float) -> int:
    """How many bins a latency moves at most when it grows by this factor."""
    return max(1, int(log(factor) / log(_STEP) + 1e-9))


# --- answers -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bins:
    """How answers are counted: by class, or numbers between edges.

    classes: how many classes there are, 0 for numbers.
    edges:   between the bins of numbers, ascending; a bin holds its lower edge.

    The last bin holds what is no class and no number. Raises ValueError for bins that cannot be.
    """

    classes: int = 0
    edges: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip(self.edges, self.edges[1:], strict=False))
        finite = all(map(isfinite, self.edges))
        if self.classes < 0 or len(self.edges) > _MOST_EDGES or not rising or not finite:
            raise ValueError("no bins of answers")
        if bool(self.classes) == bool(self.edges):
            raise ValueError("answers are classes or numbers")

    @property
    def size(self) -> int:
        """How many bins there are, the last one included."""
        return (min(self.classes, MOST_CLASSES) if self.classes else len(self.edges) + 1) + 1

    def places(self, answers: Any) -> Counts:
        """The bin of each answer: the position of a class, or a number."""
        given = np.asarray(answers, dtype=np.float64)
        if self.classes:
            known = (given >= 0) & (given < self.classes)
            folded = np.where(known, given, 0).astype(np.int64) % MOST_CLASSES
            return np.where(known, folded, self.size - 1)
        found = np.searchsorted(np.array(self.edges), given, side="right")
        return np.where(np.isnan(given), self.size - 1, found).astype(np.int64)

    def count(self, answers: Any) -> Counts:
        """How many of these answers are in each bin."""
        return np.bincount(self.places(answers), minlength=self.size)

    def to_json(self) -> dict[str, Any]:
        return {"classes": self.classes, "edges": list(self.edges)}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Bins:
        """The inverse of `to_json`. Raises ValueError, KeyError or TypeError on anything else."""
        edges = cast("Sequence[float]", told["edges"])
        return cls(int(told["classes"]), tuple(float(edge) for edge in edges))


def bins_of_numbers(answers: Any) -> Bins | None:
    """Bins that hold about equally many of these numbers, or None where they are all missing.

    answers: what the stable version has answered, or its evaluation rows.
    """
    edges = watch("answers", np.asarray(answers, dtype=np.float64), "prediction").edges
    if edges is None or not len(edges):
        return None
    kept = edges[np.isfinite(edges)].tolist()
    return Bins(edges=tuple(kept[:_MOST_EDGES])) if kept else None
