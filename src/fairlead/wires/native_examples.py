"""Requests to a model that really work, for people and for documents."""

from __future__ import annotations

from math import isfinite
from typing import Any

from fairlead.core.tensor import Array
from fairlead.serving.served import Served
from fairlead.serving.warmup import example_inputs


def example_row(served: Served) -> Any:
    """A row that the model answers: from its reference rows, else zeros and empty text."""
    rows = served.example.get("rows")
    if rows:
        return rows[0]
    signature = served.package.signature
    arrays = example_inputs(signature, served.example)
    if not signature.columns:
        return {s.name: a[0].tolist() for s, a in zip(signature.inputs, arrays, strict=True)}
    flat = [value for array in arrays for value in array.reshape(-1).tolist()]
    return dict(zip([c.name for c in signature.columns], flat, strict=True))


def example_tensors(served: Served) -> list[dict[str, Any]]:
    """One row as tensors, or whole tensors of a model without rows."""
    signature = served.package.signature
    arrays = example_inputs(signature, served.example)
    return [
        {"name": s.name, "shape": list(a.shape), "datatype": s.dtype.name, "data": _filled(a)}
        for s, a in zip(signature.inputs, arrays, strict=True)
    ]


def _filled(array: Array) -> Any:
    """An array as nested lists; a value that is missing is null."""
    values: Any = array.tolist()
    return _nulls(values) if array.dtype.kind == "f" else values


def _nulls(value: Any) -> Any:
    if value.__class__ is list:
        return [_nulls(one) for one in value]
    return value if isfinite(value) else None
