"""Which inputs an estimator takes, and rows for it: the reference rows, or sampled ones.

Standalone: the standard library and numpy only; pandas when it is there and needed.
"""

from __future__ import annotations

import warnings
import zipfile
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import numpy as np

from . import columns
from .columns import Known

SAMPLED = 256
_FEWEST = 32
_SEED = 0
_TRUTH = {"true": True, "false": False, "1": True, "0": False}

Rows = dict[str, Any]
"""An array per column by name."""


@dataclass(frozen=True)
class Plan:
    """How rows become the estimator's input.

    kind:   "matrix" (one [-1, n] input), "columns" (one [-1, 1] input each) or "text" ([-1]).
    apart:  the estimator itself picks columns by name, so a graph must hold them apart.
    inputs: signature entries in order.
    names:  column names in order.
    frame:  the estimator wants a DataFrame with these names.
    empty:  columns in which the empty text means "missing".
    """

    kind: str
    apart: bool
    inputs: list[dict[str, Any]]
    names: list[str]
    frame: bool
    empty: tuple[str, ...] = ()


def prepare(model: Any, job: dict[str, Any]) -> tuple[Plan, Rows]:
    """The inputs that fit the estimator and the reference rows, and rows for them."""
    reference = given(job)
    asked = [str(n) for n in job.get("input_names") or ()]
    if columns.wants_texts(model) and not getattr(model, "n_features_in_", 0):
        return _texts(model, reference, asked)
    names, frame = _names(model, reference, asked)
    known = columns.learn(model, names)
    reference = chosen(reference, names)
    kinds = {name: _kind(known[name], reference.get(name)) for name in names}
    empty = tuple(name for name in names if known[name].empty and kinds[name] == "BYTES")
    apart = "BYTES" in kinds.values() or columns.selects_by_name(model)
    plan = Plan("columns", apart, [], names, frame, empty)
    if reference:
        rows = {name: as_kind(name, reference[name], kinds[name]) for name in names}
    else:
        rows = _answered(model, plan, _sampled(known, kinds))
    missing = _missing(model, plan, rows, kinds)
    numbers = all(kind == "FP32" for kind in kinds.values())
    if numbers and len(missing) in (0, len(names)):
        whole: dict[str, Any] = {
            "name": asked[0] if asked else "X",
            "datatype": "FP32",
            "shape": [-1, len(names)],
            "columns": names,
        }
        inputs = [whole | ({"missing": True} if missing else {})]
        return Plan("matrix", apart, inputs, names, frame), rows
    inputs = [
        {"name": name, "datatype": kinds[name], "shape": [-1, 1]}
        | ({"missing": True} if name in missing else {})
        for name in names
    ]
    return Plan("columns", apart, inputs, names, frame, empty), rows


def for_model(rows: Rows, plan: Plan) -> Any:
    """The rows as the estimator was trained on them."""
    if plan.kind == "text":
        return [str(v) for v in rows[plan.names[0]].tolist()]
    values = {name: rows[name] for name in plan.names}
    for name in plan.empty:
        text = values[name]
        values[name] = np.where(text == "", np.nan, text)
    if plan.frame:
        try:
            pandas: Any = import_module("pandas")
        except ImportError as error:
            raise ImportError(
                "the model was trained on a DataFrame, so it needs pandas: pip install pandas"
            ) from error
        return pandas.DataFrame(values)
    if any(value.dtype.kind == "O" for value in values.values()):
        return np.column_stack([value.astype(object) for value in values.values()])
    return np.column_stack([value.astype(np.float64) for value in values.values()])


def for_file(rows: Rows) -> Rows:
    """The rows as arrays that a file may hold: text of fixed width instead of objects."""
    return {n: v.astype(str) if v.dtype.kind == "O" else v for n, v in rows.items()}


def save(file: Path | IO[bytes], arrays: Rows, method: int = zipfile.ZIP_STORED) -> None:
    """Writes an .npz of arrays whatever their names; np.savez keeps "file" for itself."""
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, array in arrays.items():
            # A fixed date, so that equal rows are equal bytes.
            entry = zipfile.ZipInfo(f"{name}.npy")
            entry.compress_type = method
            with archive.open(entry, "w", force_zip64=True) as held:
                np.lib.format.write_array(held, np.asanyarray(array), allow_pickle=False)


def given(job: dict[str, Any]) -> Rows:
    """The reference rows of the job by column, {} when it has none."""
    path = job.get("rows")
    if not path:
        return {}
    with np.load(path, allow_pickle=False) as arrays:
        names = list(job.get("columns") or arrays.files)
        return {n: _text(arrays[n]) for n in names}


def _text(array: Any) -> Any:
    return array.astype(object) if array.dtype.kind in "US" else array


def _names(model: Any, reference: Rows, asked: list[str]) -> tuple[list[str], bool]:
    """The names of the columns, and whether the model was trained on a DataFrame."""
    fitted: list[Any] = np.asarray(getattr(model, "feature_names_in_", ())).tolist()
    if fitted:
        return [str(name) for name in fitted], True
    count = int(getattr(model, "n_features_in_", 0)) or len(reference)
    if not count:
        raise ValueError("how many features it takes is not known: give reference rows")
    if len(asked) == count > 1:
        return asked, False
    names = list(reference)
    if names and len(names) != count:
        raise ValueError(f"the rows have {len(names)} columns, the model takes {count} features")
    # An array has no names, and numbers are poor ones for people who send rows.
    if not names or names == [str(i) for i in range(count)]:
        return [f"x{i}" for i in range(count)], False
    return names, False


def chosen(reference: Rows, names: list[str]) -> Rows:
    """The reference rows by the names of the model: by name, else in order."""
    if not reference or set(names) <= set(reference):
        return {name: reference[name] for name in names if reference}
    if len(reference) == len(names):
        return dict(zip(names, reference.values(), strict=True))
    absent = next(name for name in names if name not in reference)
    raise ValueError(f"the rows have no column {absent!r}, which the model takes")


def _kind(known: Known, values: Any) -> str:
    """The datatype of a column, as the model and the reference rows say."""
    if known.datatype or values is None:
        return known.datatype or "FP32"
    if values.dtype.kind == "O" and not known.number:
        return "BYTES"
    return "BOOL" if values.dtype.kind == "b" else "FP32"


def as_kind(name: str, values: Any, kind: str) -> Any:
    """Reference values of a column as the model knows them."""
    if kind == "BYTES":
        return as_text(values)
    if values.dtype.kind == "O":
        if kind != "BOOL":
            raise ValueError(f"column {name!r} holds text, and the model takes numbers there")
        words = [str(v).strip().lower() for v in values.tolist()]
        if any(word not in _TRUTH for word in words):
            raise ValueError(f"column {name!r} holds text, and the model takes true or false there")
        return np.array([_TRUTH[word] for word in words])
    if kind == "FP32":
        return values
    whole = values.astype(np.int64) if np.isfinite(values.astype(np.float64)).all() else values
    if (whole != values).any() or (kind == "BOOL" and not np.isin(whole, (0, 1)).all()):
        wanted = "true or false" if kind == "BOOL" else "whole numbers"
        raise ValueError(f"column {name!r} holds other values than {wanted}")
    return whole.astype(np.bool_ if kind == "BOOL" else np.int64)


def as_text(values: Any) -> Any:
    """Text as it is; a number as people write it, a missing one as nothing."""
    if values.dtype.kind == "O":
        return values
    found: Any = np.empty(len(values), dtype=object)
    for i, value in enumerate(values.tolist()):
        if isinstance(value, float):
            value = "" if value != value else int(value) if value.is_integer() else value
        found[i] = str(value)
    return found


def _sampled(known: dict[str, Known], kinds: dict[str, str]) -> Rows:
    """Rows made up from what the model knows of its columns."""
    random = np.random.default_rng(_SEED)
    rows: Rows = {}
    for name, one in known.items():
        if one.categories:
            values: Any = np.empty(len(one.categories), dtype=object)
            values[:] = one.categories
            drawn = random.choice(values, SAMPLED)
            numpy = {"BYTES": object, "INT64": np.int64, "BOOL": np.bool_}
            rows[name] = drawn.astype(numpy.get(kinds[name], np.float64))
        elif kinds[name] == "BYTES":
            rows[name] = random.choice(np.array(["a", "b", "c"], dtype=object), SAMPLED)
        else:
            drawn = random.normal(one.centre, 2 * one.spread, SAMPLED)
            # Some functions take no number below zero: half of the rows have none.
            drawn[SAMPLED // 2 :] = np.abs(drawn[SAMPLED // 2 :])
            rows[name] = drawn.astype(np.float32).astype(np.float64)
    return rows


def _answered(model: Any, plan: Plan, rows: Rows) -> Rows:
    """Those of the made-up rows that the model answers."""
    if _answers(model, plan, rows):
        return rows
    kept = [i for i in range(SAMPLED) if _answers(model, plan, _one(rows, i))]
    if len(kept) < _FEWEST:
        raise ValueError("the model refuses rows that were made up for it: give reference rows")
    return {name: values[kept] for name, values in rows.items()}


def _one(rows: Rows, number: int) -> Rows:
    return {name: values[number : number + 1] for name, values in rows.items()}


def _texts(model: Any, reference: Rows, asked: list[str]) -> tuple[Plan, Rows]:
    """The plan and rows of a model that takes a list of texts."""
    texts = [name for name, values in reference.items() if values.dtype.kind == "O"]
    column = texts[0] if texts else next(iter(reference), "text")
    name = asked[0] if asked else "text" if column == "0" else column
    inputs = [{"name": name, "datatype": "BYTES", "shape": [-1]}]
    values = as_text(reference[column]) if reference else _sampled_texts(model)
    return Plan("text", False, inputs, [name], False), {name: values}


def _sampled_texts(model: Any) -> Any:
    words: list[str] = []
    for part in columns.parts(model):
        words += sorted(getattr(part, "vocabulary_", ()))
    random = np.random.default_rng(_SEED)
    chosen = words or ["a"]
    lines = [" ".join(random.choice(chosen, random.integers(1, 12))) for _ in range(SAMPLED)]
    return np.array(lines, dtype=object)


def _missing(model: Any, plan: Plan, rows: Rows, kinds: dict[str, str]) -> set[str]:
    """The columns in which the model itself answers NaN: it is asked, since its tags are vague."""
    numbers = [name for name in plan.names if kinds[name] == "FP32"]
    if not numbers or _answers_nan(model, plan, rows, numbers):
        return set(numbers)
    found: set[str] = set()
    for group in columns.groups(model, plan.names):
        inside = [name for name in group if name in numbers]
        if inside and _answers_nan(model, plan, rows, inside):
            found |= set(inside)
    return found


def _answers_nan(model: Any, plan: Plan, rows: Rows, names: list[str]) -> bool:
    return _answers(model, plan, _one(rows, 0) | {name: np.full(1, np.nan) for name in names})


def _answers(model: Any, plan: Plan, rows: Rows) -> bool:
    """Whether the model answers all of the rows, with finite numbers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            asked = for_model(rows, plan)
            answers = [np.asarray(model.predict(asked))]
            if hasattr(model, "predict_proba"):
                answers.append(np.asarray(model.predict_proba(asked)))
        except Exception:
            return False
    return all(bool(np.isfinite(a).all()) for a in answers if a.dtype.kind == "f")
