"""What an ONNX file holds, read from its bytes: inputs, outputs, size, and what makes it unsafe.

A graph is data, but a runtime may follow it elsewhere: external data beside the file, custom
operators in a library. Neither is served before it is known to stay inside.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
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

_BITS = {
    1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64,
    15: 128, 16: 16, 17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8, 25: 2, 26: 2, 27: 6,
    28: 6,
}  # fmt: skip
"""Bits of an element, by type; text (8) has no such size, and 0 is no type."""
_TEXT, _UNTYPED = 8, 0
_DATA = (4, 5, 6, 7, 9, 10, 11)
"""The fields of a TensorProto that hold elements."""
_PACKED = 8
"""The most bytes of elements that one byte of the file can stand for: a number in one byte."""

_DOMAINS = (
    "", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc",
    "com.ms.internal.nhwc", "ai.onnx.preview.training",
)  # fmt: skip
"""Operator domains that onnxruntime itself implements."""

_MOST_DEPTH = 16
_MOST_NODES = 5_000_000
_MOST_RANK = 64
_MOST_WORDS, _WORDS_OF_ONE = 64, 3
_EXTERNAL_KEYS = frozenset(("location", "offset", "length", "checksum"))
_NUMBER = re.compile(r"[0-9]{1,18}\Z", re.ASCII)
_BRANCHES = frozenset(("Loop", "Scan", "If"))
_NUMBERS = re.compile(rb"(?:\x40[\x80-\xff]{0,9}[\x00-\x7f]|\x3d[\s\S]{4})++")
"""Runs of an attribute's single integers and floats: the trees of a forest are millions of them."""
_FLOATS = re.compile(rb"(?:\x3d[\s\S]{4})++")
_WEIGHTS = frozenset(
    ("coefficients", "intercepts", "nodes_values", "class_weights", "target_weights",
     "base_values", "support_vectors", "rho")
)  # fmt: skip
"""Attributes in which linear models, trees and support vectors keep what was learnt."""


@dataclass(slots=True)
class OnnxFacts:
    """What the file says.

    opsets:     {domain: version}. producer: who wrote it, and in which version.
    inputs, outputs: {"name", "datatype", "shape"}, -1 for an open dimension; "datatype" is "" and
                "shape" None for what is no tensor (maps of a ZipMap).
    parameters, weight_bytes: of all initialisers, and of linear models, trees and vectors.
    operators:  how many nodes of each "domain:operator". functions: those that the file defines.
    classes:    labels that a classifier node holds. words: texts that its encoders know.
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
    functions: set[str] = field(default_factory=set[str])
    classes: list[str] = field(default_factory=list[str])
    words: list[str] = field(default_factory=list[str])
    external: dict[str, int] = field(default_factory=dict[str, int])
    branches: bool = False

    @property
    def foreign(self) -> list[str]:
        """Operators that neither onnxruntime itself nor the file knows."""
        found = (o for o in self.operators if o not in self.functions)
        return sorted(o for o in found if o.rpartition(":")[0] not in _DOMAINS)


def read(raw: bytes) -> OnnxFacts:
    """The facts of an ONNX model. Raises UnsafeFile for what is damaged or lies about itself."""
    facts = OnnxFacts()
    graphs: list[memoryview] = []
    for number, _, value in fields(memoryview(raw)):
        if number == 1 and isinstance(value, int):
            facts.ir = value
        elif number in (2, 3):
            facts.producer = f"{facts.producer} {text(value)}".strip()
        elif number == 7 and isinstance(value, memoryview):
            graphs.append(value)
        elif number == 8 and isinstance(value, memoryview):
            domain, version = _opset(value)
            facts.opsets[domain] = version
        elif number == 20 and isinstance(value, memoryview):
            _training(value, facts)
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


def _training(value: memoryview, facts: OnnxFacts) -> None:
    """Graphs that only a trainer runs; their weights are looked at like any."""
    for number, _, inner in fields(value):
        if number in (1, 2) and isinstance(inner, memoryview):
            _graph(inner, facts, 1)


def _function(value: memoryview, facts: OnnxFacts) -> None:
    name, domain = "", ""
    for number, _, inner in fields(value):
        if number == 1:
            name = text(inner)
        elif number == 10:
            domain = text(inner)
        elif number == 7 and isinstance(inner, memoryview):
            _node(inner, facts, 1)
        elif number == 11 and isinstance(inner, memoryview):
            _attribute(inner, facts, 1)
    facts.functions.add(f"{domain}:{name}")


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
    """Values and where they stand, each a weight."""
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
    name = ""
    for number, _, value in fields(attribute, _NUMBERS):
        if not isinstance(value, memoryview):
            continue
        if number == 1:
            name = text(value)
        elif number in (5, 10):
            _tensor(value, facts)
        elif number in (6, 11):
            _graph(value, facts, depth + 1)
        elif number in (22, 23):
            _sparse(value, facts)
    if name in _WEIGHTS:
        count = sum(len(run) // 5 for run in _FLOATS.findall(attribute))
        facts.parameters += count
        facts.weight_bytes += 4 * count
    if name.startswith(("classlabels", "class_labels")):
        facts.classes = _labels(attribute) or facts.classes
    elif name in ("cats_strings", "keys_strings") and len(facts.words) < _MOST_WORDS:
        facts.words += _labels(attribute)[:_WORDS_OF_ONE]


def _labels(attribute: memoryview) -> list[str]:
    found: list[str] = []
    for number, kind, value in fields(attribute):
        if number == 8:
            found += map(str, integers(kind, value))
        elif number == 9 and isinstance(value, memoryview):
            found.append(str(bytes(value), "utf-8", "replace"))
    return found


@dataclass(slots=True)
class _Weight:
    """A TensorProto as far as its size goes.

    held: bytes of data inside the file; texts: elements of text; outside: its data is elsewhere.
    """

    name: str = ""
    kind: int = 0
    dims: list[int] = field(default_factory=list[int])
    held: int = 0
    texts: int = 0
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
            found.outside = found.outside or value == 1
        elif number == 13 and isinstance(value, memoryview):
            found.places.append(_entry(value))
        elif number in _DATA:
            found.held += len(value) if isinstance(value, memoryview) else 1
            found.texts += number == 6
    return found


def _tensor(tensor: memoryview, facts: OnnxFacts) -> str:
    """Counts a weight; its data must be there, or beside the file."""
    weight = _weight(tensor)
    shown = f"the weight {weight.name[:60]!r}"
    if len(weight.dims) > _MOST_RANK or any(dim < 0 for dim in weight.dims):
        raise UnsafeFile(f"{shown} has a shape that none has")
    count = 1
    for dim in weight.dims:
        count *= dim
    if weight.kind not in _BITS and weight.kind not in (_TEXT, _UNTYPED):
        raise UnsafeFile(f"{shown} is of an element type that is not known")
    size = (count * _BITS.get(weight.kind, 0) + 7) // 8
    facts.parameters += count
    facts.weight_bytes += size or weight.held
    if weight.outside or weight.places:
        _external(weight.places, size, facts)
    elif size > max(64, weight.held * _PACKED) or (
        weight.kind == _TEXT and count > max(1, weight.texts)
    ):
        raise UnsafeFile(f"{shown} claims more data than the file holds")
    return weight.name


def _entry(value: memoryview) -> tuple[str, str]:
    key, content = "", ""
    for number, _, inner in fields(value):
        if number == 1:
            key = text(inner)
        elif number == 2:
            content = text(inner)
    return key, content


def _external(found: list[tuple[str, str]], size: int, facts: OnnxFacts) -> None:
    """Notes a place outside the file. Raises UnsafeFile unless it is a part of a file beside it."""
    places = dict(found)
    if set(places) - _EXTERNAL_KEYS or len(places) != len(found):
        raise UnsafeFile("the graph describes its external data by unknown keys")
    location = places.get("location", "")
    plain = location.isprintable() and "\\" not in location and location not in ("", ".", "..")
    if not plain or location != os.path.basename(location):
        raise UnsafeFile("the graph wants data from outside its own folder")
    offset, length = places.get("offset", "0"), places.get("length", str(size))
    if not _NUMBER.match(offset) or not _NUMBER.match(length) or int(length) < size:
        raise UnsafeFile("the graph describes its external data by broken numbers")
    end = int(offset) + int(length)
    facts.external[location] = max(facts.external.get(location, 0), end)


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


def check_external(facts: OnnxFacts, folder: Path) -> int:
    """Bytes of the files of external data, each a plain file of this folder and large enough.

    Raises UnsafeFile otherwise; nothing of a refused file is read.
    """
    total = 0
    for location, size in sorted(facts.external.items()):
        handle = _opened(folder, location, size)
        total += os.fstat(handle).st_size
        os.close(handle)
    return total


def copy_external(facts: OnnxFacts, folder: Path, target: Path) -> None:
    """Copies those files, so that whoever reads them later finds what was checked."""
    for location, size in sorted(facts.external.items()):
        with (
            os.fdopen(_opened(folder, location, size), "rb") as source,
            (target / location).open("xb") as copy,
        ):
            shutil.copyfileobj(source, copy)


def _opened(folder: Path, location: str, size: int) -> int:
    """A descriptor of folder/location, a plain file with one name. Raises UnsafeFile."""
    shown = f"the graph's data file {location[:80]!r}"
    try:
        handle = os.open(folder / location, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UnsafeFile(f"{shown} is a link, not a plain file") from None
        raise UnsafeFile(f"{shown} is not beside it: {error.strerror}") from None
    known = os.fstat(handle)
    why = ""
    if not stat.S_ISREG(known.st_mode) or known.st_nlink != 1:
        why = "is a link, not a plain file"
    elif known.st_size < size:
        why = "is shorter than it claims"
    if why:
        os.close(handle)
        raise UnsafeFile(f"{shown} {why}")
    return handle
