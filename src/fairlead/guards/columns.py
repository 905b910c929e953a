"""Rows in any shape people have them, as named columns of numbers or text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

Column = NDArray[Any]


def as_columns(rows: Any, names: Sequence[str] | None = None) -> dict[str, Column]:
    """A DataFrame, a mapping of columns, or an array as {name: column}.

    A column is float64 with NaN where a number is missing, or objects of str with "" where a text
    is. names: the columns' names, where `rows` has none. Raises ValueError for what is no table.
    """
    found = _given(rows)
    if names is not None:
        if len(names) != len(found):
            raise ValueError(f"{len(names)} names are given for {len(found)} columns")
        found = dict(zip(map(str, names), found.values(), strict=True))
    columns = {str(name): _column(values, str(name)) for name, values in found.items()}
    lengths = {len(values) for values in columns.values()}
    if len(lengths) != 1:
        raise ValueError("there are no rows" if not lengths else "columns differ in length")
    return columns


def _given(rows: Any) -> dict[Any, Any]:
    if hasattr(rows, "columns") and hasattr(rows, "iloc"):
        return {name: rows[name].to_numpy() for name in rows.columns}
    if isinstance(rows, Mapping):
        known = cast("Mapping[Any, Any]", rows)
        return {name: _listed(known[name]) for name in known}
    array = np.asarray(rows)
    if array.ndim == 1:
        array = array.reshape(-1, 1)
    if array.ndim != 2:
        raise ValueError(f"rows must be a table, not an array of {array.ndim} dimensions")
    return {f"x{i}": array[:, i] for i in range(array.shape[1])}


def _listed(values: Any) -> Column:
    """A list keeps its kinds: numpy alone would make text of the numbers beside a text."""
    if hasattr(values, "dtype"):
        return np.asarray(values)
    return np.array(list(values), dtype=object)


def _column(values: Any, name: str) -> Column:
    array = np.asarray(values)
    if array.dtype.kind in "biuf":
        return array.astype(np.float64)
    if array.dtype.kind not in "OUST":
        raise ValueError(f"column {name!r} holds {array.dtype}, which is neither number nor text")
    items = array.tolist()
    kinds: set[type] = {type(v) for v in items if not _missing(v)}
    if kinds <= {int, float, bool, np.float64, np.int64}:
        return np.array([np.nan if _missing(v) else float(v) for v in items])
    if not kinds <= {str, bytes}:
        shown = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise ValueError(f"column {name!r} mixes kinds of values: {shown}")
    texts: Column = np.empty(len(items), dtype=object)
    texts[:] = ["" if _missing(v) else v.decode() if isinstance(v, bytes) else v for v in items]
    return texts


def all_missing(values: Column) -> bool:
    """Whether a column holds nothing, and so says nothing of its kind."""
    if values.dtype.kind == "f":
        return bool(np.isnan(values).all())
    return not any(values.tolist())


def nothing(count: int, *, text: bool) -> Column:
    """A column of missing values of one kind."""
    return np.full(count, "", dtype=object) if text else np.full(count, np.nan)


def _missing(value: Any) -> bool:
    """None, NaN and pandas' own word for it."""
    return value is None or type(value).__name__ == "NAType" or value != value
