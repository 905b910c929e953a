"""Numbers and text from JSON packed into tensor bytes, exactly or not at all.

`struct` packs a list in one call and refuses what would change a value: a fraction for an
integer, a number out of range, text for a number. Only then is the slow, explaining path taken,
and it too finds the culprit by packing halves, not by looking at each element.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from fairlead.core.datatypes import DType
from fairlead.core.errors import (
    DtypeMismatch,
    DtypeRange,
    FairleadError,
    NotFinite,
    ShapeInvalid,
    TextInvalid,
)
from fairlead.core.signature import TensorSpec
from fairlead.core.tensor import Tensor, element_count

_REFUSALS = (struct.error, OverflowError, TypeError)


def pack(
    dtype: DType,
    shape: Sequence[int],
    count: int,
    data: list[Any],
    *,
    booleans: bool,
    missing: bool,
    where: str,
) -> bytes | list[str]:
    """The packed elements of `data`, row-major lists that must fill `shape`.

    The lists may be flat, nested as the shape, or mixed: a list may stand for any part of the
    shape that it fills.

    count:    the product of `shape`, 1 or more.
    booleans: whether true or false may occur in `data` (False promises that they do not).
    missing:  whether null is allowed and means NaN.
    where:    the name of the input, for errors.

    Raises ShapeInvalid, DtypeMismatch, DtypeRange, NotFinite or TextInvalid.
    """
    if len(data) != count or data[0].__class__ is list:
        data = _flatten(data, shape, where)
    if booleans or not dtype.plain:
        if list in {*map(type, data)}:
            data = _flatten(data, shape, where)
        _check_types(dtype, shape, data, where)
        if dtype.is_text:
            return data
    try:
        return dtype.packer(count)(*data)
    except _REFUSALS:
        if list in {*map(type, data)}:
            data = _flatten(data, shape, where)
        return _carefully(dtype, shape, data, missing, where)


def numbers(sent: Iterable[Any], spec: TensorSpec, shape: Sequence[int], count: int) -> memoryview:
    """So many numbers of a message, packed without a list of them. Raises DtypeRange."""
    kind = spec.dtype.numpy
    if kind.itemsize >= 4 or kind.kind == "b":
        return np.fromiter(sent, kind, count).data.cast("B")
    wide = np.fromiter(sent, np.int64, count)
    low, high = np.iinfo(kind).min, np.iinfo(kind).max
    if wide.min() < low or wide.max() > high:
        data = wide.tolist()
        raise _wrong(spec.dtype, shape, data[at := _first_bad(spec.dtype, data)], at, spec.name)
    return wide.astype(kind).data.cast("B")


def packed(
    spec: TensorSpec, shape: Sequence[int], data: list[Any], where: str | None = None
) -> Tensor:
    """An input made of JSON values that may be anything, as `pack` says; where: else its name."""
    content = pack(
        spec.dtype,
        shape,
        element_count(shape),
        data,
        booleans=True,
        missing=spec.missing,
        where=spec.name if where is None else where,
    )
    return Tensor(spec.dtype, tuple(shape), content)


def _carefully(
    dtype: DType, shape: Sequence[int], data: list[Any], missing: bool, where: str
) -> bytes:
    """`data` packed with NaN for every allowed null. Raises naming the first bad element."""
    if missing and dtype.is_float:
        data = [float("nan") if value is None else value for value in data]
    try:
        return dtype.packer(len(data))(*data)
    except _REFUSALS:
        pass
    index = _first_bad(dtype, data)
    raise _wrong(dtype, shape, data[index], index, where)


def _first_bad(dtype: DType, data: list[Any]) -> int:
    """The position of the first element that `dtype` cannot hold; there is one."""
    low, high = 0, len(data)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            struct.pack(f"<{middle - low}{dtype.letter}", *data[low:middle])
            low = middle
        except _REFUSALS:
            high = middle
    return low


def _flatten(data: list[Any], shape: Sequence[int], where: str) -> list[Any]:
    """The elements of flat, nested or mixed lists; anything that does not fill is refused."""
    level: list[Any] = [data]
    for depth, dim in enumerate(shape):
        if {*map(type, level)} != {list}:
            return _mixed(data, shape, where)
        sizes = {*map(len, level)}
        inner = [*chain.from_iterable(level)]
        if sizes == {element_count(shape[depth:])} and list not in {*map(type, inner)}:
            return inner
        if sizes != {dim}:
            return _mixed(data, shape, where)
        level = inner
    return level if list not in {*map(type, level)} else _mixed(data, shape, where)


def _mixed(data: list[Any], shape: Sequence[int], where: str) -> list[Any]:
    """As `_flatten`, list by list. Raises ShapeInvalid saying which list does not fill."""
    count = element_count(shape)
    parts = {element_count(shape[k:]) for k in range(1, len(shape))}
    flat: list[Any] = []

    def fill(entries: list[Any], depth: int) -> None:
        for entry in entries:
            if entry.__class__ is not list:
                flat.append(entry)
                continue
            start = len(flat)
            if depth < len(shape):
                fill(entry, depth + 1)
            size = len(flat) - start
            if depth == len(shape) or size not in parts or start % size:
                raise _ragged(shape, start, len(entry), where)

    fill(data, 1)
    if len(flat) != count:
        raise ShapeInvalid(
            f"shape {list(shape)} has {count} elements, the data has {len(flat)}",
            where=where,
            fix="Send all elements in one flat list, or nested lists of exactly that shape",
        )
    return flat


def _place(shape: Sequence[int], index: int, where: str) -> tuple[str, int]:
    """Where the element at `index` is, in words, and its row."""
    row = index // max(1, element_count(shape[1:])) if shape else 0
    return f"{where}, element {index} (row {row})", row


def _ragged(shape: Sequence[int], start: int, entries: int, where: str) -> ShapeInvalid:
    place, row = _place(shape, start, where)
    return ShapeInvalid(
        f"a list of {entries} stands where it fills no part of shape {list(shape)}",
        where=place,
        row=row,
        fix="Send all elements in one flat list, or nested lists of exactly that shape",
    )


def _check_types(dtype: DType, shape: Sequence[int], data: list[Any], where: str) -> None:
    """Raises for the first element of another type than text or BOOL want, or for a boolean."""
    kinds = {*map(type, data)}
    if dtype.plain:
        if bool not in kinds:
            return
        index = next(i for i, value in enumerate(data) if value.__class__ is bool)
        raise _wrong(dtype, shape, data[index], index, where)
    wanted = str if dtype.is_text else bool
    if kinds != {wanted}:
        index = next(i for i, value in enumerate(data) if value.__class__ is not wanted)
        raise _wrong(dtype, shape, data[index], index, where)
    if dtype.is_text and any("\0" in text for text in data):
        index = next(i for i, text in enumerate(data) if "\0" in text)
        place, row = _place(shape, index, where)
        raise TextInvalid("text must not hold a NUL character", where=place, row=row)


def _wrong(dtype: DType, shape: Sequence[int], value: Any, index: int, where: str) -> FairleadError:
    """Why `value` cannot be an element of `dtype`, with its row."""
    place, row = _place(shape, index, where)
    shown = _shown(value)
    if value is None:
        what = f"null is not {_wanted(dtype)}"
        return (NotFinite if dtype.is_float else DtypeMismatch)(what, where=place, row=row)
    if not dtype.plain or value.__class__ not in (int, float):
        return DtypeMismatch(f"{shown} is not {_wanted(dtype)}", where=place, row=row)
    if not dtype.is_float and value.__class__ is float:
        return DtypeRange(f"{shown} is not an integer", where=place, row=row)
    return DtypeRange(f"{shown} is out of range of {dtype}", where=place, row=row)


def _wanted(dtype: DType) -> str:
    if dtype.is_text:
        return "text"
    return "true or false" if dtype.letter == "?" else f"a number ({dtype})"


def _shown(value: Any) -> str:
    """A value as an error may show it: short, and by kind when it is a container."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    text = repr(value[:60] if isinstance(value, str) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."
