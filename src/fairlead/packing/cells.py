"""Values as a column of one kind: true or false, int64, float64 (missing is NaN) or text.

A missing text is "". What mixes kinds is refused, naming the row.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from fairlead.core.errors import RowsInvalid
from fairlead.core.tensor import Array

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\Z", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,18}\Z", re.ASCII)
_EMPTY = frozenset(("", "NA", "NaN", "nan", "null", "None"))
_TRUTH = {"True": True, "False": False, "true": True, "false": False, "TRUE": True, "FALSE": False}
_KINDS: dict[Any, str] = {bool: "true or false", int: "number", float: "number", str: "text"}


def column(name: str, values: Sequence[Any] | Array) -> Array:
    """Python values or an array as one column. Raises RowsInvalid."""
    if isinstance(values, np.ndarray):
        if values.dtype.kind in "fiubUS":
            return of_array(name, values)
        values = values.tolist()
    listed = [_natural(v) for v in values]
    there = [v for v in listed if v is not None and v == v]
    kinds: set[Any] = {v.__class__ for v in there}
    whole = len(there) == len(listed)
    if kinds == {bool} and whole:
        return np.array(listed, dtype=bool)
    if kinds <= {int} and whole:
        for row, value in enumerate(listed):
            if not -(2**63) <= value < 2**63:
                raise _bad(name, row, "holds an integer beyond 64 bits")
        return np.array(listed, dtype=np.int64)
    if kinds <= {int, float, bool}:
        return np.array([np.nan if v is None else v for v in listed], dtype=np.float64)
    if kinds <= {str}:
        text: Array = np.empty(len(listed), dtype=object)
        text[:] = ["" if v is None or v != v else v for v in listed]
        return text
    return _mixed(name, listed)


def of_array(name: str, array: Array) -> Array:
    """An array of one dimension as a column. Raises RowsInvalid."""
    if array.dtype.kind in "US":
        text: Array = np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array
        return text.astype(object)
    if array.dtype.kind == "u" and array.dtype.itemsize == 8 and (array >= 2**63).any():
        raise _bad(name, int(np.argmax(array >= 2**63)), "holds an integer beyond 64 bits")
    kind = {"f": np.float64, "i": np.int64, "u": np.int64, "b": np.bool_}.get(array.dtype.kind)
    if kind is None:
        raise RowsInvalid(f"column {name!r} is an array of {array.dtype}, which holds no rows")
    return array.astype(kind)


def of_text(name: str, cells: Sequence[str]) -> Array:
    """The cells of a CSV column: numbers if all of them are, true or false, else text.

    A column that is empty in every row is one of missing numbers. Raises RowsInvalid.
    """
    filled = [c for c in (cell.strip() for cell in cells) if c not in _EMPTY]
    if all(_NUMBER.match(c) for c in filled):
        if filled and len(filled) == len(cells) and all(_WHOLE.match(c) for c in filled):
            return np.array([int(c) for c in cells], dtype=np.int64)
        numbers = np.array([np.nan if c.strip() in _EMPTY else float(c) for c in cells])
        if np.isinf(numbers).any():
            raise _bad(name, int(np.argmax(np.isinf(numbers))), "holds a number beyond float64")
        return numbers
    if len(filled) == len(cells) and all(c in _TRUTH for c in filled):
        return np.array([_TRUTH[c] for c in filled])
    array: Array = np.empty(len(cells), dtype=object)
    array[:] = cells
    return array


def as_numbers(name: str, values: Array, dtype: np.dtype[Any]) -> Array:
    """A column in a number type or as true and false, no value changed but by rounding floats.

    Raises RowsInvalid.
    """
    if values.dtype.kind == "O":
        raise RowsInvalid(f"column {name!r} holds text, the model takes numbers there")
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            found = values.astype(dtype)
        beyond = np.isinf(found) & (found != values)
        if beyond.any():
            row = int(np.argmax(beyond))
            raise _bad(name, row, f"is {values[row].item()!r}, beyond {dtype}")
        return found
    if values.dtype.kind == "f" and np.isnan(values).any():
        row = int(np.argmax(np.isnan(values)))
        raise _bad(name, row, f"is empty, the model takes {_taken(dtype)} there")
    with np.errstate(invalid="ignore"):
        found = values.astype(dtype)
    wrong = found.astype(values.dtype) != values
    if wrong.any():
        row = int(np.argmax(wrong))
        shown = values[row].item()
        raise _bad(name, row, f"is {shown!r}, the model takes {_taken(dtype)} there")
    return found


def _taken(dtype: np.dtype[Any]) -> str:
    return "true or false" if dtype.kind == "b" else f"integers ({dtype})"


def _natural(value: Any) -> Any:
    """A scalar of numpy as Python's own, and pandas' mark of a missing value as None."""
    if isinstance(value, np.generic):
        return cast("Any", value).item()
    return None if type(value).__name__ in ("NAType", "NaTType") else value


def _mixed(name: str, values: list[Any]) -> Array:
    """Raises for the first value whose kind is not that of those before it, or of no column."""
    first = ""
    for row, value in enumerate(values):
        if value is None or value != value:
            continue
        kind = _KINDS.get(value.__class__, "")
        if not kind:
            raise _bad(name, row, f"holds a {value.__class__.__name__}")
        first = first or kind
        if kind != first and "text" in (kind, first):
            raise _bad(name, row, f"holds {kind} after {first}")
    raise AssertionError("every mixture has a first row")


def _bad(name: str, row: int, what: str) -> RowsInvalid:
    return RowsInvalid(
        f"row {row} of column {name!r} {what}",
        where=f"row {row}, column {name!r}",
        fix="Give each column one kind: numbers, text or true and false",
        row=row,
        column=name,
    )
