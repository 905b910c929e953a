"""scikit-learn estimators kept as they are, as skops files.

Standalone: the standard library, numpy, scikit-learn, skops, and pandas for estimators that were
trained on a DataFrame.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from fairlead.runtimes.runner.tables import Predict, fitted


def load(folder: Path, graph: str, about: dict[str, Any]) -> Predict:
    """The estimator in `graph`.

    about: "trusted" are the exact types that the file may make, "kind", "frame", "names" and
    "empty" say how arrays become its rows, "methods" which of its methods gives an output.
    """
    skops: Any = import_module("skops.io")
    model = skops.load(folder / graph, trusted=about["trusted"])
    _alone(model)
    specs = about["signature"]["outputs"]

    def predict(inputs: list[Any], outputs: list[int]) -> list[Any]:
        rows = rows_of(inputs, about)
        asked: dict[str, Any] = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for position in outputs:
                method = about["methods"][specs[position]["name"]]
                if method not in asked:
                    asked[method] = _answer(getattr(model, method)(rows))
        named = [(about["methods"][specs[p]["name"]], specs[p]) for p in outputs]
        return [fitted(asked[method], spec) for method, spec in named]

    return predict


def rows_of(inputs: list[Any], about: dict[str, Any]) -> Any:
    """Arrays of the signature as the estimator was trained on them."""
    names = about["names"]
    if about["kind"] == "text":
        return inputs[0].reshape(-1).tolist()
    if about["kind"] == "matrix":
        if not about["frame"]:
            return inputs[0]
        columns = dict(zip(names, np.asarray(inputs[0]).T, strict=True))
    else:
        columns = {n: a.reshape(-1) for n, a in zip(names, inputs, strict=True)}
    for name in about["empty"]:
        columns[name] = np.where(columns[name] == "", np.nan, columns[name])
    if about["frame"]:
        pandas: Any = import_module("pandas")
        return pandas.DataFrame(columns)
    if any(values.dtype.kind == "O" for values in columns.values()):
        return np.column_stack([values.astype(object) for values in columns.values()])
    return np.column_stack([values.astype(np.float64) for values in columns.values()])


def _answer(found: Any) -> Any:
    """Probabilities of several targets come as a list, one array for each."""
    if found.__class__ is list:
        return np.stack([np.asarray(part) for part in found], axis=1)
    return np.asarray(found)


def _alone(model: Any) -> None:
    """Keeps every step to one thread: calls run beside each other instead."""
    for part in [model, *[step for _, step in getattr(model, "steps", ())]]:
        if getattr(part, "n_jobs", None) is not None:
            part.n_jobs = 1
