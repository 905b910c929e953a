"""The columns of CSV, JSON lines, NPZ and Parquet files, read within bounds.

Of a file with more rows than are kept a sample is taken; CSV and JSON lines are read row by row, so
that the sample is all that memory holds.

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
from fairlead.packing.reservoir import Reservoir, sample

MOST_ROWS = 200_000
"""So many are kept; guards learn from fewer."""

MOST_BYTES = 2 << 30
MOST_STREAMED = 64 << 30
"""Bytes of a file that is read row by row."""

_MOST_LINE = 16 << 20
MOST_COLUMNS = 100_000
_CELL = 8
"""Bytes of a cell in memory, however well the file packs it."""

Columns = dict[str, Array]


def read_columns(path: Path) -> tuple[Columns, int]:
    """The columns of a file, by its ending, and how many rows the file has."""
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
        most = MOST_STREAMED if reader in (_csv, _jsonl) else MOST_BYTES
        if size > most:
            raise RowsInvalid(f"the file is larger than {most >> 30} GiB", where=str(path))
        found, count = reader(path)
    except OSError as error:
        raise FileUnreadable(f"{path} cannot be read: {error.strerror}") from error
    if not found or not len(next(iter(found.values()))):
        raise RowsInvalid("there are no rows", where=str(path))
    return found, count


def _csv(path: Path) -> tuple[Columns, int]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader: Any = csv.reader(file, strict=True)
            header: list[str] = list(next(reader, ()))
            _check_width(len(header), path)
            twice = {name for name in header if header.count(name) > 1} if header else ()
            if twice:
                raise RowsInvalid(f"the column {min(twice)!r} is given twice", where=str(path))
            kept: Reservoir[list[str]] = Reservoir(MOST_ROWS)
            for row in _csv_rows(reader, len(header), path):
                kept.add(row)
    except UnicodeDecodeError as error:
        raise RowsInvalid("the file is not UTF-8", where=str(path)) from error
    except csv.Error as error:
        raise RowsInvalid(f"the CSV cannot be read: {error}", where=str(path)) from error
    cells = kept.items()
    found = {name: of_text(name, [row[i] for row in cells]) for i, name in enumerate(header)}
    return found, kept.seen


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
        number += 1
        yield cells


def _jsonl(path: Path) -> tuple[Columns, int]:
    names: list[str] = []
    kept: Reservoir[dict[str, Any]] = Reservoir(MOST_ROWS)
    with path.open(encoding="utf-8") as file:
        number = 0
        while line := _line(file, number, path):
            number += 1
            if not line.strip():
                continue
            row = _object(line, number, path)
            if not names:
                names = list(row)
                _check_width(len(names), path)
            if row.keys() != set(names):
                odd = min(row.keys() ^ set(names))
                what = "has no column" if odd in names else "has a new column"
                raise RowsInvalid(f"line {number} {what} {odd!r}", where=str(path))
            kept.add(row)
    rows = kept.items()
    return {name: column(name, [row[name] for row in rows]) for name in names}, kept.seen


def _line(file: Any, number: int, path: Path) -> str:
    try:
        line: str = file.readline(_MOST_LINE)
    except UnicodeDecodeError as error:
        raise RowsInvalid(f"line {number + 1} is not UTF-8", where=str(path)) from error
    if len(line) == _MOST_LINE:
        what = f"line {number + 1} is longer than {_MOST_LINE >> 20} MiB"
        raise RowsInvalid(what, where=str(path))
    return line


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


def _npz(path: Path) -> tuple[Columns, int]:
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
    count = max(counts.values(), default=0)
    if count > MOST_ROWS:
        chosen = sample(count, MOST_ROWS)
        found = {name: array[chosen] for name, array in found.items()}
    if len(found) == 1:
        ((_, array),) = found.items()
        if array.ndim == 2:
            _check_width(array.shape[1], path)
            wide = {str(i): of_array(str(i), array[:, i]) for i in range(array.shape[1])}
            return wide, count
    return {name: _whole(name, array) for name, array in found.items()}, count


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


def _parquet(path: Path) -> tuple[Columns, int]:
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
    _check_width(told.num_columns, path)
    if size > MOST_BYTES:
        raise RowsInvalid(f"it unpacks to more than {MOST_BYTES >> 30} GiB", where=str(path))
    try:
        arrow: Any = file.read()
        if told.num_rows > MOST_ROWS:
            arrow = arrow.take(sample(told.num_rows, MOST_ROWS))
    except Exception as error:
        raise RowsInvalid(f"the Parquet file cannot be read: {error}", where=str(path)) from error
    found = {name: column(name, _values(arrow.column(name))) for name in arrow.column_names}
    return found, told.num_rows


def _values(chunks: Any) -> Any:
    """A Parquet column as an array where that is exact, else as Python values."""
    kind = str(chunks.type)
    plain = kind in ("float", "double") or kind.startswith(("int", "uint"))
    return chunks.to_numpy() if plain and not chunks.null_count else chunks.to_pylist()


def _check_width(columns: int, path: Path) -> None:
    if columns > MOST_COLUMNS:
        raise RowsInvalid(f"there are more than {MOST_COLUMNS} columns", where=str(path))
