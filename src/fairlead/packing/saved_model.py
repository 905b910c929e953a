"""A TensorFlow SavedModel, read from its bytes: version, signatures, operators that run code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fairlead.core.errors import UnsafeFile
from fairlead.packing.protobuf import fields, text

_MOST_BYTES = 1 << 30
_TYPES = {
    1: "FP32", 2: "FP64", 3: "INT32", 4: "UINT8", 5: "INT16", 6: "INT8", 7: "BYTES", 9: "INT64",
    10: "BOOL", 17: "UINT16", 19: "FP16", 22: "UINT32", 23: "UINT64",
}  # fmt: skip
_CODE = frozenset(
    ("PyFunc", "PyFuncStateless", "EagerPyFunc", "ReadFile", "WriteFile", "MatchingFiles")
)
"""Operators that run Python or reach for files."""


def look(folder: Path) -> dict[str, Any]:
    """What the SavedModel says of itself, for `inspect`. Raises UnsafeFile when it is damaged."""
    file = folder / "saved_model.pb"
    if file.stat().st_size > _MOST_BYTES:
        raise UnsafeFile("saved_model.pb is larger than 1 GiB")
    facts: dict[str, Any] = {"trained_with": {}, "inputs": [], "outputs": []}
    operators: set[str] = set()
    for number, _, graph in fields(memoryview(file.read_bytes())):
        if number == 2 and isinstance(graph, memoryview):
            _meta_graph(graph, facts, operators)
    held = sum(p.stat().st_size for p in (folder / "variables").glob("*.data-*"))
    reach = sorted(operators & _CODE)
    return facts | {
        "model": f"SavedModel of {len(operators)} kinds of operators",
        "weight_bytes": held,
        "parameters": held // 4,
        "code": {"holds": bool(reach), "touches": reach, "refused": reach},
    }


def _meta_graph(graph: memoryview, facts: dict[str, Any], operators: set[str]) -> None:
    for number, _, value in fields(graph):
        if not isinstance(value, memoryview):
            continue
        if number == 1:
            _info(value, facts)
        elif number == 2:
            _graph(value, operators)
        elif number == 5:
            _signature(value, facts)


def _info(info: memoryview, facts: dict[str, Any]) -> None:
    for number, _, value in fields(info):
        if number == 5:
            facts["trained_with"]["tensorflow"] = text(value)


def _graph(graph: memoryview, operators: set[str]) -> None:
    """Operators of the graph and of the functions in its library."""
    for number, _, value in fields(graph):
        if not isinstance(value, memoryview):
            continue
        if number == 1:
            _node(value, operators)
        elif number == 2:
            for kind, _, function in fields(value):
                if kind == 1 and isinstance(function, memoryview):
                    for inner, _, node in fields(function):
                        if inner == 3 and isinstance(node, memoryview):
                            _node(node, operators)


def _node(node: memoryview, operators: set[str]) -> None:
    operators.update(text(value) for number, _, value in fields(node) if number == 2)


def _signature(entry: memoryview, facts: dict[str, Any]) -> None:
    name, signature = "", None
    for number, _, value in fields(entry):
        if number == 1:
            name = text(value)
        elif number == 2 and isinstance(value, memoryview):
            signature = value
    if signature is None or name.startswith("__"):
        return
    for number, _, value in fields(signature):
        if number in (1, 2) and isinstance(value, memoryview):
            place = facts["inputs"] if number == 1 else facts["outputs"]
            tensor = _tensor(value)
            if tensor not in place:  # Keras writes one function under two names
                place.append(tensor)


def _tensor(entry: memoryview) -> dict[str, Any]:
    found: dict[str, Any] = {"name": "", "datatype": "", "shape": None}
    for number, _, value in fields(entry):
        if number == 1:
            found["name"] = text(value)
        elif number == 2 and isinstance(value, memoryview):
            for inner, _, info in fields(value):
                if inner == 2 and isinstance(info, int):
                    found["datatype"] = _TYPES.get(info, "")
                elif inner == 3 and isinstance(info, memoryview):
                    found["shape"] = _shape(info)
    return found


def _shape(shape: memoryview) -> list[int]:
    sizes: list[int] = []
    for number, _, dim in fields(shape):
        if number == 2 and isinstance(dim, memoryview):
            size = next((v for n, _, v in fields(dim) if n == 1 and isinstance(v, int)), 0)
            sizes.append(size if size < 1 << 63 else -1)
    return sizes
