"""ONNX nodes added one by one, into a graph of our own or into the one that skl2onnx builds.

Standalone: the standard library, numpy and the `onnx` package only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import trees

FLOAT, INT64, STRING, BOOL, DOUBLE = 1, 7, 8, 9, 11
"""ONNX element types."""

OPSET = {"": 18, "ai.onnx.ml": 3}
_ML_VERSIONS = {trees.OPERATOR: 3, "LabelEncoder": 2}


class Nodes:
    """What the converters ask for; every method returns the name of an output.

    double: numbers are float64.
    """

    double = False

    def fresh(self, hint: str) -> str:
        """A name that nothing in the graph has."""
        raise NotImplementedError

    def place(self, op_type: str, inputs: list[str], output: str, attributes: Any) -> None:
        """Adds a node; the operators of _ML_VERSIONS are of ai.onnx.ml, all others of ONNX."""
        raise NotImplementedError

    def hold(self, name: str, kind: int, shape: list[int], values: list[Any]) -> None:
        """Adds a constant."""
        raise NotImplementedError

    @property
    def number(self) -> int:
        """The element type of numbers."""
        return DOUBLE if self.double else FLOAT

    def add(self, op_type: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        """A node with one output."""
        output = output or self.fresh(op_type.lower())
        self.place(op_type, list(inputs), output, attributes)
        return output

    def constant(self, values: Any, kind: int) -> str:
        """A constant of any element type, in the shape of `values`."""
        array: Any = np.asarray(values, dtype=object if kind == STRING else None)
        flat: list[Any] = array.reshape(-1).tolist()
        if kind == STRING:
            flat = [text.encode() for text in flat]
        name = self.fresh("constant")
        self.hold(name, kind, list(array.shape), flat)
        return name

    def numbers(self, values: Any) -> str:
        """A constant of the graph's own number type."""
        return self.constant(np.asarray(values, dtype=np.float64), self.number)

    def sums(self, source: str, forest: trees.Forest, *, double: bool) -> str:
        """The summed leaf weights of the rows, as the graph's own numbers."""
        total = self.add(trees.OPERATOR, [source], **forest.attributes(double))
        return self.add("Cast", [total], to=DOUBLE) if self.double else total

    def looked_up(self, source: str, keys: Sequence[Any], values: Any, default: float) -> str:
        """Text or numbers (then float32) replaced by the float32 number that belongs to each."""
        text = bool(keys) and isinstance(keys[0], str)
        told: dict[str, Any] = {
            "keys_strings" if text else "keys_floats": list(keys),
            "values_floats": np.asarray(values, dtype=np.float32).tolist(),
            "default_float": float(default),
        }
        output = self.fresh("found")
        self.place("LabelEncoder", [source], output, told)
        return output

    def pick(self, positions: str, classes: Any, output: str = "") -> str:
        """The classes at positions: text, whole numbers, or float64 where they are not whole."""
        array: Any = np.asarray(classes)
        if array.dtype.kind == "f" and (array != np.trunc(array)).any():
            known = self.constant(array.astype(np.float64), DOUBLE)
        elif array.dtype.kind in "fiub":
            known = self.constant(array.astype(np.int64), INT64)
        else:
            known = self.constant([str(c) for c in array.tolist()], STRING)
        return self.add("Gather", [known, positions], output, axis=0)

    def best(self, scores: str) -> str:
        """The position of the highest score of each row, the first when several are highest."""
        return self.add("ArgMax", [scores], axis=1, keepdims=0)

    def positive(self, raw: str, *, zero: bool) -> str:
        """Position 1 where the one raw score of a row is above zero (or is zero), else 0."""
        operator = "GreaterOrEqual" if zero else "Greater"
        above = self.add(operator, [raw, self.numbers([0.0])])
        flat = self.add("Squeeze", [above, self.constant([1], INT64)])
        return self.add("Cast", [flat], to=INT64)

    def both(self, raw: str, output: str = "") -> str:
        """The raw score of a row as the scores of two classes."""
        return self.add("Concat", [self.add("Neg", [raw]), raw], output, axis=1)


class Graph(Nodes):
    """A graph of our own."""

    def __init__(self, double: bool) -> None:
        self.double = double
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._names: set[str] = set()

    def fresh(self, hint: str) -> str:
        number = 0
        while (name := f"{hint}_{number}") in self._names:
            number += 1
        self._names.add(name)
        return name

    def place(self, op_type: str, inputs: list[str], output: str, attributes: Any) -> None:
        import onnx.helper as helper

        domain = trees.DOMAIN if op_type in _ML_VERSIONS else ""
        made: Any = helper.make_node(op_type, inputs, [output], domain=domain, **attributes)
        self._nodes.append(made)

    def hold(self, name: str, kind: int, shape: list[int], values: list[Any]) -> None:
        import onnx.helper as helper

        made: Any = helper.make_tensor(name, kind, shape, values)
        self._constants.append(made)

    def model(self, inputs: Sequence[tuple[str, int, Any]], outputs: Sequence[Any]) -> Any:
        """The whole model; inputs and outputs: (name, element type, shape with None for open)."""
        import onnx.helper as helper

        first: Any = [helper.make_tensor_value_info(*entry) for entry in inputs]
        last: Any = [helper.make_tensor_value_info(*entry) for entry in outputs]
        graph = helper.make_graph(self._nodes, "fairlead", first, last, self._constants)
        opsets = [helper.make_opsetid(domain, number) for domain, number in OPSET.items()]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


class Step(Nodes):
    """One operator of the graph that skl2onnx builds."""

    def __init__(self, scope: Any, operator: Any, container: Any) -> None:
        self._scope, self._container = scope, container
        self.model: Any = operator.raw_operator
        self.inputs: list[Any] = list(operator.inputs)
        self.outputs: list[str] = [output.full_name for output in operator.outputs]
        self.double = any(is_double(entry) for entry in self.inputs)

    def fresh(self, hint: str) -> str:
        return self._scope.get_unique_variable_name(hint)

    def place(self, op_type: str, inputs: list[str], output: str, attributes: Any) -> None:
        version = _ML_VERSIONS.get(op_type)
        domain = {"op_domain": trees.DOMAIN, "op_version": version} if version else {}
        name = self._scope.get_unique_operator_name(op_type)
        self._container.add_node(op_type, inputs, [output], name=name, **domain, **attributes)

    def hold(self, name: str, kind: int, shape: list[int], values: list[Any]) -> None:
        self._container.add_initializer(name, kind, shape, values)

    def asked(self, option: str) -> bool:
        """Whether the user of this operator wants a variant of its outputs."""
        return bool(self._scope.get_options(self.model, {option: False}, fail=False)[option])

    def classes(self) -> Any:
        """The classes that its label is one of; their positions when those are asked for."""
        known = self.model.classes_
        return np.arange(len(known)) if self.asked("nocl") else known

    def source(self, *, narrow: bool) -> str:
        """Its input as numbers; `narrow` casts to float32, as some estimators do themselves."""
        entry = self.inputs[0]
        if is_float(entry) or (is_double(entry) and not narrow):
            return entry.full_name
        return self.add("Cast", [entry.full_name], to=FLOAT)


def is_text(variable: Any) -> bool:
    """Whether a variable of skl2onnx holds text."""
    return type(variable.type).__name__ == "StringTensorType"


def is_double(variable: Any) -> bool:
    """Whether a variable of skl2onnx holds float64."""
    return type(variable.type).__name__ == "DoubleTensorType"


def is_float(variable: Any) -> bool:
    """Whether a variable of skl2onnx holds float32."""
    return type(variable.type).__name__ == "FloatTensorType"
