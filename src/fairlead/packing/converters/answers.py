"""What a fitted estimator answers: labels, scores, values, as signature entries and arrays.

Standalone: the standard library and numpy only.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

METHODS = {
    "label": "predict",
    "labels": "predict",
    "prediction": "predict",
    "probabilities": "predict_proba",
    "decision_function": "decision_function",
}
"""The method of the estimator behind each output."""

Entry = dict[str, Any]


def ask(model: Any, rows: Any, taken: Sequence[str] = ()) -> tuple[list[Entry], dict[str, Any]]:
    """The outputs of the estimator with its answers for `rows`, by output name.

    taken: names that outputs must not have, since columns have them. An entry holds "method"
    beside what a signature knows: which of METHODS it is.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = _labels_and_scores(model, rows) or [_value(model, rows)]
    entries: list[Entry] = []
    arrays: dict[str, Any] = {}
    for entry, array in found:
        method = entry["name"]
        entry["method"] = method
        while entry["name"] in taken:
            entry["name"] = f"predicted_{entry['name']}"
        entry |= {"datatype": _datatype(array), "shape": [-1, *array.shape[1:]]}
        entries.append(entry)
        arrays[entry["name"]] = array.astype(str) if array.dtype.kind == "O" else array
    return entries, arrays


def without_method(entry: Entry) -> Entry:
    """The entry as a signature holds it."""
    return {key: value for key, value in entry.items() if key != "method"}


def _value(model: Any, rows: Any) -> tuple[Entry, Any]:
    array: Any = np.asarray(model.predict(rows))
    return {"name": "prediction", "role": "value"}, array


def _labels_and_scores(model: Any, rows: Any) -> list[tuple[Entry, Any]]:
    """Label and scores of a classifier, an outlier detector or a clusterer; else nothing."""
    if _is_regressor(model):
        return []
    predicted: Any = np.asarray(model.predict(rows))
    classes = _classes(model)
    if not classes and predicted.dtype.kind == "f" and getattr(model, "classes_", None) is None:
        return []
    if predicted.ndim == 2 and predicted.shape[1] > 1:
        return _several(model, rows, predicted)
    label: Entry = {"name": "label", "role": "label"}
    scores = _scores(model, rows)
    if not classes and scores is not None and scores.ndim == 2:
        classes = [str(i) for i in range(scores.shape[1])]
    if not classes and _is_detector(model):
        classes = ["-1", "1"]
    named: Entry = {"classes": classes} if classes else {}
    found: list[tuple[Entry, Any]] = [(label | named, predicted.reshape(-1))]
    if scores is not None and scores.shape[1:] == (len(classes),):
        found.append(({"name": "probabilities", "role": "scores", **named}, scores))
    elif scores is None and hasattr(model, "decision_function"):
        decided: Any = np.asarray(model.decision_function(rows))
        found.append(({"name": "decision_function"}, decided))
    return found


def _several(model: Any, rows: Any, predicted: Any) -> list[tuple[Entry, Any]]:
    """The outputs of a classifier with several targets."""
    found: list[tuple[Entry, Any]] = [({"name": "labels"}, predicted)]
    scores = _scores(model, rows)
    if scores is not None:
        found.append(({"name": "probabilities"}, scores))
    return found


def _scores(model: Any, rows: Any) -> Any:
    """The class probabilities: [rows, classes], [rows, targets(, classes)], or None."""
    if not hasattr(model, "predict_proba"):
        return None
    scores: Any = model.predict_proba(rows)
    if scores.__class__ is not list:
        return np.asarray(scores)
    several: list[Any] = [np.asarray(part) for part in scores]
    if len({part.shape for part in several}) != 1:
        return None
    return np.stack(several, axis=1)


def _classes(model: Any) -> list[str]:
    classes: Any = getattr(model, "classes_", None)
    if classes is None or isinstance(classes, list):
        return []
    return [str(c) for c in np.asarray(classes).tolist()]


def _is_regressor(model: Any) -> bool:
    try:
        base: Any = import_module("sklearn.base")
        return bool(base.is_regressor(model))
    except (ImportError, AttributeError, TypeError):
        return False


def _is_detector(model: Any) -> bool:
    try:
        base: Any = import_module("sklearn.base")
        return bool(base.is_outlier_detector(model))
    except (ImportError, AttributeError, TypeError):
        return False


def _datatype(array: Any) -> str:
    return {"f": "FP64", "i": "INT64", "u": "INT64", "b": "BOOL"}.get(array.dtype.kind, "BYTES")
