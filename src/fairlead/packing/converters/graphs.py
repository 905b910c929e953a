"""What every converter does with a fresh ONNX graph: mend, name, read its signature.

Standalone: the standard library, numpy and the `onnx` package only.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

GRAPH = "model.onnx"
_NAMES = {
    1: "FP32", 2: "UINT8", 3: "INT8", 4: "UINT16", 5: "INT16", 6: "INT32", 7: "INT64",
    8: "BYTES", 9: "BOOL", 10: "FP16", 11: "FP64", 12: "UINT32", 13: "UINT64",
}  # fmt: skip
"""ONNX element types as wire names."""
_TYPES = {name: number for number, name in _NAMES.items()}
_FLAT = ("LinearClassifier", "SVMClassifier", "TreeEnsembleClassifier", "Gather")
"""Operators whose label is one entry per row for certain; others say so and give a column."""


@contextmanager
def tolerant_attributes() -> Generator[None]:
    """Lets converters write booleans where an attribute is an integer.

    skl2onnx 1.20 does so for some estimators; onnx 1.23 refuses it.
    """
    import onnx.helper as helper

    original: Any = helper.make_attribute

    def make_attribute(key: str, value: Any, *args: Any, **named: Any) -> Any:
        return original(key, _whole(value), *args, **named)

    helper.make_attribute = make_attribute
    try:
        yield
    finally:
        helper.make_attribute = original


def _whole(value: Any) -> Any:
    """Booleans as integers, everything else as it is."""
    kind: Any = getattr(value, "dtype", None)
    if kind is not None:
        return value.astype(np.int64).tolist() if kind == np.bool_ else value
    if isinstance(value, bool):
        return int(value)
    if value.__class__ in (list, tuple) and any(_is_truth(v) for v in value):
        return [_whole(v) for v in value]
    return value


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool) or getattr(value, "dtype", None) == np.bool_


def finish(model: Any, outputs: Mapping[str, str]) -> bytes:
    """The graph's bytes with its outputs renamed, the same for the same model every time.

    outputs: new names by old; an output that is not named keeps its name.
    """
    graph = model.graph
    changed = {old: new for old, new in outputs.items() if old != new}
    _rename(graph, changed)
    for node in graph.node:
        if node.op_type == "StringNormalizer":
            _neutral_locale(node)
    graph.name = "fairlead"
    model.producer_name, model.producer_version = "fairlead", ""
    model.doc_string = graph.doc_string = ""
    return model.SerializeToString(deterministic=True)


def _rename(graph: Any, names: Mapping[str, str]) -> None:
    """Gives values new names; one inside that has a new name already makes room."""
    taken = {name for node in graph.node for name in (*node.input, *node.output)}
    every = dict(names)
    for new in names.values():
        if new in taken and new not in every:
            every[new] = _unused(f"{new}_inside", taken)
    for node in graph.node:
        for i, name in enumerate(node.output):
            node.output[i] = every.get(name, name)
        for i, name in enumerate(node.input):
            node.input[i] = every.get(name, name)
    for value in (*graph.output, *graph.input, *graph.initializer):
        value.name = every.get(value.name, value.name)


def _unused(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _neutral_locale(node: Any) -> None:
    """Lower-casing by a locale that every machine has, instead of en_US that few servers have."""
    import onnx.helper as helper

    kept = [a for a in node.attribute if a.name != "locale"]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute("locale", "C.UTF-8")])


def specs(values: Sequence[Any]) -> list[dict[str, Any]]:
    """Graph inputs or outputs as signature entries; an unknown dimension is -1."""
    found: list[dict[str, Any]] = []
    for value in values:
        tensor = value.type.tensor_type
        shape = [d.dim_value if d.HasField("dim_value") else -1 for d in tensor.shape.dim]
        found.append({"name": value.name, "datatype": _NAMES[tensor.elem_type], "shape": shape})
    return found


def drop_zipmap(model: Any) -> bool:
    """Removes every ZipMap at the end of the graph, so that probabilities are plain tensors.

    Returns whether there was one.
    """
    import onnx.helper as helper

    graph = model.graph
    nodes = [n for n in graph.node if n.op_type == "ZipMap"]
    for node in nodes:
        (index,) = [i for i, o in enumerate(graph.output) if o.name == node.output[0]]
        labels = next((a for a in node.attribute if a.name.startswith("classlabels")), None)
        width = len(labels.strings or labels.ints) if labels is not None else None
        kind = _TYPES["FP32"]
        plain = helper.make_tensor_value_info(node.input[0], kind, [None, width])
        graph.output[index].CopyFrom(plain)
        graph.node.remove(node)
    return bool(nodes)


def _maker(name: str, makers: Mapping[str, Any]) -> str:
    """The operator that makes a value, "" for an input; what only passes it on is passed over."""
    while name in makers and makers[name].op_type in ("Identity", "Cast"):
        name = makers[name].input[0]
    return makers[name].op_type if name in makers else ""


class Mender:
    """Changes the inputs and outputs of a graph to those of a signature."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.graph: Any = model.graph
        named = (*self.graph.input, *self.graph.output, *self.graph.initializer)
        self._taken = {value.name for value in named}
        for node in self.graph.node:
            self._taken |= {*node.input, *node.output}
        self._first: list[Any] = []

    def cast_inputs(self, entries: Sequence[Mapping[str, Any]], double: bool) -> None:
        """Takes BOOL and INT64 columns as they are, where the graph has numbers of its own."""
        wanted = {e["name"]: e["datatype"] for e in entries if e["datatype"] in ("BOOL", "INT64")}
        inside = {name: self._fresh(f"{name}_number") for name in wanted}
        _rename(self.graph, inside)
        for value in self.graph.input:
            for name, number in inside.items():
                if value.name == number:
                    value.name = name
                    value.type.tensor_type.elem_type = _TYPES[wanted[name]]
                    self._before("Cast", [name], number, to=_TYPES["FP64" if double else "FP32"])
        self._settle()

    def join_columns(self, entries: Sequence[Mapping[str, Any]], double: bool) -> None:
        """Takes one input per column, where the graph has one for all of them."""
        (whole,) = [value.name for value in self.graph.input]
        inside = self._fresh(f"{whole}_joined")
        _rename(self.graph, {whole: inside})
        del self.graph.input[:]
        number = _TYPES["FP64" if double else "FP32"]
        parts: list[str] = []
        for entry in entries:
            name, kind = str(entry["name"]), _TYPES[entry["datatype"]]
            cast = entry["datatype"] in ("BOOL", "INT64")
            self.graph.input.append(self._value(name, kind if cast else number, [None, 1]))
            parts.append(self._fresh(f"{name}_number") if cast else name)
            if cast:
                self._before("Cast", [name], parts[-1], to=number)
        self._before("Concat", parts, inside, axis=1)
        self._settle()

    def split_columns(self, entry: Mapping[str, Any], names: Sequence[str], double: bool) -> None:
        """Takes one input for all columns, where the graph has one per column."""
        inside = {name: self._fresh(f"{name}_column") for name in names}
        _rename(self.graph, inside)
        del self.graph.input[:]
        number = _TYPES["FP64" if double else "FP32"]
        self.graph.input.append(self._value(str(entry["name"]), number, [None, len(names)]))
        widths = self._constant(np.ones(len(names), dtype=np.int64))
        outputs = [inside[name] for name in names]
        self._before("Split", [str(entry["name"]), widths], *outputs, axis=1)
        self._settle()

    def widen(self, op_type: str) -> None:
        """Makes float64 of what such nodes give."""
        import onnx.helper as helper

        nodes: list[Any] = []
        for node in self.graph.node:
            nodes.append(node)
            if node.op_type == op_type:
                wide, node.output[0] = node.output[0], self._fresh(f"{node.output[0]}_narrow")
                cast = helper.make_node("Cast", [node.output[0]], [wide], to=_TYPES["FP64"])
                nodes.append(cast)
        del self.graph.node[:]
        self.graph.node.extend(nodes)

    def outputs(self, wanted: Sequence[tuple[str, Mapping[str, Any]]]) -> bytes:
        """Keeps these outputs, (name in the graph, signature entry), and gives the bytes.

        An entry of rank 1 is one number or label per row; `position` picks a column of scores,
        `swapped` moves the first axis behind the second.
        """
        import onnx.helper as helper

        makers = {name: node for node in self.graph.node for name in node.output}
        types = {output.name: output.type for output in self.graph.output}
        kept: list[Any] = []
        names: dict[str, str] = {}
        for name, entry in wanted:
            kind = _TYPES[entry["datatype"]]
            end = self._ends(name, entry, _maker(name, makers), types[name])
            if end in names:  # asked for twice, and a value has one name
                end = self._after("Identity", [end])
            names[end] = str(entry["name"])
            shape = [None, *[d if d > 0 else None for d in entry["shape"][1:]]]
            kept.append(helper.make_tensor_value_info(end, kind, shape))
        del self.graph.output[:]
        self.graph.output.extend(kept)
        return finish(self.model, names)

    def _ends(self, name: str, entry: Mapping[str, Any], maker: str, given: Any) -> str:
        """The value of the graph that is the output, after what must be done to it."""
        rank = len(entry["shape"])
        kind = given.tensor_type.elem_type
        if given.HasField("sequence_type"):
            kind = given.sequence_type.elem_type.tensor_type.elem_type
            name = self._after("ConcatFromSequence", [name], axis=1, new_axis=1)
        elif "position" in entry:
            place = self._constant(np.array(entry["position"], dtype=np.int64))
            name = self._after("Gather", [name, place], axis=1)
        elif entry.get("swapped"):
            name = self._after("Transpose", [name], perm=[1, 0, *range(2, rank)])
        elif rank == 1 and maker not in _FLAT:
            name = self._after("Reshape", [name, self._constant(np.array([-1], dtype=np.int64))])
        wanted = _TYPES[entry["datatype"]]
        return name if kind == wanted else self._after("Cast", [name], to=wanted)

    def _fresh(self, name: str) -> str:
        return _unused(name, self._taken)

    def _value(self, name: str, kind: int, shape: list[int | None]) -> Any:
        import onnx.helper as helper

        return helper.make_tensor_value_info(name, kind, shape)

    def _constant(self, values: Any) -> str:
        import onnx.numpy_helper as helper

        name = self._fresh("constant")
        self.graph.initializer.append(helper.from_array(values, name))
        return name

    def _before(self, op_type: str, inputs: list[str], *outputs: str, **attributes: Any) -> None:
        import onnx.helper as helper

        self._first.append(helper.make_node(op_type, inputs, list(outputs), **attributes))

    def _after(self, op_type: str, inputs: list[str], **attributes: Any) -> str:
        import onnx.helper as helper

        output = self._fresh(f"{inputs[0]}_{op_type.lower()}")
        self.graph.node.append(helper.make_node(op_type, inputs, [output], **attributes))
        return output

    def _settle(self) -> None:
        """Puts what must come first in front of all other nodes."""
        nodes = [*self._first, *self.graph.node]
        self._first = []
        del self.graph.node[:]
        self.graph.node.extend(nodes)
