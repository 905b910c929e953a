"""Example rows that really work: for the pages, for curl lines, and to warm a version up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fairlead.core.datatypes import DType
from fairlead.core.signature import Signature
from fairlead.core.tensor import Array
from fairlead.guards.aggregates import aggregated, frequent
from fairlead.guards.contract import Rule
from fairlead.packing.rows import Table, inputs_of

FILE = "examples.json"
_ROWS = 8


def examples(table: Table, signature: Signature) -> dict[str, Any]:
    """The first rows of a table as people send them, and one row as wire tensors.

    {"rows": [{column: value}], "inputs": [{"name", "shape", "datatype", "data"}]}
    """
    head = table.head(_ROWS)
    inputs = inputs_of(head, signature)
    one = [a[:1] if signature.batched else a[0] for a in inputs]
    tensors = [
        {
            "name": spec.name,
            "shape": list(array.shape),
            "datatype": spec.dtype.name,
            "data": _values(array),
        }
        for spec, array in zip(signature.inputs, one, strict=True)
    ]
    return {"rows": _rows(inputs, signature, head.count), "inputs": tensors}


def typical(table: Table) -> Table:
    """One row that nobody sent: the middle value of each column, or its most frequent text.

    Ten rows stand behind every value; where no text has so many there is none.
    """
    return Table({name: _typical(values) for name, values in table.columns.items()})


def _typical(values: Array) -> Array:
    if values.dtype.kind == "O":
        common = frequent(values)
        return np.array([next(iter(common), "")], dtype=object)
    if values.ndim > 1:
        mean: Array = values.astype(np.float64).mean(axis=0, keepdims=True)
        return mean.astype(values.dtype) if values.dtype.kind == "f" else _whole(mean, values.dtype)
    numbers = aggregated(values)
    known = np.sort(numbers[~np.isnan(numbers)])
    if len(known) == 0:
        return np.array([np.nan if values.dtype.kind == "f" else 0]).astype(values.dtype)
    middle = known[len(known) // 2]
    return np.array([middle if values.dtype.kind == "f" else round(middle)]).astype(values.dtype)


def _whole(values: Array, dtype: Any) -> Array:
    return np.round(values).astype(dtype)


def usual_value(rule: Rule) -> str | float:
    """What stands for a column: the median that was seen, or the most frequent category.

    Raises ValueError, TypeError or AttributeError where the contract's `seen` is not as learnt.
    """
    if rule.kind in ("category", "text"):
        shares: dict[str, float] = dict(rule.seen.get("shares", {}))
        usual = "text" if rule.required else ""
        return str(max(shares, key=shares.__getitem__, default=(*rule.choices, usual)[0]))
    quantiles = tuple(rule.seen.get("quantiles", ()))
    return float(quantiles[len(quantiles) // 2]) if quantiles else 0.0


def without(
    told: dict[str, Any], signature: Signature, values: Mapping[str, str | float]
) -> dict[str, Any]:
    """Examples as `examples` makes them, with these values in whole columns, by name."""
    inputs = [{**tensor, "data": list(tensor["data"])} for tensor in told["inputs"]]
    rows = [dict(row) for row in told["rows"]]
    for column in signature.columns:
        if column.name not in values:
            continue
        value = _sent(values[column.name], signature.inputs[column.input].dtype)
        for row in rows:
            row[column.name] = value
        if inputs:
            inputs[column.input]["data"][column.position or 0] = value
    return {"rows": rows, "inputs": inputs}


def _sent(value: str | float, dtype: DType) -> Any:
    """A value as JSON holds one of this type."""
    if isinstance(value, str) or dtype.is_float:
        return value
    return bool(round(value)) if dtype.letter == "?" else round(value)


def _rows(inputs: list[Array], signature: Signature, count: int) -> list[Any]:
    if not signature.batched:
        return []
    if not signature.columns:
        names = [spec.name for spec in signature.inputs]
        return [
            {name: _nested(array[i]) for name, array in zip(names, inputs, strict=True)}
            for i in range(min(count, 1))
        ]
    names = [column.name for column in signature.columns]
    wide = [array.reshape(count, -1) for array in inputs]
    return [
        dict(zip(names, [v for array in wide for v in _values(array[i])], strict=True))
        for i in range(count)
    ]


def _nested(array: Array) -> Any:
    """An array as nested lists."""
    return _values(array) if array.ndim <= 1 else [_nested(part) for part in array]


def _values(array: Array) -> list[Any]:
    """The elements in row-major order as JSON holds them.

    A narrow float is its shortest decimal, which reads back as the same number; NaN is null.
    """
    flat = array.reshape(-1)
    if flat.dtype.kind != "f":
        return flat.tolist()
    return [float(str(value)) if np.isfinite(value) else None for value in flat]
