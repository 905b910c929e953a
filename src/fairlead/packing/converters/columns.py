"""What a fitted scikit-learn estimator knows about the columns it takes.

It is read off the steps that see the columns themselves: encoders know categories, imputers what
is missing, scalers and trees where the values lie.

Standalone: the standard library and numpy only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_VECTORIZERS = ("CountVectorizer", "TfidfVectorizer", "HashingVectorizer")
_KEEPING = (
    "StandardScaler",
    "MinMaxScaler",
    "MaxAbsScaler",
    "RobustScaler",
    "PowerTransformer",
    "QuantileTransformer",
    "FunctionTransformer",
)
"""Steps that give one column for each that they take, in the same order."""


@dataclass
class Known:
    """What is known of one column.

    categories: the values that an encoder has seen, without missing ones; None when none has.
    text:    the column is text whatever its values look like.
    number:  the column is one of numbers to the step that sees it.
    empty:   the empty text means "missing" to the step that sees it.
    centre, spread: where numbers lie.
    seen:    thresholds of trees.
    strict:  an encoder that sees the column as it is refuses every other category.
    placeholder: a text that means "missing" to the step that sees it.
    """

    categories: list[Any] | None = None
    text: bool = False
    number: bool = False
    empty: bool = False
    centre: float = 0.0
    spread: float = 1.0
    seen: list[float] = field(default_factory=list[float])
    strict: bool = False
    placeholder: str = ""

    @property
    def datatype(self) -> str:
        """BYTES, BOOL, INT64 or FP32 as categories say; "" when they say nothing."""
        if self.text or (self.categories and any(isinstance(v, str) for v in self.categories)):
            return "BYTES"
        if not self.categories:
            return ""
        kinds: set[Any] = {v.__class__ for v in self.categories}
        if kinds == {bool}:
            return "BOOL"
        return "INT64" if kinds == {int} else "FP32"


def learn(model: Any, names: list[str]) -> dict[str, Known]:
    """What the model knows of each column."""
    found = {name: Known() for name in names}
    _walk(model, names, found)
    for known in found.values():
        if known.seen:
            known.centre = float(np.mean(known.seen))
            known.spread = float(np.std(known.seen)) + 1e-6 if len(known.seen) > 1 else 1.0
    return found


def choices(model: Any, names: list[str]) -> dict[str, dict[str, Any]]:
    """The columns in which the model takes the categories that it knows, and nothing else.

    {name: {"values": as texts, "missing": whether nothing is a value too}}
    """
    found: dict[str, dict[str, Any]] = {}
    for name, known in learn(model, names).items():
        if not known.strict or not known.categories or known.datatype == "BOOL":
            continue
        values = [_as_written(v) for v in known.categories]
        if known.placeholder:
            values.append(known.placeholder)
        found[name] = {"values": values, "missing": known.empty or known.number}
    return found


def _as_written(value: Any) -> str:
    """A category as a contract writes it; a whole float is the integer that it is."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def wants_texts(model: Any) -> bool:
    """Whether it takes a list of texts instead of a table."""
    if type(model).__name__ in _VECTORIZERS:
        return True
    if type(model).__name__ == "ColumnTransformer":
        return False
    steps = _steps(model)
    inside = [steps[0]] if steps else _inside(model)
    return any(wants_texts(part) for part in inside[:1])


def groups(model: Any, names: list[str]) -> list[list[str]]:
    """The columns that each transformer of the first ColumnTransformer takes."""
    transformer = _column_transformer(model)
    if transformer is None:
        return []
    entries = getattr(transformer, "transformers_", ())
    return [_resolved(columns, names) for _, _, columns in entries]


def selects_by_name(model: Any) -> bool:
    """Whether a ColumnTransformer comes first and asks for columns by name."""
    transformer = _column_transformer(model)
    if transformer is None:
        return False
    entries = getattr(transformer, "transformers_", ())
    return any(isinstance(c, str) for _, _, columns in entries for c in np.ravel(columns).tolist())


def parts(model: Any) -> Iterator[Any]:
    """The model and every estimator inside it, each once."""
    waiting: list[Any] = [model]
    met: set[int] = set()
    while waiting:
        part = waiting.pop()
        if id(part) in met:
            continue
        met.add(id(part))
        kind: Any = part.__class__
        if kind is np.ndarray:
            waiting.extend(part.ravel().tolist() if part.dtype == object else ())
        elif kind in (list, tuple):
            waiting.extend(part)
        elif issubclass(kind, dict):
            waiting.extend(part.values())
        elif hasattr(part, "get_params") or kind.__name__ == "_CalibratedClassifier":
            yield part
            if not hasattr(part, "tree_"):
                held: dict[str, Any] = part.__dict__
                waiting.extend(held.values())


def _steps(model: Any) -> list[Any]:
    return [step for _, step in getattr(model, "steps", ())]


def _inside(model: Any) -> list[Any]:
    """The estimators that see the same rows as the model itself."""
    calibrated: Any = getattr(model, "calibrated_classifiers_", None)
    if calibrated:
        return [calibrated[0].estimator]
    listed: Any = getattr(model, "transformer_list", None)
    if listed is not None:
        return [part for _, part in listed]
    members: Any = getattr(model, "estimators_", None)
    if members is not None:
        return members.ravel().tolist() if hasattr(members, "ravel") else list(members)
    # Last, since an ensemble keeps the estimator that it copies here, unfitted.
    names = ("best_estimator_", "regressor_", "estimator_")
    return [getattr(model, name) for name in names if hasattr(model, name)][:1]


def _column_transformer(model: Any) -> Any:
    if type(model).__name__ == "ColumnTransformer":
        return model
    steps = _steps(model)
    for part in [steps[0]] if steps else _inside(model)[:1]:
        found = _column_transformer(part)
        if found is not None:
            return found
    return None


def _resolved(columns: Any, names: list[str]) -> list[str]:
    """A ColumnTransformer's choice of columns as names."""
    if isinstance(columns, str):
        return [columns]
    if columns.__class__ is slice:
        start, stop = columns.start, columns.stop
        if isinstance(start, str):
            start = names.index(start)
        if isinstance(stop, str):
            stop = names.index(stop) + 1
        return names[start : stop : columns.step]
    chosen: list[Any] = np.ravel(columns).tolist()
    if chosen and all(isinstance(c, bool) for c in chosen):
        return [name for name, wanted in zip(names, chosen, strict=True) if wanted]
    return [c if isinstance(c, str) else names[c] for c in chosen]


def _walk(step: Any, names: list[str], found: dict[str, Known], changed: bool = False) -> None:
    """Notes what a step knows of the columns that it takes, and the steps inside it.

    changed: an earlier step may have made other values of them.
    """
    if isinstance(step, str) or step is None:
        return
    steps = _steps(step)
    if steps:
        for inner in steps:
            _walk(inner, names, found, changed)
            if not _keeps(inner):
                return
            changed = changed or type(inner).__name__ not in ("SimpleImputer", "str", "NoneType")
        return
    if type(step).__name__ == "ColumnTransformer":
        for _, inner, columns in getattr(step, "transformers_", ()):
            _walk(inner, _resolved(columns, names), found, changed)
        return
    _note(step, [found[name] for name in names if name in found], changed)
    for inner in _inside(step)[:100]:
        _walk(inner, names, found, changed)


def _keeps(step: Any) -> bool:
    if isinstance(step, str) or step is None:
        return True
    if type(step).__name__ == "SimpleImputer":
        whole = getattr(step, "indicator_", None) is None
        return whole and not any(is_missing(v) for v in step.statistics_.tolist())
    return type(step).__name__ in _KEEPING


def _note(step: Any, known: list[Known], changed: bool) -> None:
    """Notes what one step has learnt of its columns, in order."""
    if type(step).__name__ in _VECTORIZERS:
        for one in known:
            one.text = True
    encoder = step
    if getattr(step, "is_categorical_", None) is not None:
        encoder = step._preprocessor.named_transformers_["encoder"]
        flags: list[bool] = np.asarray(step.is_categorical_).tolist()
        if len(flags) == len(known):
            known = [one for one, asked in zip(known, flags, strict=True) if asked]
    categories: Any = getattr(encoder, "categories_", ())
    for one, values in zip(known, categories, strict=False):
        listed: list[Any] = values.tolist()
        one.categories = [v for v in listed if not is_missing(v)]
        one.empty = one.empty or len(one.categories) < len(listed)
        one.strict = not changed and getattr(encoder, "handle_unknown", "") == "error"
    if type(step).__name__ == "SimpleImputer":
        _note_imputer(step, known)
    _note_numbers(step, known)


def _note_imputer(step: Any, known: list[Known]) -> None:
    text = step.statistics_.dtype == object
    for one, value in zip(known, step.statistics_.tolist(), strict=False):
        if text and isinstance(value, str):
            one.text = True
            one.empty = not isinstance(step.missing_values, str)
            one.placeholder = "" if one.empty else step.missing_values
        elif isinstance(value, int | float) and np.isfinite(value):
            one.centre, one.number = float(value), True


def _note_numbers(step: Any, known: list[Known]) -> None:
    count = len(known)
    tree: Any = getattr(step, "tree_", None)
    if tree is not None:
        features: list[int] = tree.feature.tolist()
        thresholds: list[float] = tree.threshold.tolist()
        for feature, threshold in zip(features, thresholds, strict=True):
            if 0 <= feature < count and np.isfinite(threshold):
                known[feature].seen.append(threshold)
    centre, spread = getattr(step, "mean_", None), getattr(step, "scale_", None)
    if type(step).__name__ == "RobustScaler":
        centre = step.center_
    if type(step).__name__ == "MinMaxScaler":
        centre, spread = (step.data_min_ + step.data_max_) / 2, step.data_range_ / 4
    if centre is None or spread is None or np.shape(centre) != (count,):
        return
    if np.shape(spread) != (count,):
        return
    for one, middle, width in zip(known, centre.tolist(), spread.tolist(), strict=True):
        one.centre, one.spread, one.number = float(middle), float(width) or 1.0, True


def is_missing(value: Any) -> bool:
    """Whether a category or a statistic is None or NaN."""
    return value is None or (isinstance(value, float) and bool(np.isnan(value)))
