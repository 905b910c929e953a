"""What a call waits beyond its execution, by how long the server had slept before it came.

Who calls a server that has just answered finds it awake. After a pause its threads must be woken,
and what they need has left the processor's caches: a model of 10 us that is asked ten times a
second may answer in a millisecond, and in a sixth of it when it is asked all the time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from math import exp, log

import numpy as np
from numpy.typing import NDArray

from fairlead.costs.profile import QUANTILES, Way

_LEAST_S = 1e-6
_STEPS = 8
"""Between two pauses that were measured: so finely is it told how long a server has slept."""


class Ways:
    """Draws what was measured of a lone caller, between the pauses that were.

    The least pause is that of a server that is awake. faster: by so many times than where it was
    measured. less_s: what is counted elsewhere.
    """

    def __init__(self, ways: Sequence[Way], faster: float = 1.0, less_s: float = 0.0) -> None:
        ordered = sorted(ways, key=lambda way: way.pause_s)
        awake = np.asarray(ordered[0].quantiles) / faster
        self._awake = np.maximum(awake - less_s / faster, 0.0)
        self._places = np.linspace(0, 1, QUANTILES)
        # A server sleeps from its answer on: as long as the caller pauses, and on both ways.
        slept = [max(_LEAST_S, way.pause_s + float(awake[QUANTILES // 2])) for way in ordered]
        more = [np.asarray(way.quantiles) / faster - awake for way in ordered]
        self._edges: list[float] = []
        self._more: list[list[float]] = []
        for low, high, below, above in zip(slept, slept[1:], more, more[1:], strict=False):
            for step in range(_STEPS):
                self._edges.append(exp(log(low) + (log(high) - log(low)) * step / _STEPS))
                middle = (step + 0.5) / _STEPS
                self._more.append(_table(below + (above - below) * middle))
        self._more.append(_table(more[-1]))
        self._edges.append(slept[-1])

    def awake(self, chances: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Seconds beyond the loop and the execution, of each chance from 0 to 1."""
        return np.asarray(np.interp(chances, self._places, self._awake))

    def waking(self, slept_s: float, chance: float) -> float:
        """Seconds more for a call that comes to a server that has slept for so long."""
        place = bisect_right(self._edges, slept_s) - 1
        return _at(self._more[place], chance) if place >= 0 else 0.0


def steady(seconds: float) -> Ways:
    """Always the same, asleep or awake."""
    return Ways([Way(0.0, (seconds,) * QUANTILES)])


def _table(values: NDArray[np.float64]) -> list[float]:
    told: list[float] = np.maximum.accumulate(np.maximum(values, 0.0)).tolist()
    return [*told, told[-1]]


def _at(table: list[float], chance: float) -> float:
    place = chance * (QUANTILES - 1)
    low = int(place)
    return table[low] + (place - low) * (table[low + 1] - table[low])
