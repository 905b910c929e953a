"""Arrays as JSON text, written for a whole batch at once and cut per row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import orjson

from fairlead.core.errors import AnswerTooLarge
from fairlead.core.signature import TensorSpec
from fairlead.core.tensor import Array, element_count

_NUMPY = orjson.OPT_SERIALIZE_NUMPY
_LEAST = 2
"""Bytes of the shortest element with its comma."""
_PIECE = 1 << 18
"""Elements written at once; orjson first takes 32 bytes for each of them."""


def most_rows(allowed: int, outputs: Sequence[TensorSpec], most: int) -> int:
    """How many rows may be asked for: `allowed`, or fewer if their answer surely exceeds `most`.

    A dimension of any size counts as 1 here, so the text is measured as well.
    """
    each = sum(element_count([max(d, 1) for d in spec.shape[1:]]) for spec in outputs) * _LEAST
    return min(allowed, most // max(each, 1))


def too_large(most: int) -> AnswerTooLarge:
    """The error of an answer beyond `most` bytes."""
    return AnswerTooLarge(
        f"the answer would be larger than {most >> 20} MiB",
        fix="Ask for fewer rows or fewer outputs at once",
    )


def flat(array: Array, most: int) -> bytes:
    """All elements as JSON numbers or strings in row-major order, separated by commas.

    Raises AnswerTooLarge beyond `most` bytes; never holds a text much longer than that.
    """
    line = array.reshape(-1)
    if line.size <= _PIECE:
        return _text(line)
    starts = range(0, line.size, _PIECE)
    return b",".join(_within((_text(line[s : s + _PIECE]) for s in starts), most))


def rows(array: Array, most: int) -> list[bytes]:
    """The elements of each row (first dimension) as JSON, separated by commas.

    Raises AnswerTooLarge when all rows together exceed `most` bytes.
    """
    if array.size <= _PIECE:
        return _rows(array)
    each = _PIECE * len(array) // array.size
    if each < 2:
        return _within((flat(row, most) for row in array), most)
    starts = range(0, len(array), each)
    return _within((row for s in starts for row in _rows(array[s : s + each])), most)


def nested(array: Array) -> bytes:
    """An array as lists in lists."""
    if array.dtype.kind in "OUST":
        return orjson.dumps(array.tolist())
    return orjson.dumps(_contiguous(array), option=_NUMPY)


def _within(texts: Iterable[bytes], most: int) -> list[bytes]:
    kept: list[bytes] = []
    size = 0
    for text in texts:
        size += len(text) + 1
        if size > most:
            raise too_large(most)
        kept.append(text)
    return kept


def _rows(array: Array) -> list[bytes]:
    if array.dtype.kind in "OUST":
        return [_text(row) for row in array.reshape(len(array), -1)]
    if array.size == len(array):
        return _text(array.reshape(-1)).split(b",")
    table = _contiguous(array.reshape(len(array), -1))
    return orjson.dumps(table, option=_NUMPY)[2:-2].split(b"],[")


def _text(line: Array) -> bytes:
    if line.dtype.kind in "OUST":
        return orjson.dumps(line.tolist())[1:-1]
    return orjson.dumps(_contiguous(line), option=_NUMPY)[1:-1]


def _contiguous(array: Array) -> Array:
    """An array as orjson takes it."""
    return array if array.flags.c_contiguous else array.copy()
