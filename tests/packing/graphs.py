"""ONNX files for tests: honest ones of every kind, built or converted, and a way to change them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn import compose, datasets, ensemble, linear_model, pipeline, preprocessing

X, Y = datasets.load_iris(return_X_y=True)
X = X.astype(np.float32)


def value(name: str, kind: int = TensorProto.FLOAT, shape: Any = (None, 2)) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def model(nodes: list[Any], inputs: list[Any], outputs: list[Any], **more: Any) -> onnx.ModelProto:
    """A model of these nodes; `weights`, `functions` and `domains` besides."""
    made = helper.make_graph(nodes, "g", inputs, outputs, more.get("weights", []))
    domains = {"": 20, "ai.onnx.ml": 3} | more.get("domains", {})
    opsets = [helper.make_opsetid(name, version) for name, version in domains.items()]
    return helper.make_model(
        made, opset_imports=opsets, ir_version=9, functions=more.get("functions", [])
    )


def added(weight: Any) -> onnx.ModelProto:
    """y = x + weight."""
    return model(
        [helper.make_node("Add", ["x", weight.name], ["y"])],
        [value("x")],
        [value("y")],
        weights=[weight],
    )


def weight(array: Any = None, name: str = "w") -> Any:
    return numpy_helper.from_array(np.ones(2, np.float32) if array is None else array, name)


def outside(**places: str) -> onnx.ModelProto:
    """y = x + two numbers that lie in another file."""
    made = weight()
    made.ClearField("raw_data")
    made.data_location = TensorProto.EXTERNAL
    for key, text in places.items():
        made.external_data.add(key=key, value=text)
    return added(made)


def of_branches() -> onnx.ModelProto:
    """An If whose branches hold weights of their own and take one from around them."""

    def branch(number: float) -> Any:
        return helper.make_graph(
            [
                helper.make_node("Add", ["x", f"own{number}"], ["s"]),
                helper.make_node("Mul", ["s", "w"], [f"y{number}"]),
            ],
            f"b{number}",
            [],
            [value(f"y{number}")],
            [weight(np.full(2, number, np.float32), f"own{number}")],
        )

    node = helper.make_node("If", ["c"], ["y"], then_branch=branch(1), else_branch=branch(2))
    condition = value("c", TensorProto.BOOL, [])
    return model([node], [value("x"), condition], [value("y")], weights=[weight()])


def of_functions() -> onnx.ModelProto:
    """A node of a function that the file defines, in a domain of its own."""
    double = helper.make_function(
        "my.own", "Double", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 20)],
    )  # fmt: skip
    node = helper.make_node("Double", ["x"], ["y"], domain="my.own")
    return model([node], [value("x")], [value("y")], functions=[double], domains={"my.own": 1})


def of_sparse_weights() -> onnx.ModelProto:
    values = weight(np.array([3.0], np.float32), "w")
    where = weight(np.array([1], np.int64), "w_at")
    made = added(weight())
    del made.graph.initializer[:]
    made.graph.sparse_initializer.append(helper.make_sparse_tensor(values, where, [2]))
    return made


def of_type(kind: int, array: Any = None) -> onnx.ModelProto:
    """A weight of an element type, cast and added."""
    if array is None:
        held: Any = helper.make_tensor("w", kind, [2], [1, 2])
    else:
        held = numpy_helper.from_array(array, "w")
    cast = helper.make_node("Cast", ["w"], ["c"], to=TensorProto.FLOAT)
    return model(
        [cast, helper.make_node("Add", ["x", "c"], ["y"])],
        [value("x")],
        [value("y")],
        weights=[held],
    )


def of_text() -> onnx.ModelProto:
    names = helper.make_tensor("w", TensorProto.STRING, [2], [b"a", "é".encode()])
    node = helper.make_node("StringConcat", ["x", "w"], ["y"])
    text = TensorProto.STRING
    return model([node], [value("x", text)], [value("y", text)], weights=[names])


def old_style() -> onnx.ModelProto:
    """Weights among the inputs, as files before IR version 4 list them."""
    made = added(weight())
    made.graph.input.append(value("w", TensorProto.FLOAT, [2]))
    return made


@cache
def forest() -> onnx.ModelProto:
    from skl2onnx import to_onnx

    trees = ensemble.RandomForestClassifier(10, random_state=0).fit(X, Y)
    return to_onnx(trees, X[:1], target_opset={"": 18, "ai.onnx.ml": 3}, options={"zipmap": False})


@cache
def with_maps() -> onnx.ModelProto:
    """Probabilities as a map for each row, as skl2onnx writes them by default."""
    from skl2onnx import to_onnx

    words = np.array(["setosa", "versicolor", "virginica"])[Y]
    logistic = linear_model.LogisticRegression(max_iter=500).fit(X, words)
    return to_onnx(logistic, X[:1], target_opset={"": 18, "ai.onnx.ml": 3})


@cache
def table() -> onnx.ModelProto:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    rows = np.hstack([X.astype(object), np.where(Y == 0, "Rome", "Oslo").reshape(-1, 1)])
    steps = compose.make_column_transformer(
        (preprocessing.StandardScaler(), [0, 1, 2, 3]), (preprocessing.OneHotEncoder(), [4])
    )
    ridge = pipeline.make_pipeline(steps, linear_model.LogisticRegression(max_iter=500))
    ridge.fit(rows, Y)
    first = [(f"c{n}", FloatTensorType([None, 1])) for n in range(4)]
    return convert_sklearn(
        ridge,
        initial_types=[*first, ("town", StringTensorType([None, 1]))],
        options={"zipmap": False},
        target_opset={"": 18, "ai.onnx.ml": 3},
    )


def magika() -> Path:
    """A real third-party graph, carried by a package."""
    import magika

    return next((Path(magika.__file__).parent / "models").glob("*/model.onnx"))


HONEST: dict[str, Callable[[], onnx.ModelProto]] = {
    "one weight": lambda: added(weight()),
    "branches": of_branches,
    "functions": of_functions,
    "sparse": of_sparse_weights,
    "text": of_text,
    "old style": old_style,
    "float16": lambda: of_type(0, np.ones(2, np.float16)),
    "float16 as numbers": lambda: of_type(TensorProto.FLOAT16),
    "bfloat16": lambda: of_type(TensorProto.BFLOAT16),
    "int4": lambda: of_type(TensorProto.INT4),
    "float8": lambda: of_type(TensorProto.FLOAT8E4M3FN),
    "int64 as numbers": lambda: of_type(TensorProto.INT64),
    "double as numbers": lambda: of_type(TensorProto.DOUBLE),
    "forest": forest,
    "maps": with_maps,
    "table": table,
    "magika": lambda: onnx.load_model(magika()),
}
