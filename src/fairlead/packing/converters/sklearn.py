"""scikit-learn estimators and pipelines to ONNX, by skl2onnx; natively by skops where that fails.

Standalone: it runs in the airlock, perhaps under another interpreter, with the standard library,
numpy, scikit-learn and skl2onnx only.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from . import answers, columns, graphs, samples, sklearn_steps
from .answers import Entry
from .booster_steps import SPARSE
from .nodes import OPSET

RUNTIME = "sklearn"
NATIVE = "model.skops"
_VERSIONS = ("scikit-learn", "numpy", "scipy", "pandas", "skops")
_WITHIN = {"xgboost": "xgboost", "lightgbm": "lightgbm", "catboost": "catboost"}
"""Libraries whose estimators may be steps of a pipeline, by the module that they come from."""

_RAW = (
    "RidgeClassifier",
    "RidgeClassifierCV",
    "SGDClassifier",
    "Perceptron",
    "PassiveAggressiveClassifier",
    "LinearSVC",
    "SVC",
    "NuSVC",
)
"""Classifiers whose decision function skl2onnx gives when it is asked for raw scores."""
_DECIDING = ("OneVsOneClassifier", "IsolationForest", "OneClassSVM", "LocalOutlierFactor")
"""Estimators whose second output is their decision function anyway."""


def read(path: Path, job: dict[str, Any]) -> Any:
    """The estimator in a skops file; only types that are trusted or allowed are made."""
    from fairlead.packing.airlock.allow_list import AllowList
    from fairlead.packing.airlock.refused import Refused

    skops = _skops()
    untrusted: list[str] = skops.get_untrusted_types(file=path)
    allowed = AllowList(job.get("allow") or [])
    refused: list[str] = []
    for dotted in untrusted:
        module, _, name = dotted.rpartition(".")
        if not allowed.uses(module, name):
            refused.append(dotted)
    if refused:
        raise Refused(f"the file names {refused[0]}, which is not allowed", refused)
    return skops.load(path, trusted=untrusted)


def convert(model: Any, job: dict[str, Any], out: Path) -> dict[str, Any]:
    """Writes the graph (or the native model) and the original's answers into `out`."""
    if not hasattr(model, "predict"):
        raise TypeError(f"{type(model).__name__} has no predict: only predictors can be served")
    plan, rows = samples.prepare(model, job)
    given = samples.for_model(rows, plan)
    try:
        outputs, original = answers.ask(model, given, plan.names)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"the model does not answer the reference rows: {_short(error)}"
        ) from error
    samples.save(out / "original.npz", original)
    samples.save(out / "rows.npz", samples.for_file(rows))
    facts: dict[str, Any] = {
        "runtime": "onnx",
        "graph": graphs.GRAPH,
        "reason": str(job.get("native") or ""),
        "versions": _versions(model),
        "sampled": not job.get("rows"),
        "about": {},
        "framework": "scikit-learn",
        "class": f"{type(model).__module__}.{type(model).__qualname__}",
        "choices": columns.choices(model, plan.names) if plan.kind != "text" else {},
    }
    if not facts["reason"]:
        try:
            raw, signature = to_graph(model, plan, given, outputs, bool(job.get("double")))
            (out / graphs.GRAPH).write_bytes(raw)
            return facts | {"signature": signature}
        except Exception as error:
            facts["reason"] = f"it cannot be converted to ONNX: {_short(error)}"
    trusted = _save_native(model, out)
    methods = {entry["name"]: answers.METHODS[entry["method"]] for entry in outputs}
    facts["about"] = _about_rows(plan) | {"trusted": trusted, "methods": methods}
    return facts | {
        "runtime": RUNTIME,
        "graph": NATIVE,
        "signature": _native_signature(plan.inputs, outputs),
    }


def _about_rows(plan: samples.Plan) -> dict[str, Any]:
    """What a native runtime must know to make the model's own input of arrays."""
    return {
        "kind": plan.kind,
        "frame": plan.frame,
        "names": plan.names,
        "empty": list(plan.empty),
    }


def _native_signature(inputs: list[Entry], outputs: list[Entry]) -> dict[str, Any]:
    """The signature of a model that is kept native: its numbers are float64."""
    wide = [e | {"datatype": "FP64"} if e["datatype"] == "FP32" else e for e in inputs]
    return {"format": 1, "inputs": wide, "outputs": [answers.without_method(e) for e in outputs]}


def to_graph(
    model: Any, plan: samples.Plan, rows: Any, outputs: list[Entry], double: bool
) -> tuple[bytes, dict[str, Any]]:
    """The graph's bytes and its signature. Raises what skl2onnx raises when it cannot."""
    skl2onnx: Any = _import("skl2onnx")
    with (
        graphs.tolerant_attributes(),
        sklearn_steps.taught(double),
        _adjusted(model, rows),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        made: Any = skl2onnx.convert_sklearn(
            model,
            initial_types=_first(plan, double),
            options=_options(model, outputs),
            target_opset=OPSET,
        )
    graphs.drop_zipmap(made)
    mender = graphs.Mender(made)
    if double:
        mender.widen("TfIdfVectorizer")
    if plan.kind == "matrix" and plan.apart:
        mender.split_columns(plan.inputs[0], plan.names, double)
    elif plan.kind == "columns" and not plan.apart:
        mender.join_columns(plan.inputs, double)
    else:
        mender.cast_inputs(plan.inputs, double)
    number = "FP64" if double else "FP32"
    inputs = [e | {"datatype": number} if e["datatype"] == "FP32" else e for e in plan.inputs]
    wanted = list(_wanted(model, outputs, [o.name for o in made.graph.output], number))
    raw = mender.outputs(wanted)
    kept = [{k: v for k, v in entry.items() if k in _SIGNED} for _, entry in wanted]
    return raw, {"format": 1, "inputs": inputs, "outputs": kept}


_SIGNED = ("name", "datatype", "shape", "role", "classes")


def _first(plan: samples.Plan, double: bool) -> list[tuple[str, Any]]:
    """The inputs as skl2onnx takes them: text or numbers, together or apart."""
    types: Any = import_module("skl2onnx.common.data_types")
    number = types.DoubleTensorType if double else types.FloatTensorType
    if plan.kind == "text":
        return [(plan.names[0], types.StringTensorType([None]))]
    if not plan.apart:
        whole = "X" if plan.kind == "columns" else plan.inputs[0]["name"]
        return [(whole, number([None, len(plan.names)]))]
    text = {e["name"] for e in plan.inputs if e["datatype"] == "BYTES"}
    return [
        (name, types.StringTensorType([None, 1]) if name in text else number([None, 1]))
        for name in plan.names
    ]


def _options(model: Any, outputs: list[Entry]) -> dict[int, dict[str, Any]]:
    """Options of skl2onnx by the id of the estimator that they are for."""
    found: dict[int, dict[str, Any]] = {}
    if any(entry["method"] == "decision_function" for entry in outputs):
        last = _last(model)
        if type(last).__name__ in _RAW:
            found[id(last)] = {"raw_scores": True}
    for part in columns.parts(model):
        if type(part).__name__ in ("TfidfVectorizer", "CountVectorizer"):
            _check_words(part)
            found[id(part)] = {"tokenexp": tokens(part)}
    return found


def _check_words(vectorizer: Any) -> None:
    """Raises NotImplementedError for what a graph would count otherwise, on some rows at least."""
    if vectorizer.analyzer == "char":
        raise NotImplementedError("it counts characters after joining spaces")
    if vectorizer.stop_words is not None and vectorizer.ngram_range[1] > 1:
        raise NotImplementedError("it joins words over the stop words between them")


def tokens(vectorizer: Any) -> str | None:
    """The vectorizer's pattern of a token in the syntax of onnxruntime, None for its default.

    There \\w and \\b know ASCII only, in Python all letters and digits.
    """
    pattern = vectorizer.token_pattern
    if vectorizer.analyzer != "word" or not isinstance(pattern, str):
        return None
    letter = r"[\p{L}\p{N}_]"
    plain = pattern.removeprefix("(?u)").removeprefix(r"\b").removesuffix(r"\b")
    run = re.fullmatch(r"((?:\\w)+)\+", plain)
    if run is not None:
        return f"{letter}{{{len(run[1]) // 2},}}"
    if re.fullmatch(r"\\w\{\d+,\}", plain):
        return plain.replace(r"\w", letter)
    inside = r"\p{L}\p{N}_"
    return re.sub(
        r"\[[^\]]*\]", lambda m: m[0].replace(r"\w", inside), pattern.removeprefix("(?u)")
    )


def _last(model: Any) -> Any:
    """The estimator that answers: the last step, the best of a search."""
    while True:
        if getattr(model, "steps", None):
            model = model.steps[-1][1]
        elif hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        else:
            return model


@contextmanager
def _adjusted(model: Any, rows: Any) -> Generator[None]:
    """The model with parameters that skl2onnx wants and that change no prediction."""
    changes = {
        "VotingClassifier": ("flatten_transform", False),
        "KBinsDiscretizer": ("encode", "onehot-dense"),
    }
    undo: list[tuple[Any, str, Any]] = []
    try:
        for part in columns.parts(model):
            name, value = changes.get(type(part).__name__, ("", None))
            if name and (name != "encode" or part.encode == "onehot"):
                undo.append((part, name, getattr(part, name)))
                setattr(part, name, value)
            last = part.steps[-1][1] if type(part).__name__ == "Pipeline" else None
            if type(last).__module__.startswith("xgboost.") and _is_sparse(part, rows):
                undo.append((last, SPARSE, False))
                setattr(last, SPARSE, True)
        yield
    finally:
        for part, name, value in undo:
            setattr(part, name, value) if name != SPARSE else delattr(part, name)


def _is_sparse(pipeline: Any, rows: Any) -> bool:
    """Whether the last step of a pipeline is given sparse rows."""
    try:
        return hasattr(pipeline[:-1].transform(rows[:1]), "tocsr")
    except Exception:
        return False


def _wanted(
    model: Any, outputs: list[Entry], names: list[str], number: str
) -> Iterator[tuple[str, Entry]]:
    """Which value of the graph is which output: the first is what predict gives."""
    for entry in outputs:
        entry = dict(entry)
        method = entry["method"]
        if entry["datatype"] == "FP64" and method not in ("label", "labels"):
            entry["datatype"] = number
        rank = len(entry["shape"])
        if method == "prediction" and rank == 1:
            entry["shape"] = [-1, 1]
        if method not in ("probabilities", "decision_function"):
            yield names[0], entry
        elif len(names) < 2:
            continue
        elif method == "probabilities":
            yield names[1], entry | {"swapped": rank == 3}
        elif type(_last(model)).__name__ in _DECIDING:
            binary = rank == 1 and type(_last(model)).__name__ == "OneVsOneClassifier"
            yield names[1], entry | ({"position": 1} if binary else {})
        elif type(_last(model)).__name__ in _RAW:
            yield names[1], entry | ({"position": 1} if rank == 1 else {})


def _save_native(model: Any, out: Path) -> list[str]:
    """Saves by skops; returns the exact types that its loader must trust."""
    skops = _skops()
    own = sorted({type(p).__qualname__ for p in columns.parts(model) if _in_a_cell(p)})
    if own:
        raise TypeError(
            f"the class {own[0]} lives in a notebook cell or script, where no server finds it: "
            f"move it to a file that can be imported"
        )
    skops.dump(model, out / NATIVE)
    return sorted(skops.get_untrusted_types(file=out / NATIVE))


def _in_a_cell(part: Any) -> bool:
    function = getattr(part, "func", None)
    return "__main__" in (type(part).__module__, getattr(function, "__module__", ""))


def _skops() -> Any:
    return _import("skops.io", "skops")


def _import(module: str, library: str = "") -> Any:
    """A library that this needs. Raises ImportError with what to install."""
    try:
        return import_module(module)
    except ImportError as error:
        name = library or module
        raise ImportError(f"{name} is needed here: pip install {name}") from error


def _versions(model: Any) -> dict[str, str]:
    """The exact versions of the libraries that the model is made of."""
    tops = {type(part).__module__.partition(".")[0] for part in columns.parts(model)}
    found: dict[str, str] = {}
    for name in (*_VERSIONS, *(_WITHIN[top] for top in sorted(tops & set(_WITHIN)))):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _short(error: Exception) -> str:
    """Why a conversion failed, in one line."""
    text = " ".join(str(error).split()).partition(" You may raise an issue")[0]
    absent = re.search(r"<class '(?:[\w.]*\.)?(\w+)'>", text)
    if type(error).__name__ in ("MissingShapeCalculator", "MissingConverter") and absent:
        return f"skl2onnx does not know {absent[1]}"
    if isinstance(error, NotImplementedError):
        return text[:200]
    return f"{type(error).__name__}: {text[:200]}"
