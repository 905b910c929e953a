"""A sample of rows that are read one after another, however many there are."""

from __future__ import annotations

from random import Random
from typing import Generic, TypeVar

import numpy as np

from fairlead.core.tensor import Array

_T = TypeVar("_T")
_SEED = 0
"""The same file gives the same sample."""


class Reservoir(Generic[_T]):
    """Keeps at most so many items; each that was seen is kept with the same chance (Vitter 1985).

    seen: items so far.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._random = Random(_SEED)  # noqa: S311 - a sample, no secret
        self._kept: list[tuple[int, _T]] = []
        self.seen = 0

    def add(self, item: _T) -> None:
        """Takes an item, perhaps in the place of another."""
        self.seen += 1
        if len(self._kept) < self._most:
            self._kept.append((self.seen, item))
            return
        place = self._random.randrange(self.seen)
        if place < self._most:
            self._kept[place] = (self.seen, item)

    def items(self) -> list[_T]:
        """What is kept, in the order in which it came."""
        return [item for _, item in sorted(self._kept, key=lambda kept: kept[0])]


def sample(count: int, most: int) -> Array:
    """Positions of at most so many of `count` rows, each with the same chance, in rising order."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(_SEED).choice(count, most, replace=False))
