"""Functions of numpy inside scikit-learn pipelines, on columns and on targets, for skl2onnx.

Standalone: the standard library, numpy, and skl2onnx when asked.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from .nodes import Step

TARGET = "FairleadTransformedTarget"
_ONE = ([1.0],)
_FUNCTIONS: dict[Any, list[tuple[str, tuple[list[float], ...]]]] = {
    np.log1p: [("Add", _ONE), ("Log", ())],
    np.expm1: [("Exp", ()), ("Sub", _ONE)],
    np.log: [("Log", ())],
    np.log2: [("Log", ()), ("Div", ([float(np.log(2))],))],
    np.log10: [("Log", ()), ("Div", ([float(np.log(10))],))],
    np.exp: [("Exp", ())],
    np.sqrt: [("Sqrt", ())],
    np.square: [("Pow", ([2.0],))],
    np.abs: [("Abs", ())],
    np.negative: [("Neg", ())],
    np.reciprocal: [("Reciprocal", ())],
    np.sin: [("Sin", ())],
    np.cos: [("Cos", ())],
    np.tanh: [("Tanh", ())],
}
"""Operators, with their constants, that do what a function of numpy does."""


def transformer(scope: Any, operator: Any, container: Any) -> None:
    """FunctionTransformer."""
    step = Step(scope, operator, container)
    if step.model.kw_args:
        raise NotImplementedError("the function of its FunctionTransformer takes arguments")
    names = [entry.full_name for entry in step.inputs]
    whole = step.add("Concat", names, axis=1) if len(names) > 1 else names[0]
    _apply(step, step.model.func, whole, step.outputs[0])


def shape(operator: Any) -> None:
    """As many columns as went in."""
    first = operator.inputs[0]
    widths = [entry.type.shape[1] for entry in operator.inputs]
    width = None if None in widths else sum(widths)
    operator.outputs[0].type = type(first.type)([first.get_first_dimension(), width])


def _apply(step: Step, function: Any, source: str, output: str) -> None:
    if function is not None and function not in _FUNCTIONS:
        name = getattr(function, "__name__", str(function))
        raise NotImplementedError(f"the function {name} has no counterpart in a graph")
    for operation, constants in _FUNCTIONS[function] if function is not None else ():
        source = step.add(operation, [source, *(step.numbers(c) for c in constants)])
    step.add("Identity", [source], output)


def register_target() -> None:
    """Teaches skl2onnx TransformedTargetRegressor."""
    skl2onnx: Any = import_module("skl2onnx")
    parse: Any = import_module("skl2onnx._parse")
    compose: Any = import_module("sklearn.compose")

    def parser(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
        inner = parse._parse_sklearn(scope, model.regressor_, inputs, custom_parsers)
        operator = scope.declare_local_operator(TARGET, model)
        operator.inputs = inner
        operator.outputs.append(scope.declare_local_variable("target", inner[0].type))
        return operator.outputs

    skl2onnx.update_registered_converter(
        compose.TransformedTargetRegressor, TARGET, shape, target, overwrite=True, parser=parser
    )


def target(scope: Any, operator: Any, container: Any) -> None:
    """TransformedTargetRegressor: what its regressor gives, transformed back."""
    step = Step(scope, operator, container)
    back: Callable[[Step, str, str], None] | None = {
        "FunctionTransformer": _function_back,
        "StandardScaler": _standard_back,
        "MinMaxScaler": _range_back,
    }.get(type(step.model.transformer_).__name__)
    if back is None:
        name = type(step.model.transformer_).__name__
        raise NotImplementedError(f"how {name} is undone is not known")
    back(step, step.source(narrow=False), step.outputs[0])


def _function_back(step: Step, source: str, output: str) -> None:
    _apply(step, step.model.transformer_.inverse_func, source, output)


def _standard_back(step: Step, source: str, output: str) -> None:
    known = step.model.transformer_
    if known.scale_ is not None:
        source = step.add("Mul", [source, step.numbers(known.scale_)])
    mean = known.mean_ if known.with_mean else np.zeros(1)
    step.add("Add", [source, step.numbers(mean)], output)


def _range_back(step: Step, source: str, output: str) -> None:
    known = step.model.transformer_
    if known.clip:
        raise NotImplementedError("its target is clipped")
    moved = step.add("Sub", [source, step.numbers(known.min_)])
    step.add("Div", [moved, step.numbers(known.scale_)], output)
