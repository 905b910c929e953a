"""What stands in for constructors that believe whatever a file says.

Standalone: the standard library and numpy. Given forged element types or buffers, numpy's own
constructors make arrays of object pointers out of the file's bytes; these check every claim first.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from importlib import import_module
from typing import Any, cast

import numpy as np

from fairlead.packing.airlock.refused import Refused

_ELEMENT = re.compile(r"[<>|=]?(?:[?biufcSUVO]\d*|[mM]8(?:\[\d*[A-Za-z]{1,2}\])?)\Z", re.ASCII)
_MOST_FIELDS = 1000
_BIT_GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")


class Named:
    """An object that the file may name but not hold: the reader alone can use it.

    module, name: as the file names it. uses: what the file may do with it.
    """

    __slots__ = ("module", "name", "uses", "value")

    def __init__(self, module: str, name: str, uses: frozenset[str], value: Any) -> None:
        self.module, self.name = module, name
        self.uses, self.value = uses, value

    @property
    def dotted(self) -> str:
        return f"{self.module}.{self.name}"


# --- element types ------------------------------------------------------------------------


def element_type(text: Any = "", align: Any = False, copy: Any = False) -> Any:
    """A fresh element type that no other array has yet. Raises Refused."""
    if not isinstance(text, str) or not _ELEMENT.match(text):
        raise Refused(f"the file holds an array of an unknown element type {text!r:.40}")
    return cast(Any, np).dtype(text, False, True)


def build_element_type(base: Any, state: Any) -> None:
    """Gives an element type its byte order, unit or fields, as numpy would have described them.

    Arrays may have it already, so neither its size nor what its bytes are may change.
    """
    try:
        wanted = _described(base, state)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise Refused(f"the file holds a broken element type: {error}") from None
    if wanted.itemsize != base.itemsize or wanted.hasobject != base.hasobject:
        raise Refused("the file holds an element type that is not what it claims")
    base.__setstate__(wanted.__reduce__()[2])


def _described(base: Any, state: Any) -> Any:
    _, order, inner, names, fields, _, _, flags, *more = state
    if inner is not None or order not in ("<", ">", "|", "="):
        raise ValueError("of a kind that no model has")
    if names is not None:
        return _with_fields(base, names, fields, bool(flags & 0x80))
    if more and base.kind in "mM":
        unit, count, _, _ = more[0][1]
        return element_type(f"{base.kind}8[{int(count)}{bytes(unit).decode()}]").newbyteorder(order)
    return base.newbyteorder(order) if order in "<>" else base


def _with_fields(base: Any, names: Any, fields: Any, aligned: bool) -> Any:
    if base.kind != "V" or len(names) > _MOST_FIELDS or set(names) != set(fields):
        raise ValueError("its fields do not fit it")
    entries = [fields[name] for name in names]
    told = {
        "names": [str(name) for name in names],
        "formats": [entry[0] for entry in entries],
        "offsets": [int(entry[1]) for entry in entries],
        "itemsize": base.itemsize,
    }
    if any(not isinstance(kind, np.dtype) or kind.hasobject for kind in told["formats"]):
        raise ValueError("it has objects in it")
    return cast(Any, np).dtype(told, align=aligned)


def checked_type(kind: Any, *, objects: bool = False) -> Any:
    """An element type whose elements are plain bytes; `objects` also lets plain objects through."""
    if not isinstance(kind, np.dtype):
        raise Refused("the file holds an array without an element type")
    if kind.hasobject and not (objects and kind.kind == "O"):
        raise Refused("the file holds an array with objects where numbers belong")
    return cast(Any, kind)


# --- arrays -------------------------------------------------------------------------------


def empty_array(kind: Any, shape: Any, _: Any) -> Any:
    """The empty array that a state will fill."""
    if not isinstance(kind, Named) or kind.name != "ndarray" or shape != (0,):
        raise Refused("the file holds an array of an unknown kind")
    return np.empty((0,), np.uint8)


def empty_masked_array(kind: Any, base: Any, shape: Any, _: Any) -> Any:
    """The empty masked array that a state will fill."""
    named = isinstance(kind, Named) and isinstance(base, Named)
    if not named or (kind.name, base.name) != ("MaskedArray", "ndarray") or shape != (0,):
        raise Refused("the file holds an array of an unknown kind")
    return np.ma.masked_array(np.empty((0,), np.uint8), mask=np.empty((0,), np.bool_))


def build_array(array: Any, state: Any) -> None:
    """Fills an array made here. numpy checks shape against data; the element type is ours."""
    _, _, kind, _, data, *_ = state
    checked_type(kind, objects=isinstance(data, list))
    cast(Any, type(array)).__setstate__(array, state)


def array_of_buffer(data: Any, kind: Any, shape: Any, order: Any, axes: Any = None) -> Any:
    """An array over bytes of the file."""
    if not isinstance(data, bytes | bytearray) or order not in ("C", "F", "K"):
        raise Refused("the file holds an array that is not what it claims")
    array: Any = np.frombuffer(data, checked_type(kind))
    if order == "K" and axes is not None:
        return array.reshape(shape, order="C").transpose(axes)
    return array.reshape(shape, order=order)


def scalar(kind: Any, data: Any) -> Any:
    """One number or text of numpy's."""
    if isinstance(data, str):
        data = data.encode("latin1")
    if not isinstance(data, bytes) or len(data) != checked_type(kind).itemsize:
        raise Refused("the file holds a number that is not what it claims")
    return np.frombuffer(data, kind)[0] if data else kind.type()


# --- the rest -----------------------------------------------------------------------------


def text_as_bytes(text: Any, encoding: Any = "latin1") -> bytes:
    """How older protocols write bytes."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise Refused("the file encodes text by another codec than its own bytes need")
    return text.encode("latin1")


def bit_generator(kind: Any = "MT19937") -> Any:
    """A random bit generator of numpy's, whose state follows."""
    name = kind.name if isinstance(kind, Named) else kind
    if name not in _BIT_GENERATORS:
        raise Refused("the file names a random generator that is not numpy's")
    return getattr(np.random, name)()


def generator(bits: Any = "MT19937", *_: Any) -> Any:
    """A generator over such bits; older files name them."""
    return np.random.Generator(_bits(bits))


def random_state(bits: Any = "MT19937", *_: Any) -> Any:
    """A generator of the older kind over such bits."""
    return np.random.RandomState(_bits(bits))


def _bits(bits: Any) -> Any:
    return bits if isinstance(bits, np.random.BitGenerator) else bit_generator(bits)


def tree(features: Any, classes: Any, outputs: Any) -> Any:
    """The empty tree of a scikit-learn forest; it reads as many class counts as it is told."""
    counted = type(classes) is np.ndarray and classes.dtype == np.intp
    if not counted or classes.shape != (outputs,) or outputs < 1:
        raise Refused("the file holds a tree that is not what it claims")
    return import_module("sklearn.tree._tree").Tree(features, classes, outputs)


def build_tree(made: Any, state: Any) -> None:
    """Gives a tree its nodes, of which every child comes after its parent and inside the tree."""
    nodes, count = state["nodes"], state["node_count"]
    left, right = nodes["left_child"], nodes["right_child"]
    inner = left != -1
    own = np.arange(len(nodes))[inner]
    sound = count == len(nodes) and all(
        bool(((side[inner] > own) & (side[inner] < count)).all()) for side in (left, right)
    )
    if not sound or not bool((nodes["feature"] < made.n_features).all()):
        raise Refused("the file holds a tree whose branches lead nowhere")
    made.__setstate__(state)


def _plain(kind: Any, *takes: type) -> Callable[..., Any]:
    """A builtin called with values of these types and no other."""

    def make(*arguments: Any) -> Any:
        if any(type(argument) not in takes for argument in arguments):
            raise Refused(f"the file makes a {kind.__name__} of something else than plain values")
        return kind(*arguments)

    return make


_RANDOM = "numpy.random._pickle"
_PLAINLY: dict[type, tuple[type, ...]] = {
    bytearray: (bytes, str),
    bytes: (bytes,),
    complex: (float, int),
    frozenset: (list, tuple, set),
    range: (int,),
    set: (list, tuple),
    slice: (int, type(None)),
    datetime.date: (int, bytes),
    datetime.datetime: (int, bytes),
    datetime.timedelta: (int,),
}


def _by_name() -> dict[tuple[str, str], Callable[..., Any]]:
    found: dict[tuple[str, str], Callable[..., Any]] = {
        ("numpy", "dtype"): element_type,
        ("numpy.ma.core", "_mareconstruct"): empty_masked_array,
        ("_codecs", "encode"): text_as_bytes,
        (_RANDOM, "__bit_generator_ctor"): bit_generator,
        (_RANDOM, "__generator_ctor"): generator,
        (_RANDOM, "__randomstate_ctor"): random_state,
        ("sklearn.tree._tree", "Tree"): tree,
    }
    for core in ("numpy._core", "numpy.core"):
        found[f"{core}.multiarray", "_reconstruct"] = empty_array
        found[f"{core}.multiarray", "scalar"] = scalar
        found[f"{core}.numeric", "_frombuffer"] = array_of_buffer
    for kind, takes in _PLAINLY.items():
        found[kind.__module__, kind.__name__] = _plain(kind, *takes)
    return found


MAKERS = _by_name()
"""What is called in the place of an object that a file may call, by module and name."""
INERT = frozenset(
    [("numpy", "ndarray"), ("numpy.ma", "MaskedArray"), ("numpy.ma.core", "MaskedArray")]
    + [(home, "memmap") for home in ("numpy", "numpy.core.memmap", "numpy._core.memmap")]
)
"""Names that only tell a maker what to make; nothing is ever done with the object itself."""
