"""scikit-learn estimators and pipelines to ONNX, by skl2onnx; natively by skops where that fails.

Standalone: it runs in the airlock, perhaps under another interpreter, with the standard library,
numpy, scikit-learn and skl2onnx only.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from . import graphs, samples

RUNTIME = "sklearn"
NATIVE = "model.skops"
_OPSET = {"": 18, "ai.onnx.ml": 3}
_VERSIONS = ("scikit-learn", "numpy", "scipy", "pandas", "skops")


def convert(model: Any, job: dict[str, Any], out: Path) -> dict[str, Any]:
    """Writes the graph (or the native model) and the original's answers into `out`.

    job: "rows" (path of an .npz with one array per column, or absent), "columns" (their names in
    order), "input_names", "double" (a float64 graph), "native" (do not convert).
    """
    plan = samples.plan(model, job)
    rows = samples.rows(model, plan, job)
    outputs = _outputs(model)
    facts: dict[str, Any] = {
        "runtime": "onnx",
        "graph": graphs.GRAPH,
        "reason": "",
        "versions": _versions(),
        "sampled": not job.get("rows"),
        "about": {},
        "framework": "scikit-learn",
        "class": f"{type(model).__module__}.{type(model).__qualname__}",
    }
    answers = _answers(model, outputs, samples.for_model(rows, plan))
    np.savez(out / "original.npz", **answers)
    np.savez(out / "rows.npz", **samples.for_file(rows))
    if not job.get("native"):
        try:
            inputs, found = _to_onnx(model, plan, outputs, bool(job.get("double")), out)
            facts["signature"] = {"format": 1, "inputs": inputs, "outputs": found}
            return facts
        except Exception as error:
            facts["reason"] = f"it cannot be converted to ONNX: {_short(error)}"
    facts |= {"runtime": RUNTIME, "graph": NATIVE}
    facts["reason"] = facts["reason"] or str(job["native"])
    facts["about"] = {"trusted": _save_native(model, out), "kind": plan.kind, "frame": plan.frame}
    facts["signature"] = _native_signature(plan, outputs, answers)
    return facts


def _outputs(model: Any) -> list[dict[str, Any]]:
    """What the estimator answers, as signature entries without datatype and shape."""
    if not hasattr(model, "predict"):
        raise TypeError(f"{type(model).__name__} has no predict: only predictors can be served")
    classes = [str(c) for c in _classes(model)]
    if not classes:
        return [{"name": "prediction", "role": "value"}]
    label = {"name": "label", "role": "label", "classes": classes}
    if hasattr(model, "predict_proba"):
        return [label, {"name": "probabilities", "role": "scores", "classes": classes}]
    return [label]


def _classes(model: Any) -> Sequence[Any]:
    classes: Any = getattr(model, "classes_", None)
    if classes is None or isinstance(classes, list):
        return []
    return classes.tolist()


def _answers(model: Any, outputs: list[dict[str, Any]], rows: Any) -> dict[str, Any]:
    """The original's own outputs, by output name."""
    found: dict[str, Any] = {}
    for output in outputs:
        values = (
            model.predict_proba(rows) if output["name"] == "probabilities" else model.predict(rows)
        )
        array = np.asarray(values)
        found[output["name"]] = array.astype(str) if array.dtype.kind == "O" else array
    return found


def _to_onnx(
    model: Any, plan: samples.Plan, outputs: list[dict[str, Any]], double: bool, out: Path
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    skl2onnx: Any = import_module("skl2onnx")
    types: Any = import_module("skl2onnx.common.data_types")
    kinds = {
        "FP32": types.DoubleTensorType if double else types.FloatTensorType,
        "INT64": types.Int64TensorType,
        "BOOL": types.BooleanTensorType,
        "BYTES": types.StringTensorType,
    }
    first = [
        (spec["name"], kinds[spec["datatype"]]([None, *spec["shape"][1:]])) for spec in plan.inputs
    ]
    _register()
    options = {id(model): {"zipmap": False}} if len(outputs) == 2 else None
    with graphs.tolerant_attributes():
        graph: Any = skl2onnx.convert_sklearn(
            model, initial_types=first, options=options, target_opset=_OPSET
        )
    given = [value.name for value in graph.graph.output]
    kept = outputs if len(given) >= len(outputs) else outputs[: len(given)]
    del graph.graph.output[len(kept) :]
    names = {old: spec["name"] for old, spec in zip(given, kept, strict=False)}
    raw = graphs.finish(graph, names)
    (out / graphs.GRAPH).write_bytes(raw)
    inputs = [
        spec | found
        for spec, found in zip(plan.inputs, graphs.specs(graph.graph.input), strict=True)
    ]
    found = [
        {**entry, **spec}
        for spec, entry in zip(kept, graphs.specs(graph.graph.output), strict=True)
    ]
    for entry in found:
        entry["shape"] = [-1, *entry["shape"][1:]]
    return inputs, found


def _register() -> None:
    """Teaches skl2onnx the XGBoost and LightGBM estimators, where they are installed."""
    for module in ("xgboost_steps", "lightgbm_steps"):
        try:
            import_module(f".{module}", __package__).register()
        except ImportError:
            continue


def _save_native(model: Any, out: Path) -> list[str]:
    """Saves by skops; returns the exact types that its loader must trust."""
    try:
        skops: Any = import_module("skops.io")
    except ImportError as error:
        raise ImportError(
            "keeping the estimator native needs skops: pip install skops where it was trained"
        ) from error
    skops.dump(model, out / NATIVE)
    return sorted(skops.get_untrusted_types(file=out / NATIVE))


def _native_signature(
    plan: samples.Plan, outputs: list[dict[str, Any]], answers: dict[str, Any]
) -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    for output in outputs:
        array = answers[output["name"]]
        kind = {"f": "FP64", "i": "INT64", "u": "INT64", "b": "BOOL"}.get(array.dtype.kind, "BYTES")
        found.append({"datatype": kind, "shape": [-1, *array.shape[1:]], **output})
    inputs = [
        spec | {"datatype": "FP64"} if spec["datatype"] == "FP32" else spec for spec in plan.inputs
    ]
    return {"format": 1, "inputs": inputs, "outputs": found}


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in _VERSIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}"
