"""Which inputs an estimator takes, and rows for it: the reference rows, or sampled ones.

Standalone: the standard library and numpy only; pandas when it is there and needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

SAMPLED = 256
_SEED = 0
_TEXT_STEPS = ("CountVectorizer", "TfidfVectorizer", "HashingVectorizer")


@dataclass(frozen=True)
class Plan:
    """How rows become the estimator's input.

    kind:   "matrix" (one [-1, n] input), "columns" (one [-1, 1] input each) or "text" ([-1]).
    inputs: signature entries in order.
    names:  column names in order.
    frame:  the estimator wants a DataFrame with these names.
    """

    kind: str
    inputs: list[dict[str, Any]]
    names: list[str]
    frame: bool


def plan(model: Any, job: dict[str, Any]) -> Plan:
    """The inputs that fit the estimator and the reference rows of the job."""
    known = given_rows(job)
    fitted = [str(n) for n in getattr(model, "feature_names_in_", ())]
    steps = [step for _, step in getattr(model, "steps", ())] or [model]
    asked = list(job.get("input_names") or ())
    if type(steps[0]).__name__ in _TEXT_STEPS:
        name = (asked or job.get("columns") or ["text"])[0]
        return Plan("text", [{"name": name, "datatype": "BYTES", "shape": [-1]}], [name], False)
    count = int(getattr(model, "n_features_in_", 0)) or len(fitted) or len(known)
    if not count:
        raise ValueError("how many features it takes is not known: give reference rows")
    names = fitted or list(job.get("columns") or ()) or [f"x{i}" for i in range(count)]
    if len(names) != count:
        raise ValueError(f"the rows have {len(names)} columns, the model takes {count} features")
    missing = _takes_missing(model, steps)
    texts = _text_columns(model, names, known)
    by_column = bool(texts) or any(type(s).__name__ == "ColumnTransformer" for s in steps)
    if not by_column:
        spec: dict[str, Any] = {
            "name": asked[0] if asked else "X",
            "datatype": "FP32",
            "shape": [-1, count],
            "columns": names,
        }
        return Plan("matrix", [spec | ({"missing": True} if missing else {})], names, bool(fitted))
    inputs: list[dict[str, Any]] = []
    for name in names:
        kind = "BYTES" if name in texts else "FP32"
        spec = {"name": name, "datatype": kind, "shape": [-1, 1]}
        inputs.append(spec | ({"missing": True} if missing and kind == "FP32" else {}))
    return Plan("columns", inputs, names, bool(fitted))


def rows(model: Any, plan: Plan, job: dict[str, Any]) -> dict[str, Any]:
    """One array per column: the job's reference rows, else sampled from what the model knows."""
    known = given_rows(job)
    if known:
        values = (
            [known[n] for n in plan.names] if set(plan.names) <= set(known) else [*known.values()]
        )
        return dict(zip(plan.names, values, strict=True))
    random = np.random.default_rng(_SEED)
    if plan.kind == "text":
        return {plan.names[0]: _sampled_text(model, random)}
    found: dict[str, Any] = {}
    categories = _categories(model)
    centre, spread = _scale(model, len(plan.names))
    for number, (name, spec) in enumerate(
        zip(
            plan.names,
            plan.inputs * (1 if plan.kind == "columns" else len(plan.names)),
            strict=False,
        )
    ):
        if name in categories:
            found[name] = random.choice(np.asarray(categories[name], dtype=object), SAMPLED)
        elif spec["datatype"] == "BYTES":
            found[name] = random.choice(np.array(["a", "b", "c"], dtype=object), SAMPLED)
        else:
            drawn = random.normal(centre[number], 2 * spread[number], SAMPLED)
            found[name] = drawn.astype(np.float32)
    return found


def for_model(rows: dict[str, Any], plan: Plan) -> Any:
    """The rows as the estimator was trained on them."""
    if plan.kind == "text":
        return [str(v) for v in rows[plan.names[0]].tolist()]
    if plan.frame or plan.kind == "columns":
        try:
            pandas: Any = import_module("pandas")
            return pandas.DataFrame({name: _exact(rows[name]) for name in plan.names})
        except ImportError:
            if plan.kind == "columns":
                return np.column_stack([rows[n].astype(object) for n in plan.names])
    return np.column_stack([_exact(rows[n]) for n in plan.names])


def for_file(rows: dict[str, Any]) -> dict[str, Any]:
    """The rows as arrays that a file may hold: text of fixed width instead of objects."""
    return {n: v.astype(str) if v.dtype.kind == "O" else v for n, v in rows.items()}


def _exact(values: Any) -> Any:
    """Numbers as the float32 that callers will send, widened again, so both models see the same."""
    if values.dtype.kind in "fiu":
        narrow = values.astype(np.float32).astype(np.float64)
        return narrow if values.dtype.kind == "f" or (narrow != values).any() else values
    return values


def given_rows(job: dict[str, Any]) -> dict[str, Any]:
    path = job.get("rows")
    if not path:
        return {}
    with np.load(path, allow_pickle=False) as arrays:
        names = list(job.get("columns") or arrays.files)
        return {n: _text(arrays[n]) for n in names}


def _text(array: Any) -> Any:
    return array.astype(object) if array.dtype.kind in "US" else array


def _text_columns(model: Any, names: list[str], given: dict[str, Any]) -> set[str]:
    found = {n for n, v in given.items() if v.dtype.kind == "O" and n in names}
    for name, values in _categories(model).items():
        if any(isinstance(v, str) for v in values):
            found.add(name)
    return found


def _categories(model: Any) -> dict[str, list[Any]]:
    """The categories that the encoders inside know, by column name."""
    found: dict[str, list[Any]] = {}
    for transformer in _transformers(model):
        for _, step, columns in getattr(transformer, "transformers_", ()):
            parts = [s for _, s in getattr(step, "steps", ())] or [step]
            for part in parts:
                for name, values in zip(columns, getattr(part, "categories_", ()), strict=False):
                    found[str(name)] = [v for v in values.tolist() if v is not None]
    return found


def _transformers(model: Any) -> list[Any]:
    steps = [s for _, s in getattr(model, "steps", ())] or [model]
    return [s for s in steps if type(s).__name__ == "ColumnTransformer"]


def _scale(model: Any, count: int) -> tuple[Any, Any]:
    """Mean and spread of every feature, where a scaler inside has learnt them."""
    for step in [s for _, s in getattr(model, "steps", ())] or [model]:
        mean, scale = getattr(step, "mean_", None), getattr(step, "scale_", None)
        if mean is not None and scale is not None and len(mean) == count:
            return mean, scale
    return _from_thresholds(model, count)


def _from_thresholds(model: Any, count: int) -> tuple[Any, Any]:
    """Centre and spread of the thresholds that trees split at, else 0 and 1."""
    seen: list[list[float]] = [[] for _ in range(count)]
    last = model.steps[-1][1] if getattr(model, "steps", None) else model
    trees: Any = np.ravel(getattr(last, "estimators_", [last]))
    for tree in trees[:50]:
        inner = getattr(tree, "tree_", None)
        if inner is None:
            continue
        for feature, threshold in zip(
            inner.feature.tolist(), inner.threshold.tolist(), strict=True
        ):
            if 0 <= feature < count:
                seen[feature].append(threshold)
    centre = np.array([np.mean(s) if s else 0.0 for s in seen])
    spread = np.array([np.std(s) + 1e-6 if len(s) > 1 else 1.0 for s in seen])
    return centre, spread


def _sampled_text(model: Any, random: Any) -> Any:
    first = model.steps[0][1] if getattr(model, "steps", None) else model
    words = sorted(getattr(first, "vocabulary_", {"a": 0})) or ["a"]
    lines = [" ".join(random.choice(words, random.integers(1, 12))) for _ in range(SAMPLED)]
    return np.array(lines, dtype=object)


def _takes_missing(model: Any, steps: list[Any]) -> bool:
    """Whether the estimator's own tags say that it takes NaN."""
    try:
        utils: Any = import_module("sklearn.utils")
        return bool(utils.get_tags(model).input_tags.allow_nan)
    except (ImportError, AttributeError):
        return type(steps[0]).__name__.startswith(("HistGradientBoosting", "SimpleImputer"))
