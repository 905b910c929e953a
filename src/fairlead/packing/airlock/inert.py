"""Looks into a pickle or joblib file without making any of its objects.

Standalone. Every name in the file becomes a class of our own that keeps what it is given, so
nothing named is imported and nothing is called; what comes out is a tree of notes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fairlead.packing.airlock.unpickle import Reader, Refused, Wrapper, opened

_DTYPE = re.compile(r"[<>|=]?[?biufcSUVO]\d*\Z")
_MOST_NAMES = 10_000
_MOST_THINGS = 5_000_000
_MOST_SHOWN = 1000


class Thing:
    """What stands where the file wants an object: its class's name and what it was given."""

    name = ("", "")
    args: tuple[Any, ...]
    state: Any
    items: list[Any]

    def __new__(cls, *args: Any, **named: Any) -> Thing:
        made = object.__new__(cls)
        made.args, made.state, made.items = (*args, *named.values()), None, []
        return made

    def __init__(self, *args: Any, **named: Any) -> None: ...

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items.append((key, value))

    def append(self, value: Any) -> None:
        """APPEND."""
        self.items.append(value)

    def add(self, value: Any) -> None:
        """ADDITEMS."""
        self.items.append(value)

    def extend(self, values: Any) -> None:
        """APPENDS."""
        self.items.extend(values)

    def field(self, name: str) -> Any:
        """An attribute that the state would have set, None when there is none."""
        return self.state.get(name) if isinstance(self.state, dict) else None


class InertReader(Reader):
    """Reads a file into Things."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self.names: dict[tuple[str, str], Any] = {}

    def find_class(self, module: str, name: str) -> Any:
        """A class of our own for each name."""
        if name == "NumpyArrayWrapper" and module.endswith("joblib.numpy_pickle"):
            return Wrapper
        key = (str(module), str(name))
        if key not in self.names:
            if len(self.names) >= _MOST_NAMES:
                raise Refused("the file names more objects than any model does")
            self.names[key] = type("Thing", (Thing,), {"name": key})
        return self.names[key]

    def load_build(self) -> None:
        """BUILD on anything: nothing here is shared."""
        if isinstance(self.stack[-2], type):
            self.stack.pop()
            return
        super().load_build()

    dispatch: ClassVar[Any] = {**Reader.dispatch, b"b"[0]: load_build}

    def get_extension(self, code: int) -> None:
        """EXT opcodes name objects by a number that only the writer's process knew."""
        raise Refused("the file names objects by extension codes")

    def persistent_load(self, pid: Any) -> Any:
        """A reference to something outside the file."""
        return Thing(pid)

    def array(self, wrapper: Wrapper) -> Any:
        """Skips the bytes of an array; keeps its shape and element type."""
        kind = _text_of(wrapper.dtype)
        shape = tuple(int(n) for n in wrapper.shape)
        if kind == "O":
            inner = InertReader(self.stream)
            inner.names = self.names
            return inner.load()
        self.skip_alignment(wrapper)
        size = np.dtype(kind).itemsize
        for n in shape:
            size *= n
        left = size
        kept = bytearray()
        while left > 0:
            piece = self.stream.read(min(left, 1 << 20))
            if not piece:
                raise Refused("the file is shorter than the arrays that it claims")
            if size <= 4096:
                kept += piece
            left -= len(piece)
        noted = Thing()
        noted.name = ("numpy", "ndarray")
        noted.state = (1, shape, wrapper.dtype, False, bytes(kept))
        return noted


def _text_of(dtype: Any) -> str:
    text = dtype.args[0] if isinstance(dtype, Thing) and dtype.args else ""
    if not isinstance(text, str) or not _DTYPE.match(text):
        raise Refused("the file holds an array of an unknown element type")
    return "O" if text.lstrip("<>|=").startswith("O") else text


def look(path: Path) -> dict[str, Any]:
    """What a pickle or joblib file says of itself.

    names:    every object that it names, as "module name".
    class:    of the model; steps: of a pipeline's steps.
    versions: {"scikit-learn": ...} as the model remembers.
    features, feature_names, classes: as the model knows them, None or [] when it does not say.
    elements, bytes: of its numeric arrays.
    Raises Refused, and what broken pickles raise.
    """
    with opened(path) as stream:
        reader = InertReader(stream)
        top = reader.load()
    facts: dict[str, Any] = {
        "names": sorted(f"{module} {name}" for module, name in reader.names),
        "class": ".".join(top.name) if isinstance(top, Thing) else type(top).__name__,
        "steps": [],
        "versions": {},
        "features": None,
        "feature_names": [],
        "classes": [],
        "elements": 0,
        "bytes": 0,
    }
    if isinstance(top, Thing):
        _describe(top, facts)
    _count(top, facts)
    return facts


def _describe(top: Thing, facts: dict[str, Any]) -> None:
    version = top.field("_sklearn_version")
    if isinstance(version, str):
        facts["versions"]["scikit-learn"] = version
    steps = top.field("steps")
    parts = [top]
    if isinstance(steps, list):
        parts = [step[1] for step in steps if isinstance(step, tuple) and len(step) == 2]
        facts["steps"] = [p.name[1] for p in parts if isinstance(p, Thing)]
    for part in [top, *parts]:
        if not isinstance(part, Thing):
            continue
        features, names = part.field("n_features_in_"), part.field("feature_names_in_")
        if facts["features"] is None and isinstance(features, int):
            facts["features"] = features
        if not facts["feature_names"] and names is not None:
            facts["feature_names"] = _values(names)
        classes = part.field("classes_")
        if classes is not None:
            facts["classes"] = _values(classes)


def _noted(item: Any) -> tuple[tuple[int, ...], Any, Any] | None:
    """Shape, element type and data of a noted array, None when the item is none."""
    if not isinstance(item, Thing):
        return None
    if item.name[1] == "_frombuffer" and len(item.args) == 4:
        data, dtype, shape, _ = item.args
    elif isinstance(item.state, tuple) and len(item.state) == 5:
        _, shape, dtype, _, data = item.state
    else:
        return None
    if not isinstance(shape, tuple) or not all(isinstance(n, int) for n in shape):
        return None
    return shape, dtype, data


def _values(array: Any) -> list[Any]:
    """The elements of a small noted array, [] when they cannot be told."""
    noted = _noted(array)
    if noted is None:
        return []
    shape, dtype, data = noted
    if isinstance(data, list):
        return [v for v in data if isinstance(v, str | int | float | bool)][:_MOST_SHOWN]
    try:
        found: Any = np.frombuffer(data, np.dtype(_text_of(dtype))).reshape(shape)
    except (ValueError, TypeError, Refused):
        return []
    return found.ravel().tolist()[:_MOST_SHOWN]


def _count(top: Any, facts: dict[str, Any]) -> None:
    """Adds up the numeric arrays of the tree."""
    waiting, seen = [top], set[int]()
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if len(seen) > _MOST_THINGS:
            return
        noted = _noted(item)
        if noted is not None:
            _add(noted, facts)
            if isinstance(noted[2], list):
                waiting += noted[2]
        elif isinstance(item, Thing):
            waiting += [item.state, *item.args, *item.items]
        elif isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, list | tuple | set | frozenset):
            waiting += item


def _add(noted: tuple[tuple[int, ...], Any, Any], facts: dict[str, Any]) -> None:
    try:
        size = np.dtype(_text_of(noted[1])).itemsize
    except (Refused, TypeError):
        return
    count = 1
    for n in noted[0]:
        count *= n
    facts["elements"] += count
    facts["bytes"] += count * size
