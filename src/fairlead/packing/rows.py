"""Rows as named columns: from files, DataFrames and arrays, and as the inputs of a signature.

A table holds columns of float64, int64, bool or text, and whole inputs of higher rank.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from fairlead.core.datatypes import DType
from fairlead.core.errors import RowsInvalid
from fairlead.core.signature import Signature, TensorSpec
from fairlead.core.tensor import Array
from fairlead.packing.cells import as_numbers, column
from fairlead.packing.converters.samples import as_text
from fairlead.packing.row_files import read_columns


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of equal length by name, in order; a column of rank above 1 is a whole input.

    Missing numbers are NaN, missing texts are "".
    of: rows of the file, where these are a sample of them; 0 where they are all there are.
    """

    columns: Mapping[str, Array]
    of: int = 0

    @property
    def count(self) -> int:
        """Rows."""
        return len(next(iter(self.columns.values()))) if self.columns else 0

    @property
    def names(self) -> list[str]:
        return list(self.columns)

    def without(self, name: str) -> Table:
        """The table less one column. Raises RowsInvalid when it has no such column."""
        if name not in self.columns:
            raise RowsInvalid(
                f"there is no column {name!r}", fix=f"Columns: {', '.join(self.names[:20])}"
            )
        return Table({k: v for k, v in self.columns.items() if k != name})

    def head(self, count: int) -> Table:
        """The first `count` rows."""
        return Table({k: v[:count] for k, v in self.columns.items()})


def read(path: Path) -> Table:
    """The rows of a file, by its ending. Raises FileUnreadable, RowsInvalid or MissingExtra."""
    columns, count = read_columns(path)
    found = Table(columns)
    return Table(columns, count) if count > found.count else found


def table_of(rows: Any) -> Table:
    """The rows of a DataFrame, an array or a mapping of columns, as a table.

    An array of n columns gets the names 0 to n-1 as text; a 1-D array is one column "0".
    Raises RowsInvalid.
    """
    if hasattr(rows, "columns") and hasattr(rows, "iloc"):
        names = [str(name) for name in rows.columns]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise RowsInvalid(f"the column {twice!r} is given twice")
        return Table({n: _series(n, rows.iloc[:, i]) for i, n in enumerate(names)})
    if isinstance(rows, Mapping):
        named = cast("Mapping[Any, Any]", rows)
        return Table({str(k): _named_column(str(k), np.asarray(v)) for k, v in named.items()})
    array: Array = np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows)
    if array.ndim == 1:
        return Table({"0": _named_column("0", array)})
    if array.ndim == 2:
        return Table({str(i): column(str(i), array[:, i]) for i in range(array.shape[1])})
    if array.ndim == 0:
        raise RowsInvalid("a single value is no table of rows")
    return Table({"0": array})


def _series(name: str, series: Any) -> Array:
    """A column of a DataFrame, whose own types may hold values that numpy has no word for."""
    kind = getattr(getattr(series, "dtype", None), "kind", "O")
    plain = kind in "fiub" and type(series.dtype).__module__.startswith("numpy")
    return column(name, series.to_numpy() if plain else series.tolist())


def _named_column(name: str, values: Array) -> Array:
    """A column, or a whole input of higher rank as it is."""
    return column(name, values) if values.ndim < 2 else values


def inputs_of(table: Table, signature: Signature) -> list[Array]:
    """The input arrays of a signature, from columns by name or in order.

    A model that is not batched takes one whole call at a time; its arrays hold calls along one
    more, leading axis. Raises RowsInvalid when a column is missing or is of another kind than the
    input.
    """
    if not signature.columns or _holds_inputs(table, signature):
        return _whole_inputs(table, signature)
    names = [column.name for column in signature.columns]
    if not all(name in table.columns for name in names):
        if len(table.columns) != len(names):
            missing = next(name for name in names if name not in table.columns)
            raise RowsInvalid(
                f"the rows have no column {missing!r}",
                fix=f"The model's columns: {', '.join(names[:20])}",
            )
        table = Table(dict(zip(names, table.columns.values(), strict=True)))
    found: list[Array] = []
    start = 0
    for spec in signature.inputs:
        width = 1 if len(spec.shape) == 1 else spec.shape[1]
        parts = [_as(table.columns[n], spec.dtype, n) for n in names[start : start + width]]
        start += width
        found.append(parts[0] if len(spec.shape) == 1 else np.stack(parts, axis=1))
    return found


def _holds_inputs(table: Table, signature: Signature) -> bool:
    """Whether there is an array for each input by name, some of several columns."""
    held = [table.columns.get(spec.name) for spec in signature.inputs]
    return all(array is not None for array in held) and any(
        array is not None and array.ndim > 1 for array in held
    )


def _whole_inputs(table: Table, signature: Signature) -> list[Array]:
    first = signature.inputs[0]
    if len(signature.inputs) == 1 and len(table.columns) == 1:
        values = list(table.columns.values())
    elif len(signature.inputs) == 1 and first.shape[1:] in ((-1,), (len(table.columns),)):
        values = [np.stack(list(table.columns.values()), axis=1)]
    else:
        values = [table.columns.get(spec.name, np.empty(0)) for spec in signature.inputs]
    found: list[Array] = []
    for spec, value in zip(signature.inputs, values, strict=True):
        if not signature.batched and value.ndim == len(spec.shape):
            value = _calls(value, spec)
        if value.ndim == 1 and spec.shape[1:] == (1,):
            value = value.reshape(-1, 1)
        if value.ndim != len(spec.shape) + (not signature.batched) or not len(value):
            raise RowsInvalid(
                f"the rows hold no tensor for input {spec.name!r} of shape {list(spec.shape)}",
                fix="Give an .npz file with one array per input, by name",
            )
        found.append(value.astype(spec.dtype.numpy))
    return found


def _calls(value: Array, spec: TensorSpec) -> Array:
    """Rows as whole calls of as many as the model takes; one call where that is open."""
    size = spec.shape[0] if spec.shape else 0
    if size < 1:
        return value[np.newaxis]
    count = len(value) // size
    return value[: count * size].reshape(count, size, *value.shape[1:])


def _as(values: Array, dtype: DType, name: str) -> Array:
    """A column in the datatype of the input that holds it."""
    return as_text(values) if dtype.is_text else as_numbers(name, values, dtype.numpy)
