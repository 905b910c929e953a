"""Rows in files: CSV, Parquet, NPZ, JSON lines, as named columns.

Reading is bounded and says the row and column of what it cannot read. A table holds columns of
float64, int64, bool or text; an NPZ file may hold whole input tensors of higher rank as well.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from fairlead.core.errors import FileUnreadable, MissingExtra, RowsInvalid
from fairlead.core.signature import Signature
from fairlead.core.tensor import Array

MOST_ROWS = 1_000_000
MOST_BYTES = 2 << 30
MOST_COLUMNS = 100_000
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\Z", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,18}\Z", re.ASCII)
_EMPTY = frozenset(("", "NA", "NaN", "nan", "null", "None"))


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of equal length by name, in order; a column of rank above 1 is a whole input.

    Missing numbers are NaN, missing texts are "".
    """

    columns: Mapping[str, Array]

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
    readers = {
        ".csv": _read_csv,
        ".parquet": _read_parquet,
        ".npz": _read_npz,
        ".jsonl": _read_jsonl,
        ".ndjson": _read_jsonl,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise RowsInvalid(
            f"rows in a {path.suffix or 'nameless'} file are not known",
            where=str(path),
            fix="Use .csv, .parquet, .npz or .jsonl",
        )
    try:
        size = path.stat().st_size
    except OSError as error:
        raise FileUnreadable(f"{path} cannot be read: {error.strerror}") from error
    if size > MOST_BYTES:
        raise RowsInvalid(f"the file is larger than {MOST_BYTES >> 30} GiB", where=str(path))
    table = reader(path)
    if not table.columns or not table.count:
        raise RowsInvalid("there are no rows", where=str(path))
    if len(table.columns) > MOST_COLUMNS:
        raise RowsInvalid(f"there are more than {MOST_COLUMNS} columns", where=str(path))
    return table


def table_of(rows: Any) -> Table:
    """The rows of a DataFrame, an array or a mapping of columns, as a table.

    An array of n columns gets the names 0 to n-1 as text; a 1-D array is one column "0".
    """
    if hasattr(rows, "columns") and hasattr(rows, "iloc"):
        return Table({str(name): column(str(name), rows[name].tolist()) for name in rows.columns})
    if isinstance(rows, Mapping):
        named: Mapping[Any, Any] = rows
        return Table({str(k): column(str(k), np.asarray(v).tolist()) for k, v in named.items()})
    array: Array = np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows)
    if array.ndim == 1:
        return Table({"0": column("0", array.tolist())})
    if array.ndim == 2:
        return Table({str(i): column(str(i), array[:, i].tolist()) for i in range(array.shape[1])})
    return Table({"0": array})


def inputs_of(table: Table, signature: Signature) -> list[Array]:
    """The input arrays of a signature, from columns by name or in order.

    A model that is not batched takes one whole call at a time; its arrays hold calls along one
    more, leading axis. Raises RowsInvalid when a column is missing or is of another kind than the input.
    """
    if not signature.columns:
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
        parts = [_as(table.columns[n], spec.dtype.numpy, n) for n in names[start : start + width]]
        start += width
        found.append(parts[0] if len(spec.shape) == 1 else np.stack(parts, axis=1))
    return found


def _whole_inputs(table: Table, signature: Signature) -> list[Array]:
    if len(signature.inputs) == 1 and len(table.columns) == 1:
        values = list(table.columns.values())
    else:
        values = [table.columns.get(spec.name, np.empty(0)) for spec in signature.inputs]
    found: list[Array] = []
    for spec, value in zip(signature.inputs, values, strict=True):
        if not signature.batched and value.ndim == len(spec.shape):
            value = value[np.newaxis]
        if value.ndim != len(spec.shape) + (not signature.batched):
            raise RowsInvalid(
                f"the rows hold no tensor for input {spec.name!r} of shape {list(spec.shape)}",
                fix="Give an .npz file with one array per input, by name",
            )
        found.append(value.astype(spec.dtype.numpy))
    return found


def _as(values: Array, dtype: np.dtype[Any], name: str) -> Array:
    if (dtype.kind == "O") != (values.dtype.kind == "O"):
        if dtype.kind == "O":
            return np.array([str(v) for v in values.tolist()], dtype=object)
        raise RowsInvalid(f"column {name!r} holds text, the model takes numbers there")
    if dtype.kind in "iu" and values.dtype.kind == "f" and np.isnan(values).any():
        raise RowsInvalid(f"column {name!r} has missing values, the model takes integers there")
    return values.astype(dtype)


def column(name: str, values: Sequence[Any]) -> Array:
    """Values as one column: bool, int64, float64 (missing is NaN) or text. Raises RowsInvalid."""
    kinds = {type(v) for v in values if v is not None and v == v}
    if kinds <= {bool, np.bool_} and kinds and None not in values:
        return np.array(values, dtype=bool)
    if kinds <= {int} and None not in values and all(v == v for v in values):
        if all(-(2**63) <= v < 2**63 for v in values):
            return np.array(values, dtype=np.int64)
        raise RowsInvalid(f"column {name!r} holds integers beyond 64 bits")
    if kinds <= {int, float, bool}:
        return np.array([float("nan") if v is None else v for v in values], dtype=np.float64)
    if kinds <= {str}:
        array: Array = np.empty(len(values), dtype=object)
        array[:] = ["" if v is None or v != v else v for v in values]
        return array
    shown = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise RowsInvalid(
        f"column {name!r} mixes kinds of values: {shown}", fix="Give each column one kind"
    )


def _read_csv(path: Path) -> Table:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader: Any = csv.reader(file, strict=True)
            header: list[str] = list(next(reader, ()))
            cells = list(_csv_rows(reader, len(header), path))
    except UnicodeDecodeError as error:
        raise RowsInvalid("the file is not UTF-8", where=str(path)) from error
    except csv.Error as error:
        raise RowsInvalid(f"the CSV cannot be read: {error}", where=str(path)) from error
    except OSError as error:
        raise FileUnreadable(f"{path} cannot be read: {error.strerror}") from error
    if len(set(header)) != len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise RowsInvalid(f"the column {twice!r} is given twice", where=str(path))
    return Table({name: _inferred([row[i] for row in cells]) for i, name in enumerate(header)})


def _csv_rows(reader: Iterable[list[str]], width: int, path: Path) -> Iterable[list[str]]:
    for number, cells in enumerate(reader):
        if not cells:
            continue
        if len(cells) != width:
            raise RowsInvalid(
                f"row {number} has {len(cells)} cells, the header has {width}", where=str(path)
            )
        if number >= MOST_ROWS:
            raise RowsInvalid(f"there are more than {MOST_ROWS} rows", where=str(path))
        yield cells


def _inferred(cells: list[str]) -> Array:
    """Cells as int64 if all are whole, float64 if all are numbers or empty, else text."""
    filled = [c.strip() for c in cells if c.strip() not in _EMPTY]
    if filled and all(_NUMBER.match(c) for c in filled):
        if len(filled) == len(cells) and all(_WHOLE.match(c) for c in filled):
            return np.array([int(c) for c in cells], dtype=np.int64)
        return np.array([float("nan") if c.strip() in _EMPTY else float(c) for c in cells])
    array: Array = np.empty(len(cells), dtype=object)
    array[:] = cells
    return array


def _read_jsonl(path: Path) -> Table:
    names: list[str] = []
    rows: list[Any] = []
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file):
                if not line.strip():
                    continue
                if number >= MOST_ROWS:
                    raise RowsInvalid(f"there are more than {MOST_ROWS} rows", where=str(path))
                row: Any = json.loads(line)
                if row.__class__ is not dict:
                    raise RowsInvalid(f"line {number + 1} is not an object", where=str(path))
                names = names or list(row)
                if list(row) != names and set(row) != set(names):
                    raise RowsInvalid(f"line {number + 1} has other columns", where=str(path))
                rows.append(row)
    except (ValueError, RecursionError) as error:
        raise RowsInvalid(f"the JSON lines cannot be read: {error}", where=str(path)) from error
    return Table({name: column(name, [row[name] for row in rows]) for name in names})


def _read_npz(path: Path) -> Table:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found: dict[str, Array] = {name: arrays[name] for name in arrays.files}
    except (ValueError, OSError, EOFError) as error:
        raise RowsInvalid(f"the NPZ cannot be read: {error}", where=str(path)) from error
    if len({len(a) if a.ndim else -1 for a in found.values()}) > 1:
        raise RowsInvalid("the arrays differ in their number of rows", where=str(path))
    if len(found) == 1:
        (name, array), *_ = found.items()
        if array.ndim == 2:
            return Table({str(i): _plain(array[:, i]) for i in range(array.shape[1])})
        return Table({name: _plain(array)})
    return Table(
        {
            name: _plain(a[:, 0] if a.ndim == 2 and a.shape[1] == 1 else a)
            for name, a in found.items()
        }
    )


def _plain(array: Array) -> Array:
    if array.ndim > 1:
        return array
    if array.dtype.kind in "US":
        return array.astype(str).astype(object)
    kind = {"f": np.float64, "i": np.int64, "u": np.int64, "b": np.bool_}.get(array.dtype.kind)
    if kind is None:
        raise RowsInvalid(f"arrays of {array.dtype} are not rows")
    return array.astype(kind)


def _read_parquet(path: Path) -> Table:
    try:
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingExtra(
            "reading Parquet needs pyarrow", fix="pip install 'fairlead[parquet]'"
        ) from error
    try:
        arrow: Any = parquet.read_table(path)
    except Exception as error:
        raise RowsInvalid(f"the Parquet file cannot be read: {error}", where=str(path)) from error
    if arrow.num_rows > MOST_ROWS:
        raise RowsInvalid(f"there are more than {MOST_ROWS} rows", where=str(path))
    return Table({n: column(n, arrow.column(n).to_pylist()) for n in arrow.column_names})
