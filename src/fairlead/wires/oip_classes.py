"""The best classes of an output instead of all its numbers: `value:index:label`, the best first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fairlead.core.datatypes import DTYPES
from fairlead.core.signature import TensorSpec
from fairlead.core.tensor import Array, Tensor, join

_TEXT = DTYPES["BYTES"]


def framed(specs: Sequence[TensorSpec], classes: Sequence[int]) -> list[TensorSpec]:
    """The outputs as they are given: those that are reduced to classes hold text."""
    return [
        replace(spec, dtype=_TEXT, shape=_shape(spec, count)) if count else spec
        for spec, count in zip(specs, classes, strict=True)
    ]


def _shape(spec: TensorSpec, count: int) -> tuple[int, ...]:
    batched = spec.shape[:1] == (-1,)
    width = 1
    for dim in spec.shape[1:] if batched else spec.shape:
        width = -1 if dim == -1 or width == -1 else width * dim
    best = min(count, width) if width != -1 else -1
    return (-1, best) if batched else (best,)


def classified(
    outputs: Sequence[Array], specs: Sequence[TensorSpec], classes: Sequence[int]
) -> list[Array]:
    """The outputs with those reduced that are to be, row by row."""
    made = [
        _best(array, spec, count) if count else array
        for array, spec, count in zip(outputs, specs, classes, strict=False)
    ]
    return [*made, *outputs[len(made) :]]


def _best(array: Array, spec: TensorSpec, count: int) -> Array:
    batched = spec.shape[:1] == (-1,)
    rows: list[list[Any]] = array.reshape(array.shape[0] if batched else 1, -1).tolist()
    best = min(count, len(rows[0])) if rows else 0
    words = [_word(row, place, spec) for row in rows for place in _order(row)[:best]]
    shape = (len(rows), best) if batched else (best,)
    return join([Tensor(_TEXT, shape, words)])


def _order(row: Sequence[Any]) -> list[int]:
    """Positions from the largest value to the smallest; equal values as they stand."""
    return sorted(range(len(row)), key=lambda place: -row[place])


def _word(row: Sequence[Any], place: int, spec: TensorSpec) -> str:
    value = row[place]
    text = f"{value:f}" if isinstance(value, float) else str(value)
    label = f":{spec.classes[place]}" if place < len(spec.classes) else ""
    return f"{text}:{place}{label}"
