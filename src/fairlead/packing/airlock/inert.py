"""Looks into a pickle or joblib file without making any of its objects.

Standalone. Every name in the file becomes a class of our own that keeps what it is given, so
nothing named is imported and nothing is called; what comes out is a tree of notes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import numpy as np

from fairlead.packing.airlock.refused import Refused, printable
from fairlead.packing.airlock.streams import opened, pieces
from fairlead.packing.airlock.unpickle import Reader, Wrapper

_DTYPE = re.compile(r"[<>|=]?[?biufcSUVO]\d*\Z")
_MOST_NAMES = 10_000
_MOST_THINGS = 5_000_000
_MOST_SHOWN = 1000
_MOST_SIDE = 1 << 48
_MOST_NOTED = 64 << 10
"""Bytes of an array that are kept to be shown; of larger ones only the shape is."""


class Thing:
    """What stands where the file wants an object: its class's name and what it was given."""

    name: tuple[str, str] = ("", "")
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
        state: Any = self.state
        return cast(dict[Any, Any], state).get(name) if isinstance(state, dict) else None


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

    def build(self, target: Any, state: Any) -> None:
        """Keeps the state; on anything that is no note it means nothing."""
        if isinstance(target, Thing):
            target.state = state

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
        kept = bytearray()
        for piece in pieces(self.stream, size):
            if size <= _MOST_NOTED:
                kept += piece
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

    names:    [module, name] of every object that it names, as it spells them.
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
        "names": sorted(reader.names),
        "class": printable(".".join(top.name) if isinstance(top, Thing) else type(top).__name__),
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
        facts["versions"]["scikit-learn"] = printable(version)
    best = top.field("best_estimator_")
    chosen = best if isinstance(best, Thing) else top
    steps = _steps(chosen)
    facts["steps"] = [printable(part.name[1]) for part in steps]
    for part in [top, chosen, *steps]:
        features, names = part.field("n_features_in_"), part.field("feature_names_in_")
        if facts["features"] is None and type(features) is int and 0 < features < _MOST_SIDE:
            facts["features"] = features
        if not facts["feature_names"] and names is not None:
            facts["feature_names"] = [str(name) for name in _values(names)]
        classes = part.field("classes_")
        if classes is not None:
            facts["classes"] = _values(classes)


def _steps(top: Thing) -> list[Thing]:
    """What the steps of a pipeline are."""
    steps = top.field("steps")
    pairs = cast(list[Any], steps) if isinstance(steps, list) else []
    found = [cast(tuple[Any, ...], pair)[-1] for pair in pairs if isinstance(pair, tuple) and pair]
    return [step for step in found if isinstance(step, Thing)]


def _noted(item: Any) -> tuple[tuple[int, ...], Any, Any] | None:
    """Shape, element type and data of a noted array, None when the item is none."""
    if not isinstance(item, Thing):
        return None
    state: Any = item.state
    given = cast(tuple[Any, ...], state) if isinstance(state, tuple) else ()
    if item.name[1] == "_frombuffer" and len(item.args) >= 3:
        data, dtype, shape = item.args[:3]
    elif len(given) == 5:
        _, shape, dtype, _, data = given
    else:
        return None
    if not isinstance(shape, tuple):
        return None
    sides = cast(tuple[Any, ...], shape)
    if any(type(side) is not int or not 0 <= side < _MOST_SIDE for side in sides):
        return None
    return sides, dtype, data


def _values(array: Any) -> list[Any]:
    """The elements of a small noted array, [] when they cannot be told."""
    noted = _noted(array)
    if noted is None:
        return []
    shape, dtype, data = noted
    if isinstance(data, list):
        return [_shown(value) for value in cast(list[Any], data)[:_MOST_SHOWN]]
    if isinstance(data, Thing):  # older protocols write bytes as encoded text
        data = str(data.args[0] if data.args else "").encode("latin1", "replace")
    try:
        kind = np.dtype(_text_of(dtype)).newbyteorder(_order_of(dtype))
        found = cast(Any, np).frombuffer(data, kind).reshape(shape)
    except (ValueError, TypeError, Refused):
        return []
    return [_shown(value) for value in found.ravel()[:_MOST_SHOWN].tolist()]


def _order_of(dtype: Any) -> Any:
    state: Any = dtype.state
    order = cast(tuple[Any, ...], state)[1:2] if isinstance(state, tuple) else ()
    return ">" if order == (">",) else "="


def _shown(value: Any) -> Any:
    """A value as JSON and a terminal may hold it."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Thing):
        return printable(".".join(value.name))
    if type(value) is int:
        return value if abs(value) < _MOST_SIDE else "a large number"
    if type(value) is float and abs(value) < np.inf:
        return value
    text = value if isinstance(value, str) else repr(value)[:_MOST_SHOWN]
    return printable(value.decode("utf-8", "replace") if isinstance(value, bytes) else text)


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
        kind = np.dtype(_text_of(noted[1]))
    except (Refused, TypeError):
        return
    if kind.kind in "OSU":
        return
    count = 1
    for n in noted[0]:
        count *= n
    facts["elements"] = min(facts["elements"] + count, _MOST_SIDE)
    facts["bytes"] = min(facts["bytes"] + count * kind.itemsize, _MOST_SIDE)
