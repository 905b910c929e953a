"""Real images, and a small network that reads them, for tests of guards on what is no table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

SIDE = 16


def digits() -> tuple[Any, Any]:
    """Grey images (1797, 1, 16, 16) between 0 and 1 in an order by chance, and what they show."""
    found = load_digits()
    images = np.kron(found.images / 16.0, np.ones((2, 2)))[:, None].astype(np.float32)
    order = np.random.default_rng(0).permutation(len(images))
    return images[order], found.target[order]


def network(path: Path, images: Any, labels: Any, *, embedding: bool = True) -> Path:
    """Writes `image` -> `probabilities`, and `hidden`: the means of sixteen squares, bent."""
    squares = images.reshape(len(images), 4, 4, 4, 4).mean(axis=(2, 4)).reshape(len(images), 16)
    fitted = LogisticRegression(max_iter=200).fit(np.tanh(squares), labels)
    weights = [("w", fitted.coef_.T), ("b", fitted.intercept_)]
    nodes = [
        helper.make_node("AveragePool", ["image"], ["p"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Tanh", ["f"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "w", "b"], ["z"]),
        helper.make_node("Softmax", ["z"], ["probabilities"], axis=1),
    ]
    outputs = [("probabilities", len(fitted.coef_))] + [("hidden", 16)] * embedding
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [None, 1, SIDE, SIDE])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, [None, w]) for n, w in outputs],
        [numpy_helper.from_array(v.astype(np.float32), n) for n, v in weights],
    )
    _write(path, graph)
    return path


def lengths(path: Path, inputs: dict[str, tuple[int, list[int | None]]]) -> Path:
    """Writes a graph that sums each row of its inputs ({name: (element type, inner shape)})."""
    nodes: list[Any] = []
    for name in inputs:
        nodes += [
            helper.make_node("Cast", [name], [f"{name}_f"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", [f"{name}_f"], [f"{name}_r"]),
            helper.make_node("ReduceSum", [f"{name}_r", "last"], [f"{name}_s"], keepdims=1),
        ]
    nodes.append(helper.make_node("Sum", [f"{name}_s" for name in inputs], ["value"]))
    graph = helper.make_graph(
        nodes,
        "sums",
        [helper.make_tensor_value_info(n, k, [None, *s]) for n, (k, s) in inputs.items()],
        [helper.make_tensor_value_info("value", TensorProto.FLOAT, [None, 1])],
        [numpy_helper.from_array(np.array([1], np.int64), "last")],
    )
    _write(path, graph)
    return path


def _write(path: Path, graph: Any) -> None:
    opset = [helper.make_opsetid("", 18)]
    made = helper.make_model(graph, opset_imports=opset, ir_version=9)
    path.write_bytes(made.SerializeToString())
