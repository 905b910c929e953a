"""Numbers and text from JSON packed into tensor bytes, exactly or not at all.

`struct` packs a list in one call and refuses what would change a value: a fraction for an
integer, a number out of range, text for a number. Only then is the slow, explaining path taken.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import chain
from typing import Any

from fairlead.core.errors import (
    DtypeMismatch,
    DtypeRange,
    FairleadError,
    NotFinite,
    ShapeInvalid,
    TextInvalid,
)
from fairlead.core.tensor import DType, element_count


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
    """The packed elements of `data`, flat or nested row-major lists that must fill `shape`.

    count:    the product of `shape`, 1 or more.
    booleans: whether true or false may occur in `data` (False promises that they do not).
    missing:  whether null is allowed and means NaN.
    where:    the name of the input, for errors.

    Raises ShapeInvalid, DtypeMismatch, DtypeRange, NotFinite or TextInvalid.
    """
    if len(data) != count or data[0].__class__ is list:
        data = _flatten(data, shape, where)
    if booleans or not dtype.plain:
        _check_types(dtype, data, where)
        if dtype.is_text:
            return data
    packer = dtype.packer(count)
    try:
        return packer(*data)
    except (struct.error, OverflowError, TypeError):
        return packer(*[_exact(dtype, v, i, shape, missing, where) for i, v in enumerate(data)])


def _flatten(data: list[Any], shape: Sequence[int], where: str) -> list[Any]:
    """The elements of nested lists, or of a flat list; anything ragged is refused."""
    level: list[Any] = data
    for depth, dim in enumerate(shape):
        if depth == 0:
            if len(level) == element_count(shape) and not any(v.__class__ is list for v in level):
                return level
            groups = [level]
        else:
            groups = level
        for index, group in enumerate(groups):
            if group.__class__ is not list or len(group) != dim:
                _ragged(group, index, depth, dim, shape, where)
        level = list(chain.from_iterable(groups))
    for index, value in enumerate(level):
        if value.__class__ is list:
            raise ShapeInvalid(
                f"the data is nested deeper than its shape {list(shape)}", where=f"{where}[{index}]"
            )
    return level


def _ragged(group: Any, index: int, depth: int, dim: int, shape: Sequence[int], where: str) -> None:
    place = where if depth == 0 else f"{where}, list {index} at depth {depth}"
    if group.__class__ is not list:
        raise ShapeInvalid(
            f"a number stands where shape {list(shape)} wants a list of {dim}", where=place
        )
    if depth == 0:
        raise ShapeInvalid(
            f"shape {list(shape)} has {element_count(shape)} elements, the data has "
            f"{len(group)} entries at the top",
            where=place,
            fix="Send all elements in one flat list, or nested lists of exactly that shape",
        )
    raise ShapeInvalid(
        f"a list of {len(group)} stands where shape {list(shape)} wants {dim}", where=place
    )


def _check_types(dtype: DType, data: list[Any], where: str) -> None:
    wanted = {"": str, "?": bool}.get(dtype.letter)
    for index, value in enumerate(data):
        kind: Any = value.__class__
        if (wanted is not None and kind is not wanted) or (wanted is None and kind is bool):
            raise DtypeMismatch(
                f"{_shown(value)} is not {_wanted(dtype)}", where=f"{where}, element {index}"
            )
        if kind is str and "\0" in value:
            raise TextInvalid(
                "text must not hold a NUL character", where=f"{where}, element {index}"
            )


def _exact(
    dtype: DType, value: Any, index: int, shape: Sequence[int], missing: bool, where: str
) -> Any:
    """`value` if `dtype` holds it exactly, NaN for an allowed null; else raises naming the row."""
    row = index // max(1, element_count(shape[1:])) if shape else 0
    place = f"{where}, element {index} (row {row})"
    error: FairleadError
    if value is None:
        if missing and dtype.is_float:
            return float("nan")
        error = NotFinite("null is not a number this model takes", where=place, row=row)
    elif value.__class__ not in (int, float):
        error = DtypeMismatch(f"{_shown(value)} is not {_wanted(dtype)}", where=place, row=row)
    elif not dtype.is_float and value.__class__ is float:
        error = DtypeRange(f"{value!r} is not an integer", where=place, row=row)
    else:
        try:
            struct.pack("<" + dtype.letter, value)
        except (struct.error, OverflowError):
            error = DtypeRange(f"{_shown(value)} is out of range of {dtype}", where=place, row=row)
        else:
            return value
    raise error


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
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    text = "null" if value is None else text
    return text if len(text) <= 60 else f"{text[:57]}..."
