"""What every converter does with a fresh ONNX graph: mend, name, read its signature.

Standalone: the standard library, numpy and the `onnx` package only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

GRAPH = "model.onnx"
_NAMES = {
    1: "FP32", 2: "UINT8", 3: "INT8", 4: "UINT16", 5: "INT16", 6: "INT32", 7: "INT64",
    8: "BYTES", 9: "BOOL", 10: "FP16", 11: "FP64", 12: "UINT32", 13: "UINT64",
}  # fmt: skip
"""ONNX element types as wire names."""


@contextmanager
def tolerant_attributes() -> Iterator[None]:
    """Lets converters write booleans where an attribute is an integer.

    skl2onnx 1.20 does so for histogram gradient boosting; onnx 1.23 refuses it.
    """
    import onnx.helper as helper

    original: Any = helper.make_attribute

    def make_attribute(key: str, value: Any, *args: Any, **named: Any) -> Any:
        if isinstance(value, bool | np.bool_):
            value = int(value)
        elif isinstance(value, np.ndarray) and value.dtype == bool:
            value = value.astype(np.int64)
        elif isinstance(value, list | tuple) and any(isinstance(v, bool | np.bool_) for v in value):
            value = [int(v) for v in value]
        return original(key, value, *args, **named)

    helper.make_attribute = make_attribute
    try:
        yield
    finally:
        helper.make_attribute = original


def finish(model: Any, outputs: Mapping[str, str]) -> bytes:
    """The graph's bytes with its outputs renamed, the same for the same model every time.

    outputs: new names by old; an output that is not named keeps its name.
    """
    graph = model.graph
    rename = {old: new for old, new in outputs.items() if old != new}
    for node in graph.node:
        for i, name in enumerate(node.output):
            node.output[i] = rename.get(name, name)
        for i, name in enumerate(node.input):
            node.input[i] = rename.get(name, name)
        if node.op_type == "StringNormalizer":
            _neutral_locale(node)
    for value in graph.output:
        value.name = rename.get(value.name, value.name)
    graph.name = "fairlead"
    model.producer_name, model.producer_version = "fairlead", ""
    model.doc_string = graph.doc_string = ""
    return model.SerializeToString(deterministic=True)


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
    """Removes a ZipMap at the end of the graph, so that probabilities are a plain tensor.

    Returns whether there was one.
    """
    import onnx

    graph = model.graph
    nodes = [n for n in graph.node if n.op_type == "ZipMap"]
    for node in nodes:
        (index,) = [i for i, o in enumerate(graph.output) if o.name == node.output[0]]
        labels = next((a for a in node.attribute if a.name.startswith("classlabels")), None)
        width = len(labels.strings or labels.ints) if labels is not None else None
        plain = onnx.helper.make_tensor_value_info(
            node.input[0], onnx.TensorProto.FLOAT, [None, width]
        )
        graph.output[index].CopyFrom(plain)
        graph.node.remove(node)
    return bool(nodes)
