"""What two versions made of the same calls: how often they agree, and how far apart they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fairlead.rollout.bins import Bins, Counts
from fairlead.rollout.evidence import dense, sparse

FORMAT = 1
_SMALLEST, _DIFFERENCES = 1e-9, 33
"""Relative differences in bins twice as wide each, from 1e-9 to 2; the first holds none at all."""


class Pairs:
    """Calls that both versions answered, with both answers on the first row of each.

    bins:   says whether answers are classes or numbers.
    differences: pairs by how far apart they are; for classes the first holds the equal ones and
            the last the others, for numbers the relative difference is counted.
    """

    def __init__(self, bins: Bins) -> None:
        self.bins = bins
        self.differences: Counts = np.zeros(_DIFFERENCES, np.int64)

    @property
    def calls(self) -> int:
        """How many pairs there are."""
        return int(self.differences.sum())

    @property
    def same(self) -> int:
        """How many of them are equal; numbers, to a billionth of their size."""
        return int(self.differences[0])

    def add(self, stable: Sequence[float], candidate: Sequence[float]) -> None:
        """Counts pairs of answers: positions of classes, or numbers, NaN for a missing one."""
        one, other = np.asarray(stable, np.float64), np.asarray(candidate, np.float64)
        if one.shape != other.shape:
            raise ValueError("every answer has a partner")
        if self.bins.classes:
            places = np.where(one == other, 0, _DIFFERENCES - 1)
        else:
            places = _places(one, other)
        self.differences += np.bincount(places, minlength=_DIFFERENCES)

    def difference(self, share: float) -> float:
        """The relative difference that this share of the pairs does not exceed, to a factor of two.

        NaN without pairs.
        """
        if not self.calls:
            return float("nan")
        place = int(np.searchsorted(self.differences.cumsum(), share * self.calls))
        return 0.0 if place == 0 else _SMALLEST * 2.0**place

    def merge(self, other: Pairs) -> None:
        """Takes in other pairs. Raises ValueError where they are of another kind."""
        if self.bins != other.bins:
            raise ValueError("the pairs are of other answers")
        self.differences += other.differences

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "bins": self.bins.to_json(),
            "differences": sparse(self.differences),
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Pairs:
        """The inverse of `to_json`. Raises ValueError, KeyError or TypeError on anything else."""
        if told["format"] != FORMAT:
            raise ValueError("pairs of a format that is not known")
        made = cls(Bins.from_json(told["bins"]))
        made.differences = dense(told["differences"], _DIFFERENCES)
        return made


def _places(one: Any, other: Any) -> Counts:
    size = np.maximum(np.abs(one), np.abs(other))
    with np.errstate(all="ignore"):
        apart = np.abs(one / size - other / size)
        found = np.ceil(np.log2(apart / _SMALLEST))
    equal = (one == other) | (np.isnan(one) & np.isnan(other)) | (apart <= _SMALLEST)
    # What is missing on one side only, or beyond any number, is as far apart as can be.
    strange = ~np.isfinite(found)
    bounded = np.clip(np.where(strange, _DIFFERENCES - 1, found), 1, _DIFFERENCES - 1)
    return np.where(equal, 0, bounded).astype(np.int64)
