"""Small packages for tests, made in milliseconds: a tiny ONNX graph, its signature, committed.

Nothing is trained and nothing converted, so a test knows the right answer by arithmetic. Each
function writes one version into a repository and returns its Package; `all_of_them` writes every
one. With a server:

    def test_it_adds(serving, tmp_path):
        models.total(tmp_path)
        answer = serving(tmp_path).post("/predict/total", json={"a": 1, "b": 2, "c": 3})

name        inputs                             answers
identity    x [-1,4] of any datatype           y = x; the name is `identity_fp32` and so on
total       columns a, b, c (FP32)             value = a + b + c
gaps        columns a, b, c, may be missing    value = sum of what is there, absent = how many not
shout       text [-1,1] (BYTES)                loud = text + "!"
mixed       numbers [-1,2], count, colour      value = sum(numbers) * count; paint = colour
classifier  four columns (FP32)                label (text) and scores, see CLASSES
fixed       x [2,3] (FP32), no rows            y [3,2] = x transposed
grid        x [-1,2,2] (FP32), no columns      value = sum of the four
open        x [-1,-1] (FP32)                   y = x, and value = sum of the row
logs        x [-1,1] (FP64)                    value = ln(x): NaN below 0, -infinity at 0
picky       index [-1,1] (INT64)               value = 10 * index; beyond 0..2 the graph fails
wide        x [-1,1] (FP32)                    y [-1,100000] = x, repeated
steps       count [-1,1] (INT64)               value = steps taken; about 2 us each, in a Loop

Not written by `all_of_them`: `several`, as `total` with further signatures, which is TensorFlow's.

shares      columns a, b, c (FP32)             scores = the three, see CLASSES
negative    columns a, b, c (FP32)             outputs = -(a + b + c), without a role
kinds       columns a, b, c (FP32)             scores = the three, classes; both without a role
twice       x [-1,2] (FP32)                    y = 2 * x
sum         another name of the first
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from fairlead.core.datatypes import DTYPES
from fairlead.core.package import Package
from fairlead.core.signature import Signature, TensorSpec
from fairlead.packing import write
from fairlead.packing.words import FILE as WORDS
from fairlead.packing.words import first_words

CLASSES = ("red", "green", "blue")
FEATURES = ("length", "width", "height", "weight")

_ONNX = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
}


def spec(name: str, datatype: str, shape: Sequence[int], **more: Any) -> TensorSpec:
    """A TensorSpec by the datatype's wire name; `more` are its further fields."""
    return TensorSpec(name, DTYPES[datatype], tuple(shape), **more)


def graph(
    nodes: Sequence[Any], signature: Signature, constants: Mapping[str, Any] | None = None
) -> bytes:
    """An ONNX model of these nodes, whose inputs and outputs are those of the signature."""

    def value(of: TensorSpec) -> Any:
        shape = [f"{of.name}_{i}" if d == -1 else d for i, d in enumerate(of.shape)]
        return helper.make_tensor_value_info(of.name, _ONNX[of.dtype.name], shape)

    held = [numpy_helper.from_array(np.asarray(v), k) for k, v in (constants or {}).items()]
    made = helper.make_graph(
        list(nodes), "g", [*map(value, signature.inputs)], [*map(value, signature.outputs)], held
    )
    domains = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(made, opset_imports=domains, ir_version=9).SerializeToString()


def commit(
    repository: Path,
    name: str,
    signature: Signature,
    nodes: Sequence[Any],
    constants: Mapping[str, Any] | None = None,
    *,
    example: Mapping[str, Any] | None = None,
    version: int | None = None,
    words: str | None = None,
    further: Mapping[str, tuple[Signature, Sequence[Any]] | None] | None = None,
) -> Package:
    """Writes a version as `pack` would.

    example: a row that works, by column or input name; without one the server warms with zeros.
    words:   the text of model.toml; without it the one that a fresh package has.
    further: tensors and nodes of further signatures; None for another name of the first.
    """
    files: dict[str, bytes | Path] = {
        "graph/model.onnx": graph(nodes, signature, constants),
        "signature.json": write.json_bytes(signature.to_json()),
        WORDS: (first_words(name, signature) if words is None else words).encode(),
        "measured.json": write.json_bytes({}),
    }
    if example is not None:
        files["examples.json"] = write.json_bytes({"rows": [dict(example)]})
    facts: dict[str, Any] = {
        "runtime": "onnx",
        "isolated": False,
        "graph": "graph/model.onnx",
        "reason": "",
        "trained": {"format": "onnx", "framework": "test"},
        "environment": {"python": "", "versions": {}},
    }
    for title, own in (further or {}).items():
        listed = facts.setdefault("signatures", {})
        listed[title] = own and {
            "runtime": "onnx",
            "isolated": False,
            "graph": f"graph/{title}.onnx",
            "signature": own[0].to_json(),
            "about": {},
            "reason": "",
        }
        if own is not None:
            files[f"graph/{title}.onnx"] = graph(own[1], own[0], constants)
    return write.commit(repository, name, version, facts, files)


def identity(repository: Path, datatype: str = "FP32", **more: Any) -> Package:
    """y = x, for rows of four of any datatype; named `identity_` and the datatype."""
    signature = Signature((spec("x", datatype, (-1, 4)),), (spec("y", datatype, (-1, 4)),))
    name = f"identity_{datatype.lower()}"
    return commit(repository, name, signature, [node("Identity", "x", "y")], **more)


def total(repository: Path, name: str = "total", **more: Any) -> Package:
    """value = a + b + c."""
    signature = Signature(
        (spec("x", "FP32", (-1, 3), columns=("a", "b", "c")),),
        (spec("value", "FP32", (-1, 1), role="value"),),
    )
    nodes = [node("ReduceSum", "x last", "value", keepdims=1)]
    more = {"example": {"a": 1.0, "b": 2.0, "c": 3.5}} | more
    return commit(repository, name, signature, nodes, {"last": _LAST}, **more)


def gaps(repository: Path, **more: Any) -> Package:
    """The sum of what is there, and how many values are missing (NaN)."""
    signature = Signature(
        (spec("x", "FP32", (-1, 3), columns=("a", "b", "c"), missing=True),),
        (spec("value", "FP32", (-1, 1), role="value"), spec("absent", "INT64", (-1, 1))),
    )
    nodes = [
        node("IsNaN", "x", "isnan"),
        node("Where", "isnan zero x", "there"),
        node("ReduceSum", "there last", "value", keepdims=1),
        node("Cast", "isnan", "ones", to=TensorProto.INT64),
        node("ReduceSum", "ones last", "absent", keepdims=1),
    ]
    constants = {"last": _LAST, "zero": np.float32(0)}
    return commit(repository, "gaps", signature, nodes, constants, **more)


def shout(repository: Path, **more: Any) -> Package:
    """Text in, the same text with an exclamation mark out."""
    signature = Signature((spec("text", "BYTES", (-1, 1)),), (spec("loud", "BYTES", (-1, 1)),))
    nodes = [node("StringConcat", "text mark", "loud")]
    return commit(repository, "shout", signature, nodes, {"mark": np.array(["!"], object)}, **more)


def mixed(repository: Path, **more: Any) -> Package:
    """Three inputs of three datatypes, two outputs."""
    signature = Signature(
        (
            spec("numbers", "FP32", (-1, 2), columns=("left", "right")),
            spec("count", "INT64", (-1, 1)),
            spec("colour", "BYTES", (-1, 1)),
        ),
        (spec("value", "FP32", (-1, 1), role="value"), spec("paint", "BYTES", (-1, 1))),
    )
    nodes = [
        node("ReduceSum", "numbers last", "sum", keepdims=1),
        node("Cast", "count", "times", to=TensorProto.FLOAT),
        node("Mul", "sum times", "value"),
        node("Identity", "colour", "paint"),
    ]
    more = {"example": {"left": 1.5, "right": 2.0, "count": 2, "colour": "red"}} | more
    return commit(repository, "mixed", signature, nodes, {"last": _LAST}, **more)


def classifier(repository: Path, name: str = "classifier", **more: Any) -> Package:
    """softmax over the first three of four columns, and the name of the largest as label."""
    signature = Signature(
        (spec("x", "FP32", (-1, 4), columns=FEATURES),),
        (
            spec("label", "BYTES", (-1,), role="label", classes=CLASSES),
            spec("scores", "FP32", (-1, 3), role="scores", classes=CLASSES),
        ),
    )
    nodes = [
        node("MatMul", "x weights", "logits"),
        node("Softmax", "logits", "scores", axis=1),
        node("ArgMax", "logits", "best", axis=1, keepdims=0),
        node("Gather", "names best", "label"),
    ]
    constants = {
        "weights": np.eye(4, 3, dtype=np.float32),
        "names": np.array(CLASSES, dtype=object),
    }
    more = {"example": dict(zip(FEATURES, (5.0, 1.0, 2.0, 0.5), strict=True))} | more
    return commit(repository, name, signature, nodes, constants, **more)


def fixed(repository: Path, **more: Any) -> Package:
    """A model without rows: [2,3] in, transposed out."""
    signature = Signature((spec("x", "FP32", (2, 3)),), (spec("y", "FP32", (3, 2)),))
    return commit(repository, "fixed", signature, [node("Transpose", "x", "y")], **more)


def grid(repository: Path, **more: Any) -> Package:
    """Rows that are no table: [-1,2,2]."""
    signature = Signature((spec("x", "FP32", (-1, 2, 2)),), (spec("value", "FP32", (-1,)),))
    nodes = [node("ReduceSum", "x axes", "value", keepdims=0)]
    return commit(repository, "grid", signature, nodes, {"axes": np.array([1, 2])}, **more)


def open_width(repository: Path, **more: Any) -> Package:
    """Rows of any width, as `open`: the row itself and its sum."""
    signature = Signature(
        (spec("x", "FP32", (-1, -1)),), (spec("y", "FP32", (-1, -1)), spec("value", "FP32", (-1,)))
    )
    nodes = [node("Identity", "x", "y"), node("ReduceSum", "x last", "value", keepdims=0)]
    return commit(repository, "open", signature, nodes, {"last": _LAST}, **more)


def logs(repository: Path, **more: Any) -> Package:
    """The natural logarithm, which is no finite number at zero and below."""
    signature = Signature(
        (spec("x", "FP64", (-1, 1)),), (spec("value", "FP64", (-1, 1), role="value"),)
    )
    more = {"example": {"x": 1.0}} | more
    return commit(repository, "logs", signature, [node("Log", "x", "value")], **more)


def picky(repository: Path, **more: Any) -> Package:
    """Looks up 0, 10, 20 by index; any other index makes the graph fail."""
    signature = Signature(
        (spec("index", "INT64", (-1, 1)),), (spec("value", "INT64", (-1, 1), role="value"),)
    )
    nodes = [node("Gather", "table index", "value")]
    constants = {"table": np.array([0, 10, 20], dtype=np.int64)}
    return commit(repository, "picky", signature, nodes, constants, **more)


def wide(repository: Path, **more: Any) -> Package:
    """100,000 numbers out for each number in."""
    signature = Signature((spec("x", "FP32", (-1, 1)),), (spec("y", "FP32", (-1, 100_000)),))
    nodes = [node("Tile", "x times", "y")]
    constants = {"times": np.array([1, 100_000], dtype=np.int64)}
    return commit(repository, "wide", signature, nodes, constants, **more)


def steps(repository: Path, **more: Any) -> Package:
    """A Loop that takes as many steps as its largest input says: as slow as a test wants."""
    signature = Signature(
        (spec("count", "INT64", (-1, 1)),), (spec("value", "INT64", (-1, 1), role="value"),)
    )
    body = helper.make_graph(
        [node("Add", "before one_", "after"), node("Identity", "going_in", "going_out")],
        "step",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("going_in", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.INT64, []),
        ],
        [
            helper.make_tensor_value_info("going_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.INT64, []),
        ],
        [numpy_helper.from_array(np.int64(1), "one_")],
    )
    nodes = [
        node("ReduceMax", "count", "most", keepdims=0),
        node("Loop", "most go start", "taken", body=body),
        node("Shape", "count", "shape"),
        node("Expand", "taken shape", "value"),
    ]
    constants = {"go": np.array(True), "start": np.int64(0)}
    return commit(repository, "steps", signature, nodes, constants, **more)


def several(repository: Path, name: str = "several", **more: Any) -> Package:
    """The sum of three columns, and what further signatures make of them."""
    x = spec("x", "FP32", (-1, 3), columns=("a", "b", "c"))
    value = Signature((x,), (spec("value", "FP32", (-1, 1), role="value"),))
    scores = spec("scores", "FP32", (-1, 3), role="scores", classes=CLASSES)
    pair, doubled = spec("x", "FP32", (-1, 2)), spec("y", "FP32", (-1, 2))
    summed = node("ReduceSum", "x last", "sum", keepdims=0)
    negative = Signature((x,), (spec("outputs", "FP32", (-1,)),))
    further = {
        "shares": (Signature((x,), (scores,)), [node("Identity", "x", "scores")]),
        "negative": (negative, [summed, node("Neg", "sum", "outputs")]),
        "kinds": (
            Signature((x,), (spec("classes", "BYTES", (-1, 3)), spec("scores", "FP32", (-1, 3)))),
            [
                node("Identity", "x", "scores"),
                node("Shape", "x", "shape"),
                node("Expand", "kinds shape", "classes"),
            ],
        ),
        "twice": (Signature((pair,), (doubled,)), [node("Add", "x x", "y")]),
        "sum": None,
    }
    more = {"example": {"a": 1.0, "b": 2.0, "c": 3.5}, "further": further} | more
    nodes = [node("ReduceSum", "x last", "value", keepdims=1)]
    constants = {"last": _LAST, "kinds": np.array(["low", "50%", "high"], dtype=object)}
    return commit(repository, name, value, nodes, constants, **more)


def broken(repository: Path, name: str = "broken", **more: Any) -> Package:
    """A version that cannot be loaded: its graph has an operator that does not exist."""
    signature = Signature((spec("x", "FP32", (-1, 1)),), (spec("y", "FP32", (-1, 1)),))
    return commit(repository, name, signature, [node("NoSuchThing", "x", "y")], **more)


def quotient(repository: Path, *, least: int = 0, **more: Any) -> Package:
    """value = (a + least / -1) / b in whole numbers. Of LEAST / -1 an x86 processor ends the
    process, of `least` as it is loaded."""
    signature = Signature(
        (spec("x", "INT64", (-1, 2), columns=("a", "b")),),
        (spec("value", "INT64", (-1, 1), role="value"),),
    )
    nodes = [
        node("Div", "least minus", "known"),
        node("Gather", "x first", "told", axis=1),
        node("Add", "told known", "a"),
        node("Gather", "x second", "b", axis=1),
        node("Div", "a b", "value"),
    ]
    constants = {"first": [0], "second": [1], "least": [least], "minus": [-1]}
    more = {"example": {"a": 7, "b": 2}} | more
    return commit(repository, "quotient", signature, nodes, constants, **more)


LEAST = -(2**63)


def all_of_them(repository: Path) -> None:
    """Every model of the table above, and the identity of every datatype."""
    for datatype in DTYPES:
        identity(repository, datatype)
    for write_one in (
        total, gaps, shout, mixed, classifier, fixed, grid, open_width, logs, picky, wide, steps,
    ):  # fmt: skip
        write_one(repository)


_LAST = np.array([-1], dtype=np.int64)


def node(kind: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    """A node whose input and output names are given as words."""
    return helper.make_node(kind, inputs.split(), outputs.split(), **attributes)
