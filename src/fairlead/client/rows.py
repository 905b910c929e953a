"""Rows as people have them, as lists of rows that travel as JSON."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from fairlead.core.errors import RowsInvalid


def rows_of(given: Any) -> list[Any]:
    """The rows of a list, of columns, of a NumPy array, a pandas DataFrame, of what Arrow has.

    From Arrow come tables, record batches, arrays of structs, and readers of batches, which are
    read to their end. One row as a dict of single values is a list of one. Raises RowsInvalid for
    anything else.
    """
    if hasattr(given, "read_all"):  # a reader of Arrow
        given = given.read_all()
    if hasattr(given, "to_pylist"):  # Arrow
        return [_plain(row) for row in given.to_pylist()]
    if hasattr(given, "columns") and hasattr(given, "to_dict"):  # pandas
        names = [str(name) for name in given.columns]
        columns = [[_plain(v) for v in given.iloc[:, i].tolist()] for i in range(len(names))]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    if hasattr(given, "tolist") and hasattr(given, "ndim"):  # NumPy
        if not given.ndim:
            raise RowsInvalid("a single number is no row", fix="Give a list of rows")
        return [_plain(row) for row in given.tolist()]
    if isinstance(given, Mapping):
        return _of_columns(cast("Mapping[str, Any]", given))
    if isinstance(given, Sequence) and not isinstance(given, str | bytes):
        rows = cast("Sequence[Any]", given)
        return [_plain(row.tolist() if hasattr(row, "tolist") else row) for row in rows]
    raise RowsInvalid(
        f"rows cannot be {type(given).__name__}",
        fix="Give a list of dicts, a dict of columns, an array, a DataFrame or an Arrow table",
    )


def _of_columns(given: Mapping[str, Any]) -> list[Any]:
    columns: dict[str, Any] = {
        k: v.tolist() if hasattr(v, "tolist") else v for k, v in given.items()
    }
    lists: dict[str, list[Any]] = {
        k: list(v) for k, v in columns.items() if v.__class__ in (list, tuple)
    }
    if not lists:
        return [{k: _plain(v) for k, v in columns.items()}]
    if len(lists) != len(columns) or len({len(v) for v in lists.values()}) != 1:
        raise RowsInvalid("the columns have different lengths")
    rows = zip(*lists.values(), strict=True)
    return [dict(zip(lists, map(_plain, row), strict=True)) for row in rows]


def _plain(given: Any) -> Any:
    """A value as JSON has it: what is missing is null, bytes are base64."""
    value: Any = given
    if isinstance(value, bytes):
        return {"b64": b64encode(value).decode()}
    if value.__class__ is float:
        return None if value != value else value
    if value.__class__ is dict:
        return {str(k): _plain(v) for k, v in value.items()}
    if value.__class__ in (list, tuple):
        return [_plain(v) for v in value]
    if hasattr(value, "item") and not hasattr(value, "__len__"):
        return _plain(value.item())
    return None if type(value).__name__ in ("NaTType", "NAType") else value


def pieces(rows: Sequence[Any], size: int) -> Iterator[tuple[int, Sequence[Any]]]:
    """The rows in pieces of at most so many, and how many are before each."""
    for start in range(0, len(rows), size):
        yield start, rows[start : start + size]
