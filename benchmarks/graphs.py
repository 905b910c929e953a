"""A convolutional network and a transformer of usual shape, with random weights.

Speed does not depend on what the weights are, so nothing has to be trained or fetched.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.places import GRAPHS

INPUT, OUTPUT = "x", "y"
LENGTH = 128
"""Tokens in a text."""

_SMALL = 64
_OPSET, _IR = 18, 9


class Builder:
    """A graph while it is being written; every method returns the name of its result."""

    def __init__(self) -> None:
        self._helper: Any = import_module("onnx.helper")
        self._arrays: Any = import_module("onnx.numpy_helper")
        self._random = np.random.default_rng(0)
        self._nodes: list[Any] = []
        self._weights: list[Any] = []

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """One operator."""
        name = f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(self._helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(self, values: NDArray[Any]) -> str:
        """Fixed values."""
        name = f"w_{len(self._weights)}"
        self._weights.append(self._arrays.from_array(values, name))
        return name

    def weight(self, first: int, *rest: int) -> str:
        """Random values that keep the size of what flows through."""
        joined = math.prod(rest) if len(rest) > 1 else first
        values = self._random.standard_normal((first, *rest)) / math.sqrt(joined)
        return self.constant(values.astype(np.float32))

    def integers(self, *values: int) -> str:
        """A shape, or axes."""
        return self.constant(np.array(values, np.int64))

    def dense(self, flow: str, wide: int, to: int) -> str:
        """A linear layer with bias."""
        return self.node("Add", self.node("MatMul", flow, self.weight(wide, to)), self.weight(to))

    def save(self, path: Path, flow: str, kind: str, given: Sequence[int], made: int) -> None:
        """Writes the graph from INPUT [rows, *given] to OUTPUT [rows, made]."""
        onnx: Any = import_module("onnx")
        self._nodes.append(self._helper.make_node("Identity", [flow], [OUTPUT]))
        element = getattr(onnx.TensorProto, kind)
        first = self._helper.make_tensor_value_info(INPUT, element, ["rows", *given])
        last = self._helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, ["rows", made])
        graph = self._helper.make_graph(self._nodes, path.stem, [first], [last], self._weights)
        opset = [self._helper.make_opsetid("", _OPSET)]
        model = self._helper.make_model(graph, opset_imports=opset, ir_version=_IR)
        onnx.checker.check_model(model)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(model.SerializeToString())


@cache
def resnet(image: int) -> Path:
    """ResNet-50 for square images in three colours, normalisation folded into convolutions.

    The first layers keep the size of a small image, as is usual.
    """
    path = GRAPHS / f"resnet50_{image}.onnx"
    build = Builder()

    def conv(flow: str, wide: int, to: int, size: int, stride: int = 1) -> str:
        weights = build.weight(to, wide, size, size), build.constant(np.zeros(to, np.float32))
        pads = [size // 2] * 4
        return build.node("Conv", flow, *weights, strides=[stride] * 2, pads=pads)

    def block(flow: str, wide: int, inner: int, stride: int) -> str:
        to = inner * 4
        around = conv(flow, wide, to, 1, stride) if wide != to or stride != 1 else flow
        flow = build.node("Relu", conv(flow, wide, inner, 1))
        flow = build.node("Relu", conv(flow, inner, inner, 3, stride))
        return build.node("Relu", build.node("Add", conv(flow, inner, to, 1), around))

    if image < _SMALL:
        flow = build.node("Relu", conv(INPUT, 3, 64, 3))
    else:
        flow = build.node("Relu", conv(INPUT, 3, 64, 7, 2))
        flow = build.node("MaxPool", flow, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    wide = 64
    for stage, (inner, count) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        for number in range(count):
            flow = block(flow, wide, inner, 2 if number == 0 and stage else 1)
            wide = inner * 4
    flow = build.node("Flatten", build.node("GlobalAveragePool", flow))
    build.save(path, build.dense(flow, wide, 1000), "FLOAT", (3, image, image), 1000)
    return path


_WORDS, _WIDE, _HEADS, _LAYERS = 30_522, 384, 12, 6


@cache
def transformer() -> Path:
    """A text encoder: 6 layers, 384 wide, 12 heads, 128 tokens, to one vector."""
    path = GRAPHS / "transformer.onnx"
    build = Builder()
    split = build.integers(0, 0, _HEADS, _WIDE // _HEADS)
    joined = build.integers(0, 0, _WIDE)
    numbers = (0.5, 1.0, 2**-0.5, (_WIDE // _HEADS) ** -0.5)
    half, one, root, scale = (build.constant(np.array(n, np.float32)) for n in numbers)

    def norm(flow: str) -> str:
        ones, zeros = np.ones(_WIDE, np.float32), np.zeros(_WIDE, np.float32)
        return build.node("LayerNormalization", flow, build.constant(ones), build.constant(zeros))

    def heads(flow: str, order: Sequence[int]) -> str:
        projected = build.node("Reshape", build.dense(flow, _WIDE, _WIDE), split)
        return build.node("Transpose", projected, perm=order)

    def attention(flow: str) -> str:
        query, value = heads(flow, (0, 2, 1, 3)), heads(flow, (0, 2, 1, 3))
        match = build.node("MatMul", query, heads(flow, (0, 2, 3, 1)))
        share = build.node("Softmax", build.node("Mul", match, scale), axis=-1)
        found = build.node("Transpose", build.node("MatMul", share, value), perm=(0, 2, 1, 3))
        return build.dense(build.node("Reshape", found, joined), _WIDE, _WIDE)

    def gelu(flow: str) -> str:
        curve = build.node("Add", build.node("Erf", build.node("Mul", flow, root)), one)
        return build.node("Mul", build.node("Mul", flow, curve), half)

    flow = build.node("Gather", build.weight(_WORDS, _WIDE), INPUT)
    flow = norm(build.node("Add", flow, build.weight(1, LENGTH, _WIDE)))
    for _ in range(_LAYERS):
        flow = norm(build.node("Add", flow, attention(flow)))
        inner = gelu(build.dense(flow, _WIDE, _WIDE * 4))
        flow = norm(build.node("Add", flow, build.dense(inner, _WIDE * 4, _WIDE)))
    flow = build.node("ReduceMean", flow, build.integers(1), keepdims=0)
    build.save(path, flow, "INT64", (LENGTH,), _WIDE)
    return path
