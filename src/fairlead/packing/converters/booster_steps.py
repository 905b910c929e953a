"""Boosters as steps of scikit-learn pipelines: what their skl2onnx converters share.

Standalone: the standard library, numpy and skl2onnx.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from . import scored
from .nodes import DOUBLE, Step
from .scored import SEVERAL, Columns, Scored

SPARSE = "_fairlead_sparse"
"""Set on an estimator whose pipeline hands it sparse rows, in which zeros are left out."""

Read = Callable[[Any], tuple[Columns, Scored]]
"""The columns of an estimator and how it makes its answers; raises when a graph cannot."""


def register(classifiers: list[Any], regressors: list[Any], read: Read, *, narrow: bool) -> None:
    """Teaches skl2onnx the estimators of one library.

    narrow: the library rounds its inputs to float32.
    """
    skl2onnx: Any = import_module("skl2onnx")
    shapes: Any = import_module("skl2onnx.common.shape_calculator")
    types: Any = import_module("skl2onnx.common.data_types")

    def classifier(scope: Any, operator: Any, container: Any) -> None:
        classify(Step(scope, operator, container), read, narrow=narrow)

    def regressor(scope: Any, operator: Any, container: Any) -> None:
        step = Step(scope, operator, container)
        made, raw = _scored(step, read, narrow=narrow)
        scored.linked(step, made, raw, step.outputs[0])

    both = [True, False]
    options = {"zipmap": both, "nocl": both}
    for kind in classifiers:
        shape = shapes.calculate_linear_classifier_output_shapes
        skl2onnx.update_registered_converter(
            kind,
            f"Fairlead{kind.__name__}",
            shape,
            classifier,
            overwrite=True,
            # Who calibrates or stacks asks for raw scores where an estimator decides by them.
            options=options | ({"raw_scores": both} if _decides(kind) else {}),
            parser=_parser(f"Fairlead{kind.__name__}", types),
        )
    for kind in regressors:
        shape = shapes.calculate_linear_regressor_output_shapes
        skl2onnx.update_registered_converter(
            kind, f"Fairlead{kind.__name__}", shape, regressor, overwrite=True
        )


def _parser(alias: str, types: Any) -> Any:
    """Declares a classifier's two outputs: not every library says by its class that it has them."""

    def parse(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
        operator = scope.declare_local_operator(alias, model)
        operator.inputs = inputs
        number = types.guess_tensor_type(inputs[0].type)
        operator.outputs.append(scope.declare_local_variable("label", types.Int64TensorType()))
        operator.outputs.append(scope.declare_local_variable("scores", number))
        return operator.outputs

    return parse


def classify(step: Step, read: Read, *, narrow: bool) -> None:
    """Label and scores of a classifier."""
    made, raw = _scored(step, read, narrow=narrow)
    if made.answers == SEVERAL:
        raise NotImplementedError("it has several targets")
    label, scores = step.outputs[:2]
    binary = len(step.model.classes_) == 2
    found = step.positive(raw, zero=False) if binary else step.best(raw)
    step.pick(found, step.classes(), label)
    every = step.both(raw) if binary else raw
    if _decides(type(step.model)) and step.asked("raw_scores"):
        step.add("Identity", [every], scores)
    else:
        scored.linked(step, made, every, scores)


def _decides(kind: Any) -> bool:
    return hasattr(kind, "decision_function")


def _scored(step: Step, read: Read, *, narrow: bool) -> tuple[Scored, str]:
    """How the estimator answers, and its raw scores."""
    columns, made = read(step.model)
    if columns.categories or columns.own:
        raise NotImplementedError("it counts categories itself")
    if narrow and getattr(step.model, SPARSE, False):
        columns.zero = np.arange(len(columns.names)).tolist()
    wide = step.double
    step.double = wide and not narrow
    raw = scored.scores(step, columns, made, step.source(narrow=narrow))
    step.double = wide
    return made, step.add("Cast", [raw], to=DOUBLE) if wide and narrow else raw
