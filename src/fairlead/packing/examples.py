"""Example rows that really work: for the pages, for curl lines, and to warm a version up."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.core.signature import Signature
from fairlead.core.tensor import Array
from fairlead.packing.rows import Table, inputs_of

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
