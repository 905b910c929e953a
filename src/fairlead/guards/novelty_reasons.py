"""What is strange about a row, in words: the columns without which it would be least strange."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairlead.guards.bends import Bends
from fairlead.guards.ellipsoid import Ellipsoid
from fairlead.guards.nearest import Nearest
from fairlead.guards.novelty_space import Axis, Space
from fairlead.guards.ranges import Ranges
from fairlead.guards.tails import Tail

Floats = NDArray[np.float64]

MOST_REASONS = 5
COMBINED = "no single value is unusual, the combination is: "
_MOST_TRIED = 32
_FAR_ENOUGH = 1e4
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Shape:
    """What training rows look like.

    nearest: measures the distance to the nearest of them, or to the middle of all.
    far: how rare such a distance is; out: how rare an excess of their ranges.
    """

    space: Space
    nearest: Nearest | Ellipsoid
    bends: Bends
    ranges: Ranges
    far: Tail
    out: Tail


def ranked(shape: Shape, row: Floats) -> list[Axis]:
    """The columns, first the one without which the row would be least strange.

    Of many columns, those far outside or far from the nearest row are tried; the others follow.
    """
    axes = shape.space.axes
    starts = [axis.start for axis in axes]
    excess = np.maximum.reduceat(shape.ranges.each(row), starts)
    bent = np.clip(shape.bends.rows(row), -_FAR_ENOUGH, _FAR_ENOUGH)
    parts = [slice(axis.start, axis.stop) for axis in axes]
    apart, without = _apart(shape.nearest, bent, parts)
    order: list[int] = np.lexsort((-apart, -excess)).tolist()
    tried = order[: _MOST_TRIED // 2]
    tried += [i for i in np.argsort(-apart).tolist() if i not in tried][: _MOST_TRIED // 2]
    most, next_most = _two_largest(excess)
    left: dict[int, float] = {}
    for i, squared in zip(tried, without(tried), strict=True):
        far = shape.far.of_one(sqrt(max(squared, 0.0)))
        others = next_most if excess[i] == most else most
        left[i] = max(far, shape.out.of_one(others))
    tried.sort(key=lambda i: (round(left[i], 9), -excess[i], -apart[i]))
    return [axes[i] for i in tried] + [axes[i] for i in order if i not in left]


def _two_largest(excess: Floats) -> tuple[float, float]:
    """The largest, and the largest of the others; none is below 0."""
    if len(excess) < 2:
        return float(excess.max(initial=0.0)), 0.0
    found: Any = np.partition(excess, -2)[-2:]
    return max(float(found[1]), 0.0), max(float(found[0]), 0.0)


def _apart(
    nearest: Nearest | Ellipsoid, row: Floats, parts: list[slice]
) -> tuple[Floats, Callable[[list[int]], list[float]]]:
    """How much each column adds to the squared distance, and what would be left without each."""
    if isinstance(nearest, Ellipsoid):
        whole, falls = nearest.parted(row, parts)
        return falls, lambda tried: [whole - float(falls[i]) for i in tried]
    rows = nearest.rows
    squares = np.einsum("ij,ij->i", rows, rows) - 2.0 * (rows @ row) + row @ row
    closest = (rows[int(squares.argmin())] - row) ** 2

    def without(tried: list[int]) -> list[float]:
        widths = [parts[i].stop - parts[i].start for i in tried]
        places = [at for i in tried for at in range(parts[i].start, parts[i].stop)]
        falls = (rows[:, places] - row[places]) ** 2
        if len(places) > len(tried):
            falls = np.add.reduceat(falls, np.cumsum([0, *widths[:-1]]), axis=1)
        return (squares[:, None] - falls).min(axis=0).tolist()

    return np.add.reduceat(closest, [part.start for part in parts]), without


def reasons(shape: Shape, row: Floats, values: dict[str, Any]) -> list[str]:
    """Sentences, the strangest column first. values: of the row, where more than names is said."""
    order = ranked(shape, row)
    excess = shape.ranges.each(row)
    outside = [a for a in order if excess[a.start : a.stop].max() > _ROUNDING]
    if outside:
        return [
            _outside(shape, axis, values[axis.name])
            if axis.name in values
            else f"{axis.name} is outside the accepted range"
            for axis in outside[:MOST_REASONS]
        ]
    known = values and isinstance(shape.nearest, Nearest)
    how = "the nearest training row differs most in " if known else "above all "
    names = ", ".join(axis.name for axis in order[:2])
    return [f"{COMBINED}{how}{names}"]


def _outside(shape: Shape, axis: Axis, value: Any) -> str:
    if axis.kind != "number":
        if value == "":
            return f"{axis.name} is missing, which training rows never are"
        if axis.kind == "category":
            return f"{axis.name} = {value!r} is no value that training rows hold"
        return f"{axis.name} is written or measured unlike any training text"
    if np.isnan(value):
        return f"{axis.name} is missing, which training rows never are"
    mean, deviation = axis.mean[0], axis.deviation[0]
    high = shape.ranges.high[axis.start] * deviation + mean
    low = shape.ranges.low[axis.start] * deviation + mean
    if isinstance(shape.nearest, Ellipsoid):
        # Its ranges are averages over the outer training rows.
        side, limit = ("above", high) if value > high else ("below", low)
        return f"{axis.name} = {value:g} is {side} what training rows usually hold, {limit:g}"
    if value > high:
        return f"{axis.name} = {value:g} is above the training maximum {high:g}"
    return f"{axis.name} = {value:g} is below the training minimum {low:g}"
