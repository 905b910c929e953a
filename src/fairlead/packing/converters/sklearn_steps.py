"""Imputers and encoders for skl2onnx, and the one place where it is taught what it lacks.

Missing text travels as "" (a table file and JSON know no other), so "" is what these take for
missing. A category that was never seen is what its encoder was told to make of it; one told to
refuse makes NaN, which no answer may hold.

Standalone: the standard library, numpy and scikit-learn; skl2onnx is imported when asked.
"""

from __future__ import annotations

import copy
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np

from . import columns, sklearn_functions, sklearn_trees
from .nodes import BOOL, DOUBLE, FLOAT, INT64, STRING, Step, is_double, is_text

_MODULES = ("xgboost_steps", "lightgbm_steps", "catboost_steps")


@contextmanager
def taught(double: bool) -> Generator[None]:
    """skl2onnx with our converters in place of its own, until the end of the block.

    double: the inputs are float64, so the encoders' numbers are too.
    """
    registry: Any = import_module("skl2onnx.common._registration")
    operators: Any = import_module("skl2onnx._supported_operators")
    parse: Any = import_module("skl2onnx._parse")
    types: Any = import_module("skl2onnx.common.data_types")
    tables = [
        registry._converter_pool,
        registry._shape_calculator_pool,
        operators.sklearn_operator_name_map,
        parse.sklearn_parsers_map,
    ]
    before = [dict(table) for table in tables]
    guess = parse.guess_tensor_type

    def guess_double(kind: Any) -> Any:
        text = isinstance(kind, types.StringTensorType)
        return types.DoubleTensorType() if text else guess(kind)

    try:
        _teach(registry, double)
        if double:
            parse.guess_tensor_type = guess_double
            _teach_double(registry, types)
        yield
    finally:
        parse.guess_tensor_type = guess
        for table, entries in zip(tables, before, strict=True):
            table.clear()
            table.update(entries)


def _teach(registry: Any, double: bool) -> None:
    def weighted(scope: Any, operator: Any, container: Any) -> None:
        weigh(Step(scope, operator, container), double)

    ours = sklearn_trees.converters() | {
        "SklearnSimpleImputer": imputer,
        "SklearnOneHotEncoder": one_hot,
        "SklearnOrdinalEncoder": ordinal,
        "SklearnTfidfTransformer": weighted,
        "SklearnFunctionTransformer": sklearn_functions.transformer,
    }
    for name, converter in ours.items():
        options = registry.get_converter(name).get_allowed_options()
        registry.register_converter(name, converter, overwrite=True, options=options)
    shapes = {
        "SklearnSimpleImputer": imputer_shape,
        "SklearnFunctionTransformer": sklearn_functions.shape,
    }
    for name, shape in shapes.items():
        registry.register_shape_calculator(name, shape, overwrite=True)
    sklearn_functions.register_target()
    # Its own parser asks this one for an option that it does not list.
    linear: Any = registry.get_converter("SklearnLinearSVC")
    options = {"zipmap": [True, False], **linear.get_allowed_options()}
    registry.register_converter("SklearnLinearSVC", linear._fct, overwrite=True, options=options)
    for module in _MODULES:
        try:
            import_module(f".{module}", __package__).register()
        except ImportError:
            continue


def _teach_double(registry: Any, types: Any) -> None:
    """Makes the outputs of encoders float64."""
    for name in ("SklearnOneHotEncoder", "SklearnOrdinalEncoder"):
        shape = _wide_shape(registry.get_shape_calculator(name), types)
        registry.register_shape_calculator(name, shape, overwrite=True)


def _wide_shape(original: Any, types: Any) -> Any:
    def shape(operator: Any) -> None:
        original(operator)
        output = operator.outputs[0]
        output.type = types.DoubleTensorType(output.type.shape)

    return shape


def _columns(step: Step) -> Iterator[tuple[Any, str]]:
    """Every column that the operator takes, in order: its variable and an [n, 1] output."""
    for entry in step.inputs:
        width = entry.type.shape[1]
        for place in range(width):
            if width == 1:
                yield entry, entry.full_name
            else:
                where = step.constant([place], INT64)
                yield entry, step.add("Gather", [entry.full_name, where], axis=1)


def _position(
    step: Step, variable: Any, name: str, categories: Any, values: Any, default: float
) -> str:
    """A column of categories as the numbers that belong to them."""
    missing = np.array([columns.is_missing(c) for c in categories], dtype=bool)
    known = np.asarray(categories, dtype=object)[~missing].tolist()
    numbers: list[float] = np.asarray(values, dtype=np.float64)[~missing].tolist()
    if is_text(variable):
        keys: list[Any] = [str(c) for c in known]
        if missing.any():
            keys, numbers = [*keys, ""], [*numbers, float(np.asarray(values)[missing][0])]
        # A category that is the empty text itself is overruled: it is what missing text is.
        pairs = dict(zip(keys, numbers, strict=True))
        return step.looked_up(name, list(pairs), list(pairs.values()), default)
    narrow = step.add("Cast", [name], to=FLOAT)
    found = step.looked_up(narrow, [float(c) for c in known], numbers, default)
    if not missing.any():
        return found
    value = step.constant(np.asarray(values, dtype=np.float64)[missing][:1], FLOAT)
    return step.add("Where", [step.add("IsNaN", [narrow]), value, found])


def _answered(encoder: Any) -> tuple[Any, list[int]]:
    """What the encoder makes of all categories of all columns, and how many each column has."""
    own = copy.copy(encoder)
    for name in ("feature_names_in_", "_sklearn_output_config"):
        own.__dict__.pop(name, None)
    if hasattr(own, "sparse_output"):
        own.sparse_output = True
    counts = [len(categories) for categories in own.categories_]
    table: Any = np.empty((max(counts), len(counts)), dtype=object)
    listed: list[Any] = own.categories_
    for column, categories in enumerate(listed):
        last: int = counts[column] - 1
        table[:, column] = [categories[min(r, last)] for r in range(max(counts))]
    if all(categories.dtype.kind in "iufb" for categories in own.categories_):
        table = table.astype(np.float64)
    return own.transform(table), counts


def ordinal(scope: Any, operator: Any, container: Any) -> None:
    """OrdinalEncoder."""
    step = Step(scope, operator, container)
    encoder = step.model
    answers, counts = _answered(encoder)
    default = float("nan") if encoder.unknown_value is None else float(encoder.unknown_value)
    parts = [
        _position(step, entry, name, encoder.categories_[i], answers[: counts[i], i], default)
        for i, (entry, name) in enumerate(_columns(step))
    ]
    joined = step.add("Concat", parts, axis=1) if len(parts) > 1 else parts[0]
    step.add("Cast", [joined], step.outputs[0], to=_number(operator))


def one_hot(scope: Any, operator: Any, container: Any) -> None:
    """OneHotEncoder, with dropped and infrequent categories."""
    step = Step(scope, operator, container)
    encoder = step.model
    answers, counts = _answered(encoder)
    blocks = answers.tocsc()
    parts: list[str] = []
    start = 0
    for number, (entry, name) in enumerate(_columns(step)):
        width = int(encoder._n_features_outs[number])
        rows, places = blocks[: counts[number], start : start + width].nonzero()
        start += width
        positions: Any = np.full(counts[number], -1.0)
        positions[rows] = places
        default = _unknown(encoder, number, width)
        found = _position(step, entry, name, encoder.categories_[number], positions, default)
        if not width:
            continue
        part = step.add(
            "Cast",
            [step.add("Equal", [found, step.constant(np.arange(width, dtype=np.float32), FLOAT)])],
            to=FLOAT,
        )
        if np.isnan(default):
            spoilt = step.add("Mul", [found, step.constant(np.zeros(1), FLOAT)])
            part = step.add("Add", [part, spoilt])
        parts.append(part)
    joined = step.add("Concat", parts, axis=1) if len(parts) > 1 else parts[0]
    step.add("Cast", [joined], step.outputs[0], to=_number(operator))


def _unknown(encoder: Any, column: int, width: int) -> float:
    """Where a category that was never seen goes: nowhere, the infrequent ones, or NaN."""
    if encoder.handle_unknown == "error":
        return float("nan")
    infrequent = getattr(encoder, "infrequent_categories_", None)
    if encoder.handle_unknown == "ignore" or infrequent is None or infrequent[column] is None:
        return -1.0
    return width - 1.0


def _number(operator: Any) -> int:
    names = {"DoubleTensorType": DOUBLE, "FloatTensorType": FLOAT, "Int64TensorType": INT64}
    return names[type(operator.outputs[0].type).__name__]


def imputer(scope: Any, operator: Any, container: Any) -> None:
    """SimpleImputer for numbers and text, with its indicator of what was missing."""
    step = Step(scope, operator, container)
    model = step.model
    names = [entry.full_name for entry in step.inputs]
    whole = step.add("Concat", names, axis=1) if len(names) > 1 else names[0]
    text = is_text(step.inputs[0])
    missing = _missing_text(step, whole) if text else _missing_number(step, whole)
    statistics: Any = np.asarray(model.statistics_, dtype=object)
    kept = _kept(model)
    values, asked = whole, missing
    if len(kept) < len(statistics):
        where = step.constant(kept, INT64)
        values = step.add("Gather", [whole, where], axis=1)
        asked = step.add("Gather", [missing, where], axis=1)
    fill = statistics[kept]
    filled = step.constant([str(v) for v in fill], STRING) if text else step.numbers(fill)
    indicator = getattr(model, "indicator_", None)
    if indicator is None:
        step.add("Where", [asked, filled, values], step.outputs[0])
        return
    if text:
        raise NotImplementedError("it marks missing text, which is no number")
    imputed = step.add("Where", [asked, filled, values])
    where = step.constant(np.asarray(indicator.features_, dtype=np.int64), INT64)
    marks = step.add("Gather", [missing, where], axis=1)
    marked = step.add("Cast", [marks], to=step.number)
    step.add("Concat", [imputed, marked], step.outputs[0], axis=1)


def imputer_shape(operator: Any) -> None:
    """The columns that SimpleImputer gives: those that have a statistic, and its marks."""
    model = operator.raw_operator
    first, output = operator.inputs[0], operator.outputs[0]
    marks = getattr(model, "indicator_", None)
    width = len(_kept(model)) + (len(marks.features_) if marks is not None else 0)
    output.type = type(first.type)([first.get_first_dimension(), width])


def _kept(model: Any) -> list[int]:
    """Columns that the imputer keeps: a column that was all missing is dropped."""
    known = [not columns.is_missing(value) for value in model.statistics_.tolist()]
    if getattr(model, "keep_empty_features", False):
        return list(range(len(known)))
    return [number for number, has in enumerate(known) if has]


def _missing_text(step: Step, name: str) -> str:
    value = step.model.missing_values
    key = value if isinstance(value, str) else ""
    found = step.looked_up(name, [key], [1.0], 0.0)
    return step.add("Cast", [found], to=BOOL)


def _missing_number(step: Step, name: str) -> str:
    if not is_double(step.inputs[0]) and type(step.inputs[0].type).__name__ != "FloatTensorType":
        raise NotImplementedError("its input is neither float32 nor float64")
    value = step.model.missing_values
    if value is None or np.isnan(value):
        return step.add("IsNaN", [name])
    return step.add("Equal", [name, step.numbers([float(value)])])


def weigh(step: Step, double: bool) -> None:
    """TfidfTransformer: counts of tokens to their weights, each row normed.

    double: the graph's numbers are float64, though skl2onnx takes what comes of text for float32.
    """
    model = step.model
    step.double = double
    found = step.inputs[0].full_name
    if model.sublinear_tf:
        there = step.add("Greater", [found, step.numbers([0.0])])
        logged = step.add("Log", [step.add("Where", [there, found, step.numbers([1.0])])])
        more = step.add("Add", [logged, step.numbers([1.0])])
        found = step.add("Where", [there, more, step.numbers([0.0])])
    if model.use_idf:
        weights: Any = np.asarray(model.idf_, dtype=np.float64)
        found = step.add("Mul", [found, step.numbers(weights)])
    if model.norm is None:
        step.add("Identity", [found], step.outputs[0])
        return
    operator = {"l2": "ReduceL2", "l1": "ReduceL1"}[model.norm]
    length = step.add(operator, [found, step.constant([1], INT64)], keepdims=1)
    empty = step.add("Equal", [length, step.numbers([0.0])])
    divisor = step.add("Where", [empty, step.numbers([1.0]), length])
    step.add("Div", [found, divisor], step.outputs[0])
