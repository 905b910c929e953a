"""Looks into a skops file without making any of its objects.

Standalone: the standard library and numpy. The schema is JSON that names a class for each object;
arrays lie beside it, of which only the heads and the short ones are read.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.lib import format as npy

from fairlead.packing.airlock.refused import Refused, printable

_MOST_SCHEMA = 256 << 20
_MOST_SIDE = 1 << 48
_MOST_SHOWN = 1000
_MOST_NOTED = 64 << 10
_TRUSTED = ("numpy", "scipy", "sklearn")
"""Packages whose types skops itself knows."""
_KINDS = ("type", "function", "NoneType", "builtin_function_or_method")
"""What a node is called that only names something; what it names has a node of its own."""

Node = dict[str, Any]


def look(path: Path) -> dict[str, Any]:
    """What the file says of itself, as inert.look tells it of a pickle; and

    trusted: the packages whose names need no allowing.
    Raises Refused, and what broken archives raise.
    """
    with zipfile.ZipFile(path) as archive:
        tree = _schema(archive)
        nodes = list(_nodes(tree))
        facts: dict[str, Any] = {
            "names": _names(nodes),
            "trusted": _TRUSTED,
            "class": printable(f"{tree.get('__module__', '')}.{tree.get('__class__', '')}"),
            "steps": [],
            "versions": {},
            "features": None,
            "feature_names": [],
            "classes": [],
            "elements": 0,
            "bytes": 0,
        }
        _describe(tree, facts, archive)
        for node in nodes:
            _add(node, facts, archive)
    return facts


def _schema(archive: zipfile.ZipFile) -> Node:
    with archive.open("schema.json") as file:
        tree: Any = json.loads(file.read(_MOST_SCHEMA))
    if not isinstance(tree, dict):
        raise Refused("the file's schema is no object")
    return cast(Node, tree)


def _names(nodes: list[Node]) -> list[tuple[str, str]]:
    named = {(str(node["__module__"]), str(node["__class__"])) for node in nodes}
    return sorted(named - {("builtins", kind) for kind in _KINDS})


def _nodes(tree: Node) -> list[Node]:
    """Every object of the schema that names a class."""
    found: list[Node] = []
    waiting: list[Any] = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            node = cast(Node, item)
            if "__class__" in node and "__module__" in node:
                found.append(node)
            waiting += node.values()
        elif isinstance(item, list):
            waiting += cast(list[Any], item)
    return found


def _describe(top: Node, facts: dict[str, Any], archive: zipfile.ZipFile) -> None:
    state = _state(top)
    version = _plain(state.get("_sklearn_version"))
    if isinstance(version, str):
        facts["versions"]["scikit-learn"] = printable(version)
    steps = _steps(state.get("steps"))
    facts["steps"] = [printable(str(step.get("__class__", ""))) for step in steps]
    for part in [state, *map(_state, steps)]:
        features = _plain(part.get("n_features_in_"))
        if facts["features"] is None and type(features) is int and 0 < features < _MOST_SIDE:
            facts["features"] = features
        if not facts["feature_names"]:
            named = _values(part.get("feature_names_in_"), archive)
            facts["feature_names"] = [str(name) for name in named]
        facts["classes"] = _values(part.get("classes_"), archive) or facts["classes"]


def _state(node: Any) -> Node:
    """The attributes of an object, by name."""
    for _ in range(2):
        content = cast(Node, node).get("content") if isinstance(node, dict) else None
        node = content
    return cast(Node, node) if isinstance(node, dict) else {}


def _steps(node: Any) -> list[Node]:
    """What a pipeline's pairs of a name and a step hold."""
    pairs = cast(Node, node).get("content") if isinstance(node, dict) else None
    found: list[Node] = []
    for pair in cast(list[Any], pairs) if isinstance(pairs, list) else []:
        inner = cast(Node, pair).get("content") if isinstance(pair, dict) else None
        last: Any = cast(list[Any], inner)[-1:] if isinstance(inner, list) else []
        found += [cast(Node, step) for step in last if isinstance(step, dict)]
    return found


def _plain(node: Any) -> Any:
    """A plain value, which skops writes as JSON in a text."""
    content = cast(Node, node).get("content") if isinstance(node, dict) else None
    try:
        return json.loads(content) if isinstance(content, str) else None
    except (ValueError, RecursionError):
        return None


def _head(node: Any, archive: zipfile.ZipFile) -> tuple[int, Any, zipfile.ZipInfo] | None:
    """Elements and type of an array beside the schema, as its head claims, and where it lies."""
    file = cast(Node, node).get("file") if isinstance(node, dict) else None
    if not isinstance(file, str) or not file.endswith(".npy"):
        return None
    try:
        entry = archive.getinfo(file)
        with archive.open(entry) as content:
            major, _ = npy.read_magic(content)
            read = npy.read_array_header_1_0 if major == 1 else npy.read_array_header_2_0
            shape, _, kind = read(content)
    except (KeyError, ValueError, OSError):
        return None
    count = 1
    for side in shape:
        count *= side
    return (count, kind, entry) if 0 <= count * kind.itemsize <= entry.file_size else None


def _add(node: Node, facts: dict[str, Any], archive: zipfile.ZipFile) -> None:
    head = _head(node, archive)
    if head is not None and head[1].kind not in "OSU":
        facts["elements"] += head[0]
        facts["bytes"] += head[0] * head[1].itemsize


def _values(node: Any, archive: zipfile.ZipFile) -> list[Any]:
    """The elements of a short array, [] when they cannot be told."""
    head = _head(node, archive)
    if head is None:
        content = cast(Node, node).get("content") if isinstance(node, dict) else None
        items: list[Any] = cast(list[Any], content) if isinstance(content, list) else []
        plain = [_plain(item) for item in items[:_MOST_SHOWN]]
        return [_shown(value) for value in plain if value is not None]
    count, kind, entry = head
    if kind.hasobject or count * kind.itemsize > _MOST_NOTED:
        return []
    with archive.open(entry) as content:
        array: Any = np.load(cast(Any, content), allow_pickle=False)
    return [_shown(value) for value in array.ravel()[:_MOST_SHOWN].tolist()]


def _shown(value: Any) -> Any:
    if isinstance(value, bool) or (type(value) is int and abs(value) < _MOST_SIDE):
        return value
    if type(value) is float and abs(value) < float("inf"):
        return value
    return printable(value if isinstance(value, str) else repr(value)[:_MOST_SHOWN])
