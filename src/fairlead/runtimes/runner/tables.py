"""What native models of tables share: their own kind of rows from arrays, answers as arrays.

Standalone: the standard library and numpy only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Predict = Callable[[list[Any], list[int]], list[Any]]


def counted(inputs: Sequence[Any], about: dict[str, Any]) -> Any:
    """All columns as one matrix in which categories are counted, as a booster takes it.

    A category that is not known is missing. Columns that the framework counts itself stay as
    they are; the matrix is then one of objects.
    """
    names, own = about["names"], set(about["own"])
    if len(inputs) == 1 and len(names) > 1:
        return np.asarray(inputs[0], dtype=np.float64)
    parts: list[Any] = []
    for name, array in zip(names, inputs, strict=True):
        values: Any = np.asarray(array).reshape(-1)
        known = about["categories"].get(name)
        if known is not None:
            places = {value: place for place, value in enumerate(known)}
            values = [places.get(value, np.nan) for value in values.tolist()]
        kind = object if name in own else np.float64
        parts.append(np.asarray(values, dtype=kind))
    if own:
        return np.column_stack([part.astype(object) for part in parts])
    return np.column_stack(parts)


def answering(about: dict[str, Any], ask: Callable[[Any], Any]) -> Predict:
    """A booster's predict: `ask` gives its probabilities or values for a matrix.

    about["answers"]: "classes" (a label and scores), "labels" (a yes or no and a probability for
    each target) or "value".
    """
    specs = about["signature"]["outputs"]
    classes = about["classes"]

    def predict(inputs: list[Any], outputs: list[int]) -> list[Any]:
        scores: Any = np.asarray(ask(counted(inputs, about)))
        found = [scores]
        if about["answers"] == "labels":
            found = [(scores > 0.5).astype(np.int64), scores]
        elif about["answers"] == "classes":
            if scores.ndim == 1:
                scores = np.column_stack([1 - scores, scores])
            found = [np.asarray(classes)[np.argmax(scores, axis=1)], scores]
        return [fitted(found[position], specs[position]) for position in outputs]

    return predict


def fitted(array: Any, spec: dict[str, Any]) -> Any:
    """An answer in the datatype and rank of its signature entry."""
    kinds = {"FP64": np.float64, "INT64": np.int64, "BOOL": np.bool_}
    kind = kinds.get(spec["datatype"])
    if kind is None:
        text: Any = np.empty(array.shape, dtype=object)
        text.reshape(-1)[:] = [str(value) for value in array.reshape(-1).tolist()]
        array = text
    else:
        array = array.astype(kind)
    return array.reshape(-1) if len(spec["shape"]) == 1 else array
