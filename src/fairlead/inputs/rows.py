"""Rows as people write them, JSON or CSV, to the tensors of a signature.

Every error names the row (counted from 0, as it was sent) and the column.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from difflib import get_close_matches
from math import inf
from typing import Any

from fairlead.core.datatypes import DType
from fairlead.core.errors import (
    BodyTooLarge,
    DtypeMismatch,
    DuplicateName,
    FairleadError,
    MalformedBody,
    MissingField,
    NotFinite,
    ShapeInvalid,
    TextInvalid,
    TooManyRows,
    UnknownName,
)
from fairlead.core.signature import Column, Signature, TensorSpec
from fairlead.core.tensor import Tensor
from fairlead.inputs.elements import pack, packed

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\Z", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+\Z", re.ASCII)
_TRUTH = {"true": True, "false": False, "1": True, "0": False}
_LONGEST_NUMBER = 400
_EXACT_INTEGERS = 2**53 - 1
_COMPARED = 500


def rows_of(value: Any, signature: Signature) -> list[Any]:
    """The rows of a JSON body: `{"rows": [...]}`, a list of rows, or one row.

    A row is an object by column name or a list in column order. For a model of one column a
    bare value is a row too. Raises MalformedBody or MissingField.
    """
    if value.__class__ is dict:
        known = {c.name for c in signature.columns} or {s.name for s in signature.inputs}
        if "rows" not in value or "rows" in known:
            return [value]
        unknown = [key for key in value if key not in ("rows", "outputs")]
        if unknown:
            raise UnknownName(f"{unknown[0][:80]!r} does not belong beside `rows`")
        value = value["rows"]
    if value.__class__ is not list:
        raise MalformedBody("the body must be a row or a list of rows")
    rows = value
    if not rows:
        raise MissingField("there are no rows", where="rows")
    if len(signature.columns) > 1 and {*map(type, rows)}.isdisjoint((dict, list)):
        return [rows]
    return rows


def tensors_of(rows: Sequence[Any], signature: Signature) -> list[Tensor]:
    """One tensor per input, with one entry per row. Raises naming row and column."""
    if not signature.columns:
        return _whole_inputs(rows, signature.inputs)
    names = [column.name for column in signature.columns]
    values = [_values(row, number, names) for number, row in enumerate(rows)]
    found: list[Tensor] = []
    start = 0
    for spec in signature.inputs:
        width = 1 if len(spec.shape) == 1 else spec.shape[1]
        cells = [value for row in values for value in row[start : start + width]]
        shape = (len(rows),) if len(spec.shape) == 1 else (len(rows), width)
        data = _pack(spec, cells, signature.columns[start : start + width])
        found.append(Tensor(spec.dtype, shape, data))
        start += width
    return found


def _values(row: Any, number: int, names: list[str]) -> list[Any]:
    """The row's values in column order."""
    if row.__class__ is dict:
        given = row
        try:
            if len(given) == len(names):
                return [given[name] for name in names]
        except KeyError:
            pass
        _blame(given, number, names)
    values = row if row.__class__ is list else [row]
    if len(values) != len(names):
        raise ShapeInvalid(
            f"row {number} has {len(values)} values, the model has {len(names)} columns",
            where=f"row {number}",
            row=number,
            fix=f"Columns in order: {listed(names)}",
        )
    return values


def _blame(given: dict[str, Any], number: int, names: list[str]) -> None:
    """Raises for the first name that is unknown, else for the first that is missing."""
    known = set(names)
    for name in given:
        if name not in known:
            raise UnknownName(
                f"row {number} has a column {name[:80]!r} that the model does not know",
                where=f"row {number}",
                row=number,
                column=name[:80],
                fix=_nearest(name, names),
            )
    for name in names:
        if name not in given:
            raise MissingField(
                f"row {number} has no column {name!r}",
                where=f"row {number}",
                row=number,
                column=name,
                fix=f"Columns: {listed(names)}",
            )


def _pack(spec: TensorSpec, cells: list[Any], columns: Sequence[Column]) -> bytes | list[str]:
    """The cells of one input; when something is wrong, the error names row and column."""
    dtype = spec.dtype
    if dtype.plain and not dtype.is_float and float in {*map(type, cells)}:
        cells = [_whole(value) if value.__class__ is float else value for value in cells]
    try:
        # One long row, so that the error's row is the position of the bad cell.
        return pack(
            dtype,
            (len(cells),),
            len(cells),
            cells,
            booleans=True,
            missing=spec.missing,
            where=spec.name,
        )
    except FairleadError as error:
        index = error.row or 0
        if isinstance(error, ShapeInvalid):
            error = DtypeMismatch("a list stands where one value belongs")
        if cells[index] is None:
            error = type(error)("the value is missing, and this model takes no missing values")
        raise _at_cell(error, index, columns) from None


def _whole(value: float) -> int | float:
    """The integer that `value` surely is; a larger float may have been rounded, so stays one."""
    return int(value) if value.is_integer() and abs(value) <= _EXACT_INTEGERS else value


def _at_cell(error: FairleadError, index: int, columns: Sequence[Column]) -> FairleadError:
    """The error with the row and the column of the cell at `index`."""
    row, column = index // len(columns), columns[index % len(columns)].name
    place = f"row {row}, column {column!r}"
    return type(error)(error.what, where=place, fix=error.fix, row=row, column=column)


def _whole_inputs(rows: Sequence[Any], inputs: Sequence[TensorSpec]) -> list[Tensor]:
    """Rows of inputs that are not tables: nested lists, by input name when there are several."""
    names = [spec.name for spec in inputs]
    for number, row in enumerate(rows):
        if row.__class__ is dict:
            if row.keys() != {*names}:
                _blame(row, number, names)
        elif len(inputs) > 1:
            raise MalformedBody(f"row {number} must be an object by input name", row=number)
    found: list[Tensor] = []
    for spec in inputs:
        data = [row[spec.name] if row.__class__ is dict else row for row in rows]
        shape = _shape_of(spec, data)
        try:
            found.append(packed(spec, shape, data, f"input {spec.name!r}"))
        except FairleadError:
            for number, cell in enumerate(data):
                _check_whole(spec, shape, cell, number)
            raise
    return found


def _check_whole(spec: TensorSpec, shape: tuple[int, ...], cell: Any, row: int) -> None:
    """Raises the error of this row's tensor, if it has one, naming the row."""
    try:
        packed(spec, (1, *shape[1:]), [cell], f"input {spec.name!r}")
    except FairleadError as error:
        place = f"row {row}, input {spec.name!r}"
        raise type(error)(
            error.what, where=place, fix=error.fix, row=row, column=spec.name
        ) from None


def _shape_of(spec: TensorSpec, data: list[Any]) -> tuple[int, ...]:
    """The signature's shape with its open dimensions read off the first row."""
    shape = [len(data)]
    inner: Any = data[0]
    for dim in spec.shape[1:]:
        size = len(inner) if inner.__class__ is list else 0
        if size == 0 or dim not in (-1, size):
            raise ShapeInvalid(
                f"input {spec.name!r} takes rows of shape {list(spec.shape[1:])} (-1 is any size)",
                where=f"input {spec.name!r}",
                row=0,
            )
        shape.append(size)
        inner = inner[0]
    return tuple(shape)


_MOST_CELLS = 2 << 20
"""Cells of a CSV that are read: one byte each, and a hundred in memory."""


def rows_of_csv(body: bytes, signature: Signature, most: int) -> list[dict[str, Any]]:
    """The rows of a CSV body whose first line names the columns; `most` may be read.

    An empty cell is a missing value. Raises MalformedBody, UnknownName, DtypeMismatch and the
    like, naming row (the first below the header is 0) and column; TooManyRows.
    """
    types = {c.name: signature.inputs[c.input].dtype for c in signature.columns}
    if not types:
        raise MalformedBody("this model has no columns, so it takes no CSV", fix="Send JSON")
    if b"\0" in body:
        raise TextInvalid("the CSV holds a NUL character")
    # Each cell ends at a comma or a line; empty lines take their time too.
    ends = body.count(b",") + max(body.count(b"\n"), body.count(b"\r"))
    if ends > _MOST_CELLS:
        raise BodyTooLarge(
            f"the CSV has more than {_MOST_CELLS} cells", fix="Send fewer rows per request"
        )
    lines = io.TextIOWrapper(io.BytesIO(body), "utf-8-sig", newline="")
    reader: Any = csv.reader(lines, strict=True)
    rows: list[dict[str, Any]] = []
    try:
        header: list[str] = list(next(reader, ()))
        _check_header(header, types)
        for cells in filter(None, reader):
            if len(rows) >= most:
                raise TooManyRows(f"more than {most} rows in one request")
            rows.append(_csv_row(len(rows), cells, header, types))
    except UnicodeDecodeError:
        place = f"line {reader.line_num + 1} or soon after"
        raise TextInvalid("the CSV is not UTF-8", where=place) from None
    except csv.Error as error:
        raise MalformedBody(
            f"the CSV cannot be read: {error}", where=f"line {reader.line_num}"
        ) from None
    if not rows:
        raise MissingField("there are no rows below the header", where="rows")
    return rows


def _check_header(header: list[str], types: dict[str, DType]) -> None:
    if not header:
        raise MalformedBody("the CSV is empty", fix="The first line must name the columns")
    seen: set[str] = set()
    for name in header:
        if name not in types:
            raise UnknownName(
                f"the model does not know the column {name[:80]!r}",
                where="header",
                column=name[:80],
                fix=_nearest(name, list(types)),
            )
        if name in seen:
            raise DuplicateName(f"the column {name!r} is given twice", where="header", column=name)
        seen.add(name)


def _csv_row(
    number: int, cells: list[str], header: list[str], types: dict[str, DType]
) -> dict[str, Any]:
    if len(cells) != len(header):
        raise ShapeInvalid(
            f"row {number} has {len(cells)} cells, the header has {len(header)}",
            where=f"row {number}",
            row=number,
        )
    return {
        name: _cell(cell, types[name], number, name)
        for name, cell in zip(header, cells, strict=True)
    }


def _cell(cell: str, dtype: DType, row: int, column: str) -> Any:
    if dtype.is_text:
        return cell
    text = cell.strip()
    if not text:
        return None
    if dtype.letter == "?" and text.lower() in _TRUTH:
        return _TRUTH[text.lower()]
    error: type[FairleadError] = DtypeMismatch
    what = f"{text[:60]!r} is not {'true or false' if dtype.letter == '?' else 'a number'}"
    if dtype.letter != "?" and _NUMBER.match(text) and len(text) <= _LONGEST_NUMBER:
        value = int(text) if _WHOLE.match(text) else float(text)
        if abs(value) != inf:
            return value
        error, what = NotFinite, f"{text[:60]!r} is too large for any number"
    raise error(what, where=f"row {row}, column {column!r}", row=row, column=column)


def _nearest(name: str, names: list[str]) -> str:
    """How to fix an unknown name: the known one that looks like it, or what is known."""
    close = get_close_matches(name[:80], names[:_COMPARED], 1)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {listed(names)}"


def listed(names: Sequence[str]) -> str:
    """The first dozen names, for an error."""
    shown = ", ".join(names[:12])
    return shown if len(names) <= 12 else f"{shown} and {len(names) - 12} more"
