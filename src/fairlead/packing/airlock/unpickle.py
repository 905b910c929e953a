"""Pickles and joblib files under an exact allow-list, enforced at the unpickler itself.

Standalone: the standard library and numpy. What is not on the list is never imported, and there
is no second parser that could see the file differently. A listed class is made empty and given
its state; what may be called is called with checked arguments; nothing else of the file's own
runs. A joblib file is a pickle with the bytes of its arrays in between; both are read here.
"""

from __future__ import annotations

import pickle
import types
from collections import OrderedDict, defaultdict
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, cast

import numpy as np

from fairlead.packing.airlock.allow_list import CALLED, KEPT, MADE, AllowList, renamed
from fairlead.packing.airlock.makers import (
    INERT,
    MAKERS,
    Named,
    build_array,
    build_element_type,
    build_tree,
    checked_type,
)
from fairlead.packing.airlock.refused import Refused
from fairlead.packing.airlock.streams import MOST_BYTES, exactly, opened

_WRAPPERS = {
    ("joblib.numpy_pickle", "NumpyArrayWrapper"),
    ("sklearn.externals.joblib.numpy_pickle", "NumpyArrayWrapper"),
}
_SHARED = (type, types.FunctionType, types.ModuleType, types.BuiltinFunctionType, Named)
_DICTIONARIES = (dict, OrderedDict, defaultdict)
_VERBS = {MADE: "makes", CALLED: "calls", KEPT: "keeps"}


class Wrapper:
    """Stands in a joblib stream for an array whose bytes follow; its state describes it."""

    subclass: Any = None
    shape: Any = ()
    order: Any = "C"
    dtype: Any = None
    numpy_array_alignment_bytes: Any = None


class Reader(pickle._Unpickler):  # type: ignore[name-defined,misc]
    """An unpickler that also reads joblib's arrays. Subclasses say what a name stands for."""

    dispatch: ClassVar[Any] = dict(pickle._Unpickler.dispatch)  # type: ignore[attr-defined]
    stack: Any
    append: Any
    pop_mark: Any

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream, encoding="latin1")
        self.stream = stream

    def get_extension(self, code: int) -> None:
        """EXT opcodes name objects by a number that only the writer's process knew."""
        raise Refused("the file names objects by extension codes")

    def load_build(self) -> None:
        """BUILD; an array of joblib's is read in the place of its description."""
        target, state = self.stack[-2], self.stack[-1]
        if target.__class__ is not Wrapper:
            self.build(target, state)
            self.stack.pop()
            return
        for name in Wrapper.__annotations__:
            if isinstance(state, dict) and name in state:
                setattr(target, name, state[name])
        self.stack[-2:] = [self.array(target)]

    dispatch[pickle.BUILD[0]] = load_build

    def build(self, target: Any, state: Any) -> None:
        """Gives an object its state."""
        raise NotImplementedError

    def array(self, wrapper: Wrapper) -> Any:
        """The array whose bytes follow in the stream."""
        raise NotImplementedError

    def skip_alignment(self, wrapper: Wrapper) -> None:
        """Some files pad an array to an aligned place; the first byte says by how much."""
        if wrapper.numpy_array_alignment_bytes is not None:
            exactly(self.stream, exactly(self.stream, 1)[0])


class AllowedReader(Reader):
    """Makes the objects of a file, each of which is on the list for what the file does with it."""

    def __init__(self, stream: BinaryIO, allowed: AllowList, left: int = MOST_BYTES) -> None:
        super().__init__(stream)
        self._allowed = allowed
        self._left = left
        self._kept: dict[int, Named] = {}
        """Objects that the file holds as they are, by their identity."""

    def persistent_load(self, pid: Any) -> Any:
        """A reference to something outside the file."""
        raise Refused("the file refers to objects outside of itself")

    def find_class(self, module: str, name: str) -> Any:
        """The object of exactly this module and name, or what stands for it. Raises Refused."""
        if (module, name) in _WRAPPERS:
            return Wrapper
        uses = self._allowed.uses(module, name)
        if not uses:
            raise Refused(
                f"the file names {module}.{name}, which is not allowed", [f"{module}.{name}"]
            )
        meant = renamed(module, name)
        found = Named(*meant, uses, self._object(*meant, uses))
        if KEPT not in uses:
            return found
        self._kept[id(found.value)] = found
        return found.value

    def _object(self, module: str, name: str, uses: frozenset[str]) -> Any:
        if self._allowed.is_own(module, name):
            return super().find_class(module, name)
        if (module, name) in INERT or ((module, name) in MAKERS and KEPT not in uses):
            return None
        home = import_module(module)
        if not hasattr(home, name):
            raise ModuleNotFoundError(name=f"{module}.{name}")
        return getattr(home, name)

    # --- what is made and called ---

    def _may(self, thing: Any, use: str) -> Named:
        """The name behind a thing, if it has this use. Raises Refused."""
        named = thing if isinstance(thing, Named) else self._kept.get(id(thing))
        if named is None:
            raise Refused("the file makes or calls something that it did not name")
        if use not in named.uses or (named.module, named.name) in INERT:
            raise Refused(
                f"the file {_VERBS[use]} {named.dotted}, which is not allowed", [named.dotted]
            )
        return named

    def _call(self, thing: Any, arguments: Any) -> Any:
        named = self._may(thing, CALLED)
        maker = MAKERS.get((named.module, named.name))
        if maker is not None:
            return maker(*arguments)
        # newObj and the like take the class that they make.
        plain = [self._may(a, MADE).value if isinstance(a, Named) else a for a in arguments]
        return named.value(*plain)

    def load_reduce(self) -> None:
        """REDUCE."""
        arguments = self.stack.pop()
        self.stack[-1] = self._call(self.stack[-1], arguments)

    def load_newobj(self) -> None:
        """NEWOBJ."""
        arguments = self.stack.pop()
        self.stack[-1] = self._new(self.stack[-1], arguments, {})

    def load_newobj_ex(self) -> None:
        """NEWOBJ_EX."""
        named, arguments = self.stack.pop(), self.stack.pop()
        self.stack[-1] = self._new(self.stack[-1], arguments, named)

    def _new(self, thing: Any, arguments: Any, named: Any) -> Any:
        if thing is Wrapper:
            return Wrapper()
        kind = self._may(thing, CALLED if arguments or named else MADE).value
        return kind.__new__(kind, *arguments, **named)

    def _instantiate(self, thing: Any, arguments: Any) -> None:
        """INST and OBJ, of the oldest protocols."""
        self.append(self._call(thing, arguments) if arguments else self._new(thing, (), {}))

    # --- what is filled ---

    def build(self, target: Any, state: Any) -> None:
        """BUILD, never on what others share, and never by what the file itself has put in."""
        if isinstance(target, _SHARED) or id(target) in self._kept:
            raise Refused("the file changes a class or a function instead of an object")
        kind = cast(Any, type(target))
        if issubclass(kind, np.dtype):
            build_element_type(target, state)
        elif issubclass(kind, np.ndarray):
            build_array(target, state)
        elif kind.__module__ == "sklearn.tree._tree":
            build_tree(target, state)
        else:
            # From the class: an object's own attribute of that name came from the file.
            given = getattr(kind, "__setstate__", None)
            self._check_state(kind, given, state)
            given(target, state) if given else target.__dict__.update(state)
        if kind.__module__.startswith("scipy.sparse"):
            target.check_format(full_check=True)

    def _check_state(self, kind: Any, given: Any, state: Any) -> None:
        """Refuses a state that sets names by which Python or numpy finds what to run or read."""
        compiled = given is not None and not isinstance(given, types.FunctionType)
        if compiled or self._allowed.is_own(kind.__module__, kind.__qualname__):
            return
        if not isinstance(state, dict):
            raise Refused("the file gives an object a state that is no dictionary")
        for name, value in cast(dict[Any, Any], state).items():
            _check_attribute(name)
            if isinstance(value, Named):
                self._may(value, KEPT)

    def load_append(self) -> None:
        """APPEND."""
        value = self.stack.pop()
        self._filled(list).append(value)

    def load_appends(self) -> None:
        """APPENDS."""
        values = self.pop_mark()
        self._filled(list).extend(values)

    def load_additems(self) -> None:
        """ADDITEMS."""
        values = self.pop_mark()
        self._filled(set).update(values)

    def load_setitem(self) -> None:
        """SETITEM."""
        value, key = self.stack.pop(), self.stack.pop()
        self._set_items([key, value])

    def load_setitems(self) -> None:
        """SETITEMS."""
        self._set_items(self.pop_mark())

    def _set_items(self, values: list[Any]) -> None:
        filled = self._filled(dict)
        for key, value in zip(values[::2], values[1::2], strict=True):
            if type(filled) not in _DICTIONARIES:
                _check_attribute(key)  # Some dictionaries give their items as attributes.
            filled[key] = value

    def _filled(self, kind: type) -> Any:
        target = self.stack[-1]
        if not isinstance(target, kind):
            raise Refused(f"the file fills an object that is no {kind.__name__}")
        return target

    def array(self, wrapper: Wrapper) -> Any:
        """Reads no more than the stream can hold, whatever the shape claims."""
        kind: Any = checked_type(wrapper.dtype, objects=True)
        shape = tuple(int(n) for n in wrapper.shape)
        named = wrapper.subclass
        if not isinstance(named, Named) or named.name not in ("ndarray", "memmap"):
            raise Refused("the file holds an array of an unknown kind")
        if kind.kind == "O":
            inner = AllowedReader(self.stream, self._allowed, self._left).load()
            if type(inner) is not np.ndarray or inner.shape != shape:
                raise Refused("the file holds an array that is not what it claims")
            return inner
        size = kind.itemsize
        for n in shape:
            size *= n
        if size > self._left or any(n < 0 for n in shape):
            raise Refused("the file claims an array larger than itself")
        self.skip_alignment(wrapper)
        array: Any = np.frombuffer(exactly(self.stream, size), kind)
        if wrapper.order == "F":
            return array.reshape(shape[::-1]).transpose()
        return array.reshape(shape)

    dispatch: ClassVar[Any] = {
        **Reader.dispatch,
        pickle.REDUCE[0]: load_reduce,
        pickle.NEWOBJ[0]: load_newobj,
        pickle.NEWOBJ_EX[0]: load_newobj_ex,
        pickle.APPEND[0]: load_append,
        pickle.APPENDS[0]: load_appends,
        pickle.ADDITEMS[0]: load_additems,
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
    }


def _check_attribute(name: Any) -> None:
    if not isinstance(name, str) or (name[:2] == name[-2:] == "__"):
        raise Refused(f"the file sets {name!r:.40} of an object")


def load(path: Path, allowed: AllowList) -> Any:
    """The object in a pickle or joblib file. Raises Refused, and what broken pickles raise."""
    with opened(path) as stream:
        found = AllowedReader(stream, allowed).load()
    if isinstance(found, Named | type):
        raise Refused("the file holds a class, not a model")
    return found
