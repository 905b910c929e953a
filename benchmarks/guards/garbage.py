"""Inputs that a server really gets wrong, made from good rows.

Each maker takes good rows, training rows and a generator, and returns rows and, where one column
was touched, the name of it for each row (else None). Rows that would not change are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.guards.tables import Columns, take

SENTINEL = -999.0
Made = tuple[Columns, Any]
Maker = Callable[[Columns, Columns, Any], Made]


def numbers(columns: Columns) -> list[str]:
    return [name for name, values in columns.items() if values.dtype.kind == "f"]


def _touched(
    good: Columns, random: Any, among: Sequence[str], change: Callable[[str, Any], Any]
) -> Made:
    """One value of each row, in one of these columns, changed."""
    if not among:
        return take(good, slice(0, 0)), np.zeros(0, str)
    rows = {name: values.copy() for name, values in good.items()}
    names = np.array(among)
    count = len(next(iter(good.values())))
    chosen = random.integers(0, len(names), count)
    changed = np.zeros(count, dtype=bool)
    for i, name in enumerate(among):
        before = rows[name].copy()
        mine = (chosen == i) & np.isfinite(before)
        rows[name][mine] = change(name, before[mine])
        changed |= mine & (rows[name] != before)
    return take(rows, changed), names[chosen[changed]]


def unit(good: Columns, train: Columns, random: Any) -> Made:
    """One value times 1000."""
    return _touched(good, random, numbers(good), lambda _, values: values * 1000.0)


def sentinel(good: Columns, train: Columns, random: Any) -> Made:
    """One value replaced by -999, in columns whose training values all lie above it."""
    among = [name for name in numbers(good) if np.nanmin(train[name]) > SENTINEL]
    return _touched(good, random, among, lambda _, values: SENTINEL)


def above(good: Columns, train: Columns, random: Any) -> Made:
    """One value two training deviations above the training maximum."""

    def change(name: str, values: Any) -> Any:
        return np.nanmax(train[name]) + 2.0 * np.nanstd(train[name])

    among = [name for name in numbers(good) if np.nanstd(train[name]) > 0]
    return _touched(good, random, among, change)


def shuffled(good: Columns, train: Columns, random: Any) -> Made:
    """The numbers of each row in an order of their own."""
    names = numbers(good)
    rows = np.column_stack([good[name] for name in names])
    mixed = random.permuted(rows, axis=1)
    changed = (mixed != rows).any(axis=1)
    return take(good | dict(zip(names, mixed.T, strict=True)), changed), None


def zeros(good: Columns, train: Columns, random: Any) -> Made:
    """Every number zero."""
    return good | {name: np.zeros_like(good[name]) for name in numbers(good)}, None


def box(good: Columns, train: Columns, random: Any) -> Made:
    """Every number drawn evenly between the training extremes."""
    made = {
        name: random.uniform(np.nanmin(train[name]), np.nanmax(train[name]), len(good[name]))
        for name in numbers(good)
    }
    return good | made, None


def resampled(good: Columns, train: Columns, random: Any) -> Made:
    """Every column drawn from the training rows for itself."""
    return {name: random.choice(train[name], len(good[name])) for name in good}, None


def _exchanged(good: Columns, train: Columns, random: Any, inner: tuple[float, float]) -> Made:
    """In each row two columns exchanged, a pair of which these quantiles do not overlap."""
    names = numbers(good)
    cuts = {n: np.nanquantile(train[n], inner) for n in names}
    pairs = [
        (a, b)
        for i, a in enumerate(names)
        for b in names[i + 1 :]
        if cuts[a][1] < cuts[b][0] or cuts[b][1] < cuts[a][0]
    ]
    if not pairs:
        return take(good, slice(0, 0)), None
    rows = {name: values.copy() for name, values in good.items()}
    count = len(next(iter(good.values())))
    chosen = random.integers(0, len(pairs), count)
    there = np.zeros(count, dtype=bool)
    for i, (one, other) in enumerate(pairs):
        mine = (chosen == i) & np.isfinite(good[one]) & np.isfinite(good[other])
        rows[one][mine], rows[other][mine] = good[other][mine], good[one][mine]
        there |= mine
    return take(rows, there), None


def swapped(good: Columns, train: Columns, random: Any) -> Made:
    """Two columns exchanged that are not on the same scale: 98 % of their values do not overlap."""
    return _exchanged(good, train, random, (0.01, 0.99))


def swapped_alike(good: Columns, train: Columns, random: Any) -> Made:
    """Two columns exchanged whose usual values differ, yet each may hold the other's."""
    return _exchanged(good, train, random, (0.25, 0.75))


GARBAGE: dict[str, Maker] = {
    "unit x1000": unit,
    "sentinel -999": sentinel,
    "2 sd above max": above,
    "shuffled": shuffled,
    "all zeros": zeros,
    "uniform box": box,
    "resampled": resampled,
}
"""The seven of the suite; the two swaps are measured beside them."""
