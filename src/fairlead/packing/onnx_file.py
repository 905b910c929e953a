"""What an ONNX file holds, read from its bytes: inputs, outputs, size, and what makes it unsafe.

A graph is data, but a runtime may follow it elsewhere: external data beside the file, custom
operators in a library. Neither is served before it is known to stay inside.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fairlead.core.errors import UnsafeFile
from fairlead.packing.protobuf import fields, integers, text

TYPES = {
    1: "FP32", 2: "UINT8", 3: "INT8", 4: "UINT16", 5: "INT16", 6: "INT32", 7: "INT64",
    8: "BYTES", 9: "BOOL", 10: "FP16", 11: "FP64", 12: "UINT32", 13: "UINT64",
}  # fmt: skip
"""ONNX element types as wire names."""

_ITEM = {
    1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2,
}  # fmt: skip
_DATA = (4, 5, 6, 7, 9, 10, 11)
"""The fields of a TensorProto that hold elements."""

_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft", "ai.onnx.preview.training")
"""Operator domains that onnxruntime itself implements."""

_MOST_DEPTH = 16
_MOST_NODES = 5_000_000
_EXTERNAL_KEYS = frozenset(("location", "offset", "length", "checksum", "basepath"))
_BRANCHES = frozenset(("Loop", "Scan", "If"))


@dataclass(slots=True)
class OnnxFacts:
    """What the file says.

    opsets:     {domain: version}. producer: who wrote it.
    inputs, outputs: {"name", "datatype", "shape"}, -1 for an open dimension; "datatype" is "" and
                "shape" None for what is no tensor (maps of a ZipMap).
    parameters, weight_bytes: of all initialisers.
    operators:  how many nodes of each "domain:operator".
    classes:    labels that a classifier node holds.
    external:   {location: bytes needed} of data beside the file.
    branches:   it holds Loop, Scan or If, so its running time depends on its input.
    """

    ir: int = 0
    producer: str = ""
    opsets: dict[str, int] = field(default_factory=dict[str, int])
    inputs: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    outputs: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    parameters: int = 0
    weight_bytes: int = 0
    operators: dict[str, int] = field(default_factory=dict[str, int])
    classes: list[str] = field(default_factory=list[str])
    external: dict[str, int] = field(default_factory=dict[str, int])
    branches: bool = False

    @property
    def foreign(self) -> list[str]:
        """Operators that onnxruntime itself does not know."""
        return sorted(o for o in self.operators if o.rpartition(":")[0] not in _DOMAINS)


def read(raw: bytes) -> OnnxFacts:
    """The facts of an ONNX model. Raises UnsafeFile for what is damaged or lies about itself."""
    facts = OnnxFacts()
    graphs: list[memoryview] = []
    for number, _, value in fields(memoryview(raw)):
        if number == 1 and isinstance(value, int):
            facts.ir = value
        elif number == 2:
            facts.producer = text(value)
        elif number == 7 and isinstance(value, memoryview):
            graphs.append(value)
        elif number == 8 and isinstance(value, memoryview):
            domain, version = _opset(value)
            facts.opsets[domain] = version
        elif number == 25 and isinstance(value, memoryview):
            _function(value, facts)
    if len(graphs) != 1 or not facts.opsets:
        raise UnsafeFile("the file is damaged: it holds no ONNX graph")
    _graph(graphs[0], facts, 0)
    return facts


def _opset(value: memoryview) -> tuple[str, int]:
    domain, version = "", 0
    for number, _, inner in fields(value):
        if number == 1:
            domain = text(inner)
        elif number == 2 and isinstance(inner, int):
            version = inner
    return domain, version


def _function(value: memoryview, facts: OnnxFacts) -> None:
    for number, _, inner in fields(value):
        if number == 7 and isinstance(inner, memoryview):
            _node(inner, facts, 1)


def _graph(graph: memoryview, facts: OnnxFacts, depth: int) -> None:
    if depth > _MOST_DEPTH:
        raise UnsafeFile("the graph is nested deeper than any model is")
    weights: set[str] = set()
    inputs: list[dict[str, Any]] = []
    for number, _, value in fields(graph):
        if not isinstance(value, memoryview):
            continue
        if number == 1:
            _node(value, facts, depth)
        elif number == 5:
            weights.add(_tensor(value, facts))
        elif number == 11 and depth == 0:
            inputs.append(_value(value))
        elif number == 12 and depth == 0:
            facts.outputs.append(_value(value))
        elif number == 15:
            _sparse(value, facts)
    # Old files list their weights among the inputs.
    facts.inputs += [i for i in inputs if i["name"] not in weights]


def _sparse(value: memoryview, facts: OnnxFacts) -> None:
    for number, _, inner in fields(value):
        if number in (1, 2) and isinstance(inner, memoryview):
            _tensor(inner, facts)


def _node(node: memoryview, facts: OnnxFacts, depth: int) -> None:
    operator, domain = "", ""
    for number, _, value in fields(node):
        if number == 4:
            operator = text(value)
        elif number == 7:
            domain = text(value)
        elif number == 5 and isinstance(value, memoryview):
            _attribute(value, facts, depth)
    key = f"{domain}:{operator}"
    facts.operators[key] = facts.operators.get(key, 0) + 1
    facts.branches = facts.branches or operator in _BRANCHES
    if sum(facts.operators.values()) > _MOST_NODES:
        raise UnsafeFile("the graph has more nodes than any model has")


def _attribute(attribute: memoryview, facts: OnnxFacts, depth: int) -> None:
    name, found = "", list[str]()
    for number, kind, value in fields(attribute):
        if number == 1:
            name = text(value)
        elif number in (5, 10) and isinstance(value, memoryview):
            _tensor(value, facts)
        elif number in (6, 11) and isinstance(value, memoryview):
            _graph(value, facts, depth + 1)
        elif number == 8 and kind == 0:
            found += map(str, integers(kind, value))
        elif number == 8:
            found += [str(n) for n in integers(kind, value)]
        elif number == 9:
            found.append(_label(value))
    if name.startswith(("classlabels", "class_labels")) and found:
        facts.classes = found


def _label(value: int | memoryview) -> str:
    return str(bytes(value), "utf-8", "replace") if isinstance(value, memoryview) else str(value)


@dataclass(slots=True)
class _Weight:
    """A TensorProto as far as its size goes; held: bytes of data inside the file."""

    name: str = ""
    kind: int = 0
    dims: list[int] = field(default_factory=list[int])
    held: int = 0
    places: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    outside: bool = False


def _weight(tensor: memoryview) -> _Weight:
    found = _Weight()
    for number, wire, value in fields(tensor):
        if number == 1:
            found.dims += integers(wire, value)
        elif number == 2 and isinstance(value, int):
            found.kind = value
        elif number == 8:
            found.name = text(value)
        elif number == 14:
            found.outside = value == 1
        elif number == 13 and isinstance(value, memoryview):
            found.places.append(_entry(value))
        elif number in _DATA and isinstance(value, memoryview):
            found.held += len(value)
    return found


def _tensor(tensor: memoryview, facts: OnnxFacts) -> str:
    """Counts a weight; its data must be there, or beside the file."""
    weight = _weight(tensor)
    count = 1
    for dim in weight.dims:
        if dim < 0:
            raise UnsafeFile(f"the weight {weight.name[:60]!r} has a negative dimension")
        count *= dim
    size = count * _ITEM.get(weight.kind, 0)
    facts.parameters += count
    facts.weight_bytes += size or weight.held
    if weight.outside or weight.places:
        _external(dict(weight.places), size, facts)
    elif size > max(64, weight.held * 8):
        raise UnsafeFile(f"the weight {weight.name[:60]!r} claims more data than the file holds")
    return weight.name


def _entry(value: memoryview) -> tuple[str, str]:
    key, content = "", ""
    for number, _, inner in fields(value):
        if number == 1:
            key = text(inner)
        elif number == 2:
            content = text(inner)
    return key, content


def _external(places: dict[str, str], size: int, facts: OnnxFacts) -> None:
    unknown = set(places) - _EXTERNAL_KEYS
    location = places.get("location", "")
    if unknown or "basepath" in places:
        raise UnsafeFile("the graph describes its external data by unknown keys")
    if not location or location != os.path.basename(location) or location in (".", ".."):
        raise UnsafeFile("the graph wants data from outside its own folder")
    offset = places.get("offset", "0")
    if not offset.isascii() or not offset.isdigit():
        raise UnsafeFile("the graph describes its external data by a broken offset")
    facts.external[location] = max(facts.external.get(location, 0), int(offset) + size)


def _value(value: memoryview) -> dict[str, Any]:
    """A graph input or output."""
    found: dict[str, Any] = {"name": "", "datatype": "", "shape": None}
    for number, _, inner in fields(value):
        if number == 1:
            found["name"] = text(inner)
        elif number == 2 and isinstance(inner, memoryview):
            for kind, _, tensor in fields(inner):
                if kind == 1 and isinstance(tensor, memoryview):
                    found |= _tensor_type(tensor)
    return found


def _tensor_type(tensor: memoryview) -> dict[str, Any]:
    found: dict[str, Any] = {"datatype": "", "shape": None}
    for number, _, inner in fields(tensor):
        if number == 1 and isinstance(inner, int):
            found["datatype"] = TYPES.get(inner, "")
        elif number == 2 and isinstance(inner, memoryview):
            found["shape"] = [
                _dimension(dim)
                for n, _, dim in fields(inner)
                if n == 1 and not isinstance(dim, int)
            ]
    return found


def _dimension(dim: memoryview) -> int:
    for number, _, value in fields(dim):
        if number == 1 and isinstance(value, int) and value < 1 << 63:
            return value or -1
    return -1


def check_external(facts: OnnxFacts, folder: Path) -> list[Path]:
    """The files of external data, each a plain file of this folder, large enough.

    Raises UnsafeFile otherwise; nothing of a refused file is read.
    """
    found: list[Path] = []
    for location, size in sorted(facts.external.items()):
        path = folder / location
        try:
            known = path.lstat()
        except OSError:
            raise UnsafeFile(f"the graph's data file {location[:80]!r} is not beside it") from None
        if not stat.S_ISREG(known.st_mode) or known.st_nlink != 1:
            raise UnsafeFile(f"the graph's data file {location[:80]!r} is a link, not a plain file")
        if known.st_size < size:
            raise UnsafeFile(f"the graph's data file {location[:80]!r} is shorter than it claims")
        found.append(path)
    return found
