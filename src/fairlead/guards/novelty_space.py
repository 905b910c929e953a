"""Where rows live for the novelty guard: one vector per row, in units of usual difference.

A number is standardised. A category is a corner of its own, and differing there costs as much as
numbers usually differ. A missing value stands at the mean and costs a little; where training rows
never missed one, it lies beyond all of them. A free text is its length and the scripts it is
written in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairlead.guards.ranges import NEVER_EXCESS

Vectors = NDArray[np.float64]

_MOST_CATEGORIES = 64
_TEXT_SHARE, _TEXT_LENGTH = 0.5, 12.0
_NEVER = 8.0
"""The distance to what training rows never show: an unknown category, a constant's other value."""

_ABSENT = 1e6
"""Where a number stands that training rows never miss: farther out than any unit error."""

_FARTHEST = 1e15
"""No number stands farther out, so that nothing overflows."""

_MOST_PRODUCT = 8192
_LEAST_UNIT, _LEAST_TEXT_UNIT = 1e-3, 0.25
"""The least unit of excess: where many rows share the largest value it is a bound, not chance.
One odd character more in a text is no such thing."""

_MISSING = 0.7
_SCRIPTS = (
    ("letters", 0x41, 0x7B), ("latin", 0xC0, 0x250), ("greek", 0x370, 0x400),
    ("cyrillic", 0x400, 0x530), ("hebrew", 0x590, 0x600), ("arabic", 0x600, 0x780),
    ("indic", 0x900, 0xE00), ("thai", 0xE00, 0xE80), ("kana", 0x3040, 0x3100),
    ("han", 0x4E00, 0xA000), ("hangul", 0xAC00, 0xD7B0),
)  # fmt: skip
_TEXT_FEATURES = ("length", "digits", "spaces", "marks", *(name for name, _, _ in _SCRIPTS))


@dataclass(slots=True)
class Axis:
    """How one column becomes one or more coordinates.

    kind:       "number", "category" or "text".
    mean, deviation: of a number, or of each feature of a text.
    categories: those seen, of which each has a coordinate of size `cost`.
    missing:    the cost of a missing value.
    constant:   training rows hold one value only.
    rare:       how many categories only one training row holds.
    start, stop: the coordinates that belong to this column.
    """

    name: str
    kind: str
    mean: list[float]
    deviation: list[float]
    categories: list[str] = field(default_factory=list[str])
    cost: float = 0.0
    missing: float = _NEVER
    constant: bool = False
    rare: int = 0
    start: int = 0
    stop: int = 0

    @property
    def width(self) -> int:
        if self.kind == "category":
            return len(self.categories) + 2
        return len(self.mean) + (1 if self.kind == "number" and self.missing < _NEVER else 0)


class Space:
    """The coordinates of all columns."""

    def __init__(self, axes: list[Axis]) -> None:
        self.axes = axes
        at = 0
        for axis in axes:
            axis.start, axis.stop = at, at + axis.width
            at = axis.stop
        self.width = at
        self.plain = all(axis.kind == "number" and axis.width == 1 for axis in axes)
        self._numbers = [axis for axis in axes if axis.kind == "number"]
        self._others = [axis for axis in axes if axis.kind != "number"]
        self._mean = np.array([axis.mean[0] for axis in self._numbers])
        self._scale = 1.0 / np.array([axis.deviation[0] for axis in self._numbers])
        self._at = np.array([axis.start for axis in self._numbers], np.intp)
        self._constant = np.flatnonzero([axis.constant for axis in self._numbers])
        gaps = [i for i, axis in enumerate(self._numbers) if axis.width == 2]
        self._gaps = np.array(gaps, np.intp)
        self._gap_costs = np.array([self._numbers[i].missing for i in gaps])

    @property
    def names(self) -> list[str]:
        return [axis.name for axis in self.axes]

    def place(self, columns: Mapping[str, Any]) -> Vectors:
        """A vector per row; `columns` hold every column of the space."""
        if self.plain:
            return self.place_numbers(_table(columns, self._numbers))
        placed = np.zeros((len(next(iter(columns.values()))), self.width))
        if self._numbers:
            table = _table(columns, self._numbers)
            placed[:, self._at] = self.place_numbers(table)
            if len(self._gaps):
                gone = np.isnan(table[:, self._gaps])
                placed[:, self._at[self._gaps]] *= ~gone
                placed[:, self._at[self._gaps] + 1] = gone * self._gap_costs
        for axis in self._others:
            _place_texts(axis, columns[axis.name], placed)
        return placed

    def place_numbers(self, table: Vectors) -> Vectors:
        """As `place` for a table of numbers none of which training rows ever missed."""
        placed: Any = table - self._mean
        placed *= self._scale
        flat: Vectors = placed.reshape(-1)
        # Finite only if every coordinate is; a longer product would wake the threads of BLAS.
        few = len(flat) <= _MOST_PRODUCT
        if not (isfinite(float(np.vdot(flat, flat))) if few else np.isfinite(flat).all()):
            placed[np.isnan(placed)] = _ABSENT
            np.clip(placed, -_FARTHEST, _FARTHEST, out=placed)
        if len(self._constant):
            at = self._constant
            placed[:, at] = np.clip(placed[:, at], -_NEVER, _NEVER)
        return placed

    @property
    def units_of_numbers(self) -> tuple[Vectors, Vectors]:
        """By number its mean and the inverse of its usual difference, as `place_numbers` has it."""
        return self._mean, self._scale

    def units(self) -> tuple[Vectors, Vectors]:
        """By coordinate the least unit of excess, and the one that is fixed (NaN where none is).

        Fixed: what training rows never show lies at a distance that was chosen, not measured.
        """
        least, fixed = np.full(self.width, _LEAST_UNIT), np.full(self.width, np.nan)
        never = _NEVER / NEVER_EXCESS
        for axis in self.axes:
            if axis.constant:
                fixed[axis.start] = never
            if axis.kind == "category":
                # Where categories seen once are common, so are those not seen yet.
                fixed[axis.start : axis.stop] = never * (1 + axis.rare)
            elif axis.kind == "text":
                least[axis.start : axis.stop] = _LEAST_TEXT_UNIT
            elif axis.width == 2:
                fixed[axis.start + 1] = never
        return least, fixed

    @property
    def numbers(self) -> tuple[list[int], Vectors]:
        """The coordinates of numbers, and where zero lies on each."""
        return self._at.tolist(), -self._mean * self._scale

    def to_json(self) -> list[dict[str, Any]]:
        """The axes as plain values."""
        kept = ("name", "kind", "mean", "deviation", "categories", "cost", "missing",
                "constant", "rare")  # fmt: skip
        return [{key: getattr(axis, key) for key in kept} for axis in self.axes]

    @classmethod
    def from_json(cls, axes: list[dict[str, Any]]) -> Space:
        """The inverse of `to_json`."""
        return cls([Axis(**axis) for axis in axes])


def learn_space(columns: Mapping[str, Any]) -> Space:
    """The space in which these rows are spread out evenly."""
    axes: list[Axis] = []
    for name, values in columns.items():
        if values.dtype.kind == "f":
            axes.append(_learn_number(name, values))
        elif is_text(values):
            features = text_features(values)
            mean, deviation = features.mean(axis=0), _floor(features.std(axis=0), 0.02)
            axes.append(Axis(name, "text", mean.tolist(), deviation.tolist()))
        else:
            axes.append(_learn_category(name, values))
    return Space(axes)


def is_text(values: Any) -> bool:
    """Whether a column is free text rather than categories."""
    filled = [v for v in values.tolist() if v]
    if not filled:
        return False
    distinct = len(set(filled)) / len(filled)
    return distinct > _TEXT_SHARE and sum(map(len, filled)) / len(filled) > _TEXT_LENGTH


def _learn_number(name: str, values: Any) -> Axis:
    there = values[np.isfinite(values)]
    missing = len(there) < len(values)
    mean = float(there.mean()) if len(there) else 0.0
    deviation = float(there.std()) if len(there) else 1.0
    # A constant column: any other value is far away, as far as floats of its size can tell.
    least = max(abs(mean), 1.0) * 1e-6
    return Axis(
        name,
        "number",
        [mean],
        [max(deviation, least)],
        missing=_MISSING if missing else _NEVER,
        constant=deviation <= least or not len(there),
    )


def _learn_category(name: str, values: Any) -> Axis:
    found, counts = np.unique(values.astype(str), return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_MOST_CATEGORIES]
    kept = [str(found[i]) for i in order if found[i] != ""]
    shares = counts / counts.sum()
    differ = max(1.0 - float((shares**2).sum()), 0.25)
    # Two rows that differ here are as far apart as two numbers usually are.
    cost = float(np.sqrt(1.0 / differ))
    missing = _MISSING if "" in found else _NEVER
    return Axis(name, "category", [], [], kept, cost, missing, rare=int((counts == 1).sum()))


def _table(columns: Mapping[str, Any], axes: list[Axis]) -> Vectors:
    """The numbers side by side."""
    count = len(next(iter(columns.values())))
    table = np.empty((count, len(axes)))
    for i, axis in enumerate(axes):
        table[:, i] = columns[axis.name]
    return table


def _place_texts(axis: Axis, values: Any, placed: Vectors) -> None:
    if axis.kind == "category":
        _place_category(axis, values, placed)
    else:
        features = (text_features(values) - axis.mean) / axis.deviation
        placed[:, axis.start : axis.stop] = features


def _place_category(axis: Axis, values: Any, placed: Vectors) -> None:
    known = {name: i for i, name in enumerate(axis.categories)}
    other = len(axis.categories)
    for row, value in enumerate(values.tolist()):
        at = known.get(value)
        if at is not None:
            placed[row, axis.start + at] = axis.cost
        elif value == "":
            placed[row, axis.start + other + 1] = axis.missing
        else:
            many = other >= _MOST_CATEGORIES
            placed[row, axis.start + other] = axis.cost if many else _NEVER


def text_features(values: Any) -> Vectors:
    """Length (logarithm of characters) and shares of digits, spaces, marks and scripts."""
    found = np.zeros((len(values), len(_TEXT_FEATURES)))
    for row, text in enumerate(values.tolist()):
        found[row, 0] = np.log1p(len(text))
        if text:
            found[row, 1:] = _shares(text[:4096])
    return found


def _shares(text: str) -> Vectors:
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    digits = (codes >= 0x30) & (codes < 0x3A)
    spaces = (codes == 0x20) | ((codes >= 9) & (codes < 14))
    counted = [digits, spaces]
    scripts = [(codes >= low) & (codes < high) for _, low, high in _SCRIPTS]
    marks = ~np.logical_or.reduce([*counted, *scripts])
    return np.array([share.mean() for share in (*counted, marks, *scripts)])


def _floor(values: Vectors, least: float) -> Vectors:
    return np.maximum(values, least)
