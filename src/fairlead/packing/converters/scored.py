"""The graph of a gradient booster: what goes into its trees, and answers from what comes out.

Standalone: the standard library, numpy and the `onnx` package only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import graphs
from .nodes import BOOL, DOUBLE, FLOAT, INT64, STRING, Graph, Nodes
from .trees import Forest

CLASSES, SEVERAL, VALUE = "classes", "labels", "value"
"""What a booster answers: one label with scores, a yes or no for each target, or numbers."""

_TYPES = {"FP32": FLOAT, "FP64": DOUBLE, "INT64": INT64, "BOOL": BOOL, "BYTES": STRING}
_TINY = 1e-35


@dataclass
class Columns:
    """The columns that a booster takes.

    names:      in order.
    categories: names of categories in the order in which the booster counts them, by column.
    counted:    positions of columns that hold categories already counted.
    missing:    a value that means "missing" beside NaN.
    zero:       positions of columns in which zero is missing too.
    own:        columns of categories (text or whole numbers) that the framework counts itself.
    """

    names: list[str]
    categories: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])
    counted: list[int] = field(default_factory=list[int])
    missing: float = float("nan")
    zero: list[int] = field(default_factory=list[int])
    own: list[str] = field(default_factory=list[str])


@dataclass
class Scored:
    """How a booster makes its answers of raw scores.

    forest:  the trees, or None when `weights` ([columns, targets]) and `start` are all there is.
    link:    "", "sigmoid", "softmax", "exp" or "softplus": what is done to raw scores.
    sharp:   what raw scores are multiplied by before a sigmoid.
    answers: CLASSES, SEVERAL or VALUE.
    classes: the labels, in order.
    """

    forest: Forest | None
    link: str
    answers: str
    classes: Any = None
    sharp: float = 1.0
    weights: Any = None
    start: list[float] = field(default_factory=list[float])


def graph(
    inputs: list[dict[str, Any]],
    columns: Columns,
    scored: Scored,
    entries: list[dict[str, Any]],
    *,
    double: bool,
) -> tuple[bytes, list[dict[str, Any]]]:
    """The graph's bytes and its outputs; `double` for float64 numbers and thresholds."""
    nodes = Graph(double)
    for entry in (*inputs, *entries):
        nodes.fresh(entry["name"])
    raw = scores(nodes, columns, scored, _joined(nodes, inputs, columns))
    names = [entry["name"] for entry in entries]
    link(nodes, scored, raw, names)
    number = "FP64" if double else "FP32"
    width = _width(scored)
    label = _label_type(scored)
    shapes = {
        CLASSES: [(label, [-1]), (number, [-1, max(width, 2)])],
        SEVERAL: [("INT64", [-1, width]), (number, [-1, width])],
        VALUE: [(number, [-1, width])],
    }[scored.answers]
    found = [
        {**entry, "datatype": kind, "shape": shape}
        for entry, (kind, shape) in zip(entries, shapes, strict=True)
    ]
    model = nodes.model(_values(inputs, double), _values(found, double))
    return graphs.finish(model, {}), found


def _values(entries: list[dict[str, Any]], double: bool) -> list[tuple[str, int, Any]]:
    wide = {"FP32": DOUBLE} if double else {}
    return [
        (
            e["name"],
            wide.get(e["datatype"], _TYPES[e["datatype"]]),
            [None, *e["shape"][1:]],
        )
        for e in entries
    ]


def _width(scored: Scored) -> int:
    return scored.forest.targets if scored.forest is not None else len(scored.start)


def _label_type(scored: Scored) -> str:
    kind = np.asarray(scored.classes).dtype.kind if scored.classes is not None else "i"
    return {"b": "BOOL", "i": "INT64", "u": "INT64", "f": "FP64"}.get(kind, "BYTES")


def _joined(nodes: Nodes, inputs: list[dict[str, Any]], columns: Columns) -> str:
    """All columns as one matrix of numbers, categories counted."""
    if len(inputs) == 1 and not columns.categories:
        return inputs[0]["name"]
    parts: list[str] = []
    for entry in inputs:
        name, known = entry["name"], columns.categories.get(entry["name"])
        if entry["datatype"] == "BOOL":
            name = nodes.add("Cast", [name], to=FLOAT if known else nodes.number)
        if known is not None:
            narrow = nodes.double and entry["datatype"] == "FP32"
            name = nodes.add("Cast", [name], to=FLOAT) if narrow else name
            keys = known if entry["datatype"] == "BYTES" else [float(v) for v in known]
            name = nodes.looked_up(name, keys, np.arange(len(keys)), np.nan)
            name = nodes.add("Cast", [name], to=DOUBLE) if nodes.double else name
        parts.append(name)
    return nodes.add("Concat", parts, axis=1)


def _seen(nodes: Nodes, columns: Columns, source: str) -> str:
    """The matrix as the booster takes it: its missing values as NaN, counts as whole numbers."""
    if not np.isnan(columns.missing):
        same = nodes.add("Equal", [source, nodes.numbers([columns.missing])])
        source = nodes.add("Where", [same, nodes.numbers([np.nan]), source])
    if columns.zero:
        mask = np.zeros((1, len(columns.names)), dtype=bool)
        mask[0, columns.zero] = True
        size = nodes.add("Abs", [source])
        small = nodes.add("LessOrEqual", [size, nodes.numbers([_TINY])])
        both = nodes.add("And", [small, nodes.constant(mask, BOOL)])
        source = nodes.add("Where", [both, nodes.numbers([np.nan]), source])
    if columns.counted:
        mask = np.zeros((1, len(columns.names)), dtype=bool)
        mask[0, columns.counted] = True
        sign, floor = nodes.add("Sign", [source]), nodes.add("Floor", [nodes.add("Abs", [source])])
        whole = nodes.add("Mul", [sign, floor])
        source = nodes.add("Where", [nodes.constant(mask, BOOL), whole, source])
    return source


def scores(nodes: Nodes, columns: Columns, scored: Scored, source: str) -> str:
    """The raw scores of a matrix of numbers."""
    source = _seen(nodes, columns, source)
    if scored.forest is not None:
        return nodes.sums(source, scored.forest, double=nodes.double)
    product = nodes.add("MatMul", [source, nodes.numbers(scored.weights)])
    return nodes.add("Add", [product, nodes.numbers(scored.start)])


def link(nodes: Nodes, scored: Scored, raw: str, names: list[str]) -> None:
    """All answers from raw scores, under the names of the outputs."""
    if scored.answers == VALUE:
        linked(nodes, scored, raw, names[0])
        return
    if scored.answers == SEVERAL:
        above = nodes.add("Greater", [raw, nodes.numbers([0.0])])
        nodes.add("Cast", [above], names[0], to=INT64)
        linked(nodes, scored, raw, names[1])
        return
    binary = _width(scored) == 1
    label = nodes.positive(raw, zero=False) if binary else nodes.best(raw)
    kind = _TYPES[_label_type(scored)]
    if kind in (INT64, STRING):
        nodes.pick(label, scored.classes, names[0])
    else:
        nodes.add("Cast", [nodes.pick(label, scored.classes)], names[0], to=kind)
    linked(nodes, scored, nodes.both(raw) if binary else raw, names[1])


def linked(nodes: Nodes, scored: Scored, raw: str, output: str) -> None:
    """The answers from raw scores, one for each of them."""
    if scored.link == "sigmoid":
        sharp = scored.sharp != 1.0
        scaled = nodes.add("Mul", [raw, nodes.numbers([scored.sharp])]) if sharp else raw
        nodes.add("Sigmoid", [scaled], output)
    elif scored.link == "softmax":
        nodes.add("Softmax", [raw], output, axis=1)
    elif scored.link == "exp":
        nodes.add("Exp", [raw], output)
    elif scored.link == "softplus":
        nodes.add("Softplus", [raw], output)
    else:
        nodes.add("Identity", [raw], output)
