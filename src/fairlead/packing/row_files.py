"""The columns of CSV, JSON lines, NPZ and Parquet files, read within bounds.

Everything raises RowsInvalid, saying the row and column of what it cannot read, FileUnreadable or
MissingExtra.
"""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from fairlead.core.errors import FileUnreadable, MissingExtra, RowsInvalid
from fairlead.core.tensor import Array, element_count
from fairlead.packing.cells import column, of_array, of_text

MOST_ROWS = 1_000_000
MOST_BYTES = 2 << 30
MOST_COLUMNS = 100_000
_CELL = 8
"""Bytes of a cell in memory, however well the file packs it."""

Columns = dict[str, Array]


def read_columns(path: Path) -> Columns:
    """The columns of a file, by its ending."""
    readers = {
        ".csv": _csv,
        ".parquet": _parquet,
        ".npz": _npz,
        ".jsonl": _jsonl,
        ".ndjson": _jsonl,
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
        if size > MOST_BYTES:
            raise RowsInvalid(f"the file is larger than {MOST_BYTES >> 30} GiB", where=str(path))
        found = reader(path)
    except OSError as error:
        raise FileUnreadable(f"{path} cannot be read: {error.strerror}") from error
    if not found or not len(next(iter(found.values()))):
        raise RowsInvalid("there are no rows", where=str(path))
    return found


def _csv(path: Path) -> Columns:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader: Any = csv.reader(file, strict=True)
            header: list[str] = list(next(reader, ()))
            _check_width(len(header), path)
            twice = {name for name in header if header.count(name) > 1} if header else ()
            if twice:
                raise RowsInvalid(f"the column {min(twice)!r} is given twice", where=str(path))
            cells = list(_csv_rows(reader, len(header), path))
    except UnicodeDecodeError as error:
        raise RowsInvalid("the file is not UTF-8", where=str(path)) from error
    except csv.Error as error:
        raise RowsInvalid(f"the CSV cannot be read: {error}", where=str(path)) from error
    return {name: of_text(name, [row[i] for row in cells]) for i, name in enumerate(header)}


def _csv_rows(reader: Iterable[list[str]], width: int, path: Path) -> Iterable[list[str]]:
    number = 0
    for cells in reader:
        if not cells:
            continue
        if len(cells) != width:
            raise RowsInvalid(
                f"row {number} has {len(cells)} cells, the header has {width}",
                where=f"{path}, row {number}",
                row=number,
            )
        _check_count(number + 1, path)
        number += 1
        yield cells


def _jsonl(path: Path) -> Columns:
    names: list[str] = []
    rows: list[dict[str, Any]] = []
    with path.open(encoding="utf-8") as file:
        number = 0
        while line := _line(file, number, path):
            number += 1
            if not line.strip():
                continue
            _check_count(len(rows) + 1, path)
            row = _object(line, number, path)
            if not names:
                names = list(row)
                _check_width(len(names), path)
            if row.keys() != set(names):
                odd = min(row.keys() ^ set(names))
                what = "has no column" if odd in names else "has a new column"
                raise RowsInvalid(f"line {number} {what} {odd!r}", where=str(path))
            rows.append(row)
    return {name: column(name, [row[name] for row in rows]) for name in names}


def _line(file: Any, number: int, path: Path) -> str:
    try:
        return file.readline()
    except UnicodeDecodeError as error:
        raise RowsInvalid(f"line {number + 1} is not UTF-8", where=str(path)) from error


def _object(line: str, number: int, path: Path) -> dict[str, Any]:
    """The JSON object in a line, every name once."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("a name is given twice")
        return found

    try:
        row: Any = json.loads(line, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise RowsInvalid(f"line {number} is no JSON: {error}", where=str(path)) from error
    if row.__class__ is not dict:
        raise RowsInvalid(f"line {number} is not an object", where=str(path))
    return row


def _npz(path: Path) -> Columns:
    try:
        _check_sizes(path)
        with np.load(path, allow_pickle=False) as arrays:
            found: Columns = {name: arrays[name] for name in arrays.files}
    except (ValueError, EOFError, KeyError, NotImplementedError, zipfile.BadZipFile) as error:
        raise RowsInvalid(f"the NPZ cannot be read: {error}", where=str(path)) from error
    _check_width(len(found), path)
    counts = {name: len(array) if array.ndim else -1 for name, array in found.items()}
    if len(set(counts.values())) > 1 or -1 in counts.values():
        listed = ", ".join(f"{name!r} {count}" for name, count in list(counts.items())[:5])
        what = f"the arrays differ in their number of rows: {listed}"
        raise RowsInvalid(what.replace(" -1", " none"), where=str(path))
    _check_count(max(counts.values(), default=0), path)
    if len(found) == 1:
        ((_, array),) = found.items()
        if array.ndim == 2:
            _check_width(array.shape[1], path)
            return {str(i): of_array(str(i), array[:, i]) for i in range(array.shape[1])}
    return {name: _whole(name, array) for name, array in found.items()}


def _whole(name: str, array: Array) -> Array:
    """A column; an array of higher rank is a whole input and stays as it is."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    return of_array(name, array) if array.ndim == 1 else array


def _check_sizes(path: Path) -> None:
    """Refuses an NPZ that unpacks to too much, or an array that declares more than it holds."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > MOST_BYTES:
            raise ValueError(f"it unpacks to more than {MOST_BYTES >> 30} GiB")
        for entry in entries:
            with archive.open(entry) as file:
                version = np.lib.format.read_magic(file)
                head = np.lib.format.read_array_header_1_0
                if version != (1, 0):
                    head = np.lib.format.read_array_header_2_0
                shape, _, dtype = head(file)
            if element_count(shape) * dtype.itemsize > entry.file_size:
                raise ValueError(f"{entry.filename} declares more than it holds")


def _parquet(path: Path) -> Columns:
    try:
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingExtra(
            "reading Parquet needs pyarrow", fix="pip install 'fairlead[parquet]'"
        ) from error
    try:
        file: Any = parquet.ParquetFile(path)
        told: Any = file.metadata
        groups = [told.row_group(i).total_byte_size for i in range(told.num_row_groups)]
        size = max(sum(groups), told.num_rows * told.num_columns * _CELL)
    except OSError:
        raise
    except Exception as error:
        raise RowsInvalid(f"the Parquet file cannot be read: {error}", where=str(path)) from error
    _check_count(told.num_rows, path)
    _check_width(told.num_columns, path)
    if size > MOST_BYTES:
        raise RowsInvalid(f"it unpacks to more than {MOST_BYTES >> 30} GiB", where=str(path))
    try:
        arrow: Any = file.read()
    except Exception as error:
        raise RowsInvalid(f"the Parquet file cannot be read: {error}", where=str(path)) from error
    return {name: column(name, _values(arrow.column(name))) for name in arrow.column_names}


def _values(chunks: Any) -> Any:
    """A Parquet column as an array where that is exact, else as Python values."""
    kind = str(chunks.type)
    plain = kind in ("float", "double") or kind.startswith(("int", "uint"))
    return chunks.to_numpy() if plain and not chunks.null_count else chunks.to_pylist()


def _check_count(rows: int, path: Path) -> None:
    if rows > MOST_ROWS:
        raise RowsInvalid(f"there are more than {MOST_ROWS} rows", where=str(path))


def _check_width(columns: int, path: Path) -> None:
    if columns > MOST_COLUMNS:
        raise RowsInvalid(f"there are more than {MOST_COLUMNS} columns", where=str(path))
