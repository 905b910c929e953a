"""Rows as people write them, JSON or CSV, to the tensors of a signature.

Every error names the row (counted from 0, as it was sent) and the column.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from fairlead.core.errors import (
    DtypeMismatch,
    DuplicateName,
    FairleadError,
    MalformedBody,
    MissingField,
    NotFinite,
    ShapeInvalid,
    TextInvalid,
    UnknownName,
)
from fairlead.core.signature import Column, Signature, TensorSpec
from fairlead.core.tensor import DType, Tensor, element_count
from fairlead.inputs.elements import pack

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\Z", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+\Z", re.ASCII)
_TRUTH = {"true": True, "false": False, "1": True, "0": False}


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
    listed = value
    if not listed:
        raise MissingField("there are no rows", where="rows")
    bare = not any(row.__class__ in (dict, list) for row in listed)
    if bare and len(signature.columns) > 1:
        return [listed]
    return listed


def tensors_of(rows: Sequence[Any], signature: Signature) -> list[Tensor]:
    """One tensor per input, with one entry per row. Raises naming row and column."""
    if not signature.columns:
        return _whole_inputs(rows, signature)
    names = [column.name for column in signature.columns]
    values = [_values(row, number, names) for number, row in enumerate(rows)]
    found: list[Tensor] = []
    start = 0
    for spec in signature.inputs:
        width = 1 if len(spec.shape) == 1 else spec.shape[1]
        cells = [value for row in values for value in row[start : start + width]]
        shape = (len(rows),) if len(spec.shape) == 1 else (len(rows), width)
        data = _pack(spec, shape, cells, signature.columns[start : start + width])
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
            fix=f"Columns in order: {_listed(names)}",
        )
    return values


def _blame(given: dict[str, Any], number: int, names: list[str]) -> None:
    known = set(names)
    for name in given:
        if name not in known:
            close = get_close_matches(name, names, 1)
            raise UnknownName(
                f"row {number} has a column {name[:80]!r} that the model does not know",
                where=f"row {number}",
                row=number,
                column=name[:80],
                fix=f"Did you mean {close[0]!r}?" if close else f"Columns: {_listed(names)}",
            )
    for name in names:
        if name not in given:
            raise MissingField(
                f"row {number} has no column {name!r}",
                where=f"row {number}",
                row=number,
                column=name,
                fix=f"Columns: {_listed(names)}",
            )


def _pack(
    spec: TensorSpec, shape: tuple[int, ...], cells: list[Any], columns: Sequence[Column]
) -> bytes | list[str]:
    """The cells of one input; when something is wrong, the error names the first bad cell."""
    dtype = spec.dtype
    if not dtype.plain or dtype.is_float:
        exact = cells
    else:
        exact = [int(v) if v.__class__ is float and v.is_integer() else v for v in cells]
    try:
        return pack(
            dtype,
            shape,
            element_count(shape),
            exact,
            booleans=True,
            missing=spec.missing,
            where=spec.name,
        )
    except FairleadError:
        for index, value in enumerate(exact):
            _check_cell(spec, value, index // len(columns), columns[index % len(columns)].name)
        raise


def _check_cell(spec: TensorSpec, value: Any, row: int, column: str) -> None:
    place = f"row {row}, column {column!r}"
    if value is None and not spec.missing:
        raise NotFinite(
            f"column {column!r} is empty in row {row}, and this model takes no missing values",
            where=place,
            row=row,
            column=column,
        )
    try:
        pack(spec.dtype, (1,), 1, [value], booleans=True, missing=spec.missing, where=place)
    except FairleadError as error:
        text = error.what
        raise type(error)(text, where=place, row=row, column=column, fix=error.fix) from None


def _whole_inputs(rows: Sequence[Any], signature: Signature) -> list[Tensor]:
    """Rows of inputs that are not tables: nested lists, by input name when there are several."""
    found: list[Tensor] = []
    for spec in signature.inputs:
        data: list[Any] = []
        for number, row in enumerate(rows):
            if row.__class__ is dict:
                if spec.name not in row:
                    raise MissingField(
                        f"row {number} has no input {spec.name!r}",
                        where=f"row {number}",
                        row=number,
                    )
                data.append(row[spec.name])
            elif len(signature.inputs) == 1:
                data.append(row)
            else:
                raise MalformedBody(f"row {number} must be an object by input name", row=number)
        shape = _shape_of(spec, data)
        packed = pack(
            spec.dtype,
            shape,
            element_count(shape),
            data,
            booleans=True,
            missing=spec.missing,
            where=f"input {spec.name!r}",
        )
        found.append(Tensor(spec.dtype, shape, packed))
    return found


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


def rows_of_csv(body: bytes, signature: Signature) -> list[dict[str, Any]]:
    """The rows of a CSV body whose first line names the columns.

    An empty cell is a missing value. Raises MalformedBody, UnknownName, DtypeMismatch and the
    like, naming row (the first below the header is 0) and column.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TextInvalid(f"the CSV is not UTF-8 at byte {error.start}") from None
    if "\0" in text:
        raise TextInvalid("the CSV holds a NUL character")
    types = {c.name: signature.inputs[c.input].dtype for c in signature.columns}
    if not types:
        raise MalformedBody("this model has no columns, so it takes no CSV", fix="Send JSON")
    reader: Any = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header: list[str] = list(next(reader, ()))
        _check_header(header, types)
        return [
            _csv_row(number, cells, header, types)
            for number, cells in enumerate(c for c in reader if c)
        ]
    except csv.Error as error:
        raise MalformedBody(
            f"the CSV cannot be read: {error}", where=f"line {reader.line_num}"
        ) from None


def _check_header(header: list[str], types: dict[str, DType]) -> None:
    if not header:
        raise MalformedBody("the CSV is empty", fix="The first line must name the columns")
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        raise DuplicateName(f"the column {twice[0][:80]!r} is given twice", where="header")
    for name in header:
        if name not in types:
            close = get_close_matches(name, list(types), 1)
            hint = f"Did you mean {close[0]!r}?" if close else f"Columns: {_listed(list(types))}"
            raise UnknownName(
                f"the model does not know the column {name[:80]!r}", where="header", fix=hint
            )


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
    if dtype.letter != "?" and _NUMBER.match(text) and len(text) <= 400:
        return int(text) if _WHOLE.match(text) else float(text)
    wanted = "true or false" if dtype.letter == "?" else "a number"
    raise DtypeMismatch(
        f"{text[:60]!r} is not {wanted}",
        where=f"row {row}, column {column!r}",
        row=row,
        column=column,
    )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:12])
    return shown if len(names) <= 12 else f"{shown} and {len(names) - 12} more"
