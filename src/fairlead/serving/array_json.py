"""Arrays as JSON text, written for a whole batch at once and cut per row."""

from __future__ import annotations

import orjson

from fairlead.core.tensor import Array

_NUMPY = orjson.OPT_SERIALIZE_NUMPY


def flat(array: Array) -> bytes:
    """All elements as JSON numbers or strings in row-major order, separated by commas."""
    if array.dtype.kind in "OUST":
        return orjson.dumps(array.reshape(-1).tolist())[1:-1]
    return orjson.dumps(_contiguous(array.reshape(-1)), option=_NUMPY)[1:-1]


def rows(array: Array) -> list[bytes]:
    """The elements of each row (first dimension) as JSON, separated by commas."""
    if array.dtype.kind in "OUST":
        return [flat(row) for row in array.reshape(len(array), -1)]
    if array.ndim == 1:
        return orjson.dumps(_contiguous(array), option=_NUMPY)[1:-1].split(b",")
    table = _contiguous(array.reshape(len(array), -1))
    return orjson.dumps(table, option=_NUMPY)[2:-2].split(b"],[")


def _contiguous(array: Array) -> Array:
    """An array as orjson takes it."""
    return array if array.flags.c_contiguous else array.copy()
