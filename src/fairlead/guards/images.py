"""An image as a few numbers, for the novelty guard of a model that shows no embedding.

They tell how bright an image is, how much it varies, how sharp it is, and roughly what lies where.
That finds a black, inverted, over-exposed or foreign image. It does not find an object the model
never learnt: for that, guard the model's embedding.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_GRID = 4
_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
_MOST_PIXELS = 4096
"""Levels are read off about so many pixels, evenly spread: sorting all of them takes longest."""

_BANDS = ((1, "fine"), (2, "middle"), (4, "coarse"))


def image_columns(images: Any) -> dict[str, Floats]:
    """Columns that describe images, a row each.

    images: (count, height, width) or with one to four channels first or last. The columns are the
    same whatever the sides. Raises ValueError for anything else.
    """
    planes = _planes(np.asarray(images, dtype=np.float64))
    if not planes[:1].size:
        raise ValueError("images have no pixels")
    grey = planes.mean(axis=1)
    count = len(grey)
    flat = grey.reshape(count, -1)
    found: dict[str, Floats] = {"brightness": flat.mean(axis=1), "contrast": flat.std(axis=1)}
    apart = max(1, math.isqrt(flat.shape[1] // _MOST_PIXELS))
    some = grey[:, ::apart, ::apart].reshape(count, -1)
    levels: Any = np.quantile(some, _LEVELS, axis=1)
    for level, values in zip(_LEVELS, levels, strict=True):
        found[f"level {level:g}"] = values
    for step, name in _BANDS:
        found[f"{name} detail across"] = _detail(grey, step, 2)
        found[f"{name} detail down"] = _detail(grey, step, 1)
    cells = _cells(grey)
    for row in range(cells.shape[1]):
        for column in range(cells.shape[2]):
            found[f"brightness at {row + 1},{column + 1}"] = cells[:, row, column]
    if planes.shape[1] > 1:
        for channel in range(planes.shape[1]):
            found[f"tint {channel + 1}"] = planes[:, channel].reshape(count, -1).mean(axis=1)
            found[f"tint {channel + 1}"] = found[f"tint {channel + 1}"] - found["brightness"]
    return found


def _planes(images: Floats) -> Floats:
    """Images as (count, channels, height, width)."""
    if images.ndim == 3:
        return images[:, None]
    if images.ndim != 4:
        raise ValueError(f"images have 3 or 4 dimensions, not {images.ndim}")
    if images.shape[1] <= 4:
        return images
    if images.shape[3] <= 4:
        return np.moveaxis(images, 3, 1)
    raise ValueError("images have one to four channels, first or last")


def _detail(grey: Floats, step: int, axis: int) -> Floats:
    """How much pixels differ that are so far apart."""
    size = grey.shape[axis]
    if size <= step:
        return np.zeros(len(grey))
    whole = slice(None)
    cut: list[tuple[slice, slice, slice]] = [
        (whole, part, whole) if axis == 1 else (whole, whole, part)
        for part in (slice(size - step), slice(step, size))
    ]
    return np.abs(grey[cut[1]] - grey[cut[0]]).mean(axis=(1, 2))


def _cells(grey: Floats) -> Floats:
    """The mean brightness of a grid of cells."""
    _, high, wide = grey.shape
    down, across = _starts(high), _starts(wide)
    add: Any = np.add.reduceat
    summed: Floats = add(add(grey, down, axis=1), across, axis=2)
    heights = np.maximum(np.diff([*down, high]), 1)
    widths = np.maximum(np.diff([*across, wide]), 1)
    return summed / (heights[:, None] * widths)


def _starts(size: int) -> list[int]:
    """Where the cells of one side begin; of fewer pixels than cells some lie in two."""
    return [size * i // _GRID for i in range(_GRID)]
