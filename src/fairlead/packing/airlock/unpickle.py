"""Pickles and joblib files under an exact allow-list, enforced at the unpickler itself.

Standalone: the standard library and numpy. What is not on the list is never imported, and there
is no second parser that could see the file differently. A joblib file is a pickle with the bytes
of its arrays in between; both are read here, compressed or not, within a bound.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import sys
import types
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

MOST_BYTES = 16 << 30
_WRAPPERS = {
    ("joblib.numpy_pickle", "NumpyArrayWrapper"),
    ("sklearn.externals.joblib.numpy_pickle", "NumpyArrayWrapper"),
}
_PLAIN = (str, bytes, int, float, complex, bool, type(None), np.generic)
_PIECE = 1 << 20


class Refused(Exception):
    """The file names objects that are not allowed, or lies about itself.

    names: the objects, as "module.name".
    """

    def __init__(self, what: str, names: list[str] | None = None) -> None:
        super().__init__(what)
        self.names = names or []


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

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream, encoding="latin1")
        self.stream = stream

    def load_build(self) -> None:
        """BUILD, but never on what many objects share."""
        target = self.stack[-2]
        if isinstance(
            target, type | types.FunctionType | types.ModuleType | types.BuiltinMethodType
        ):
            raise Refused("the file changes a class or a function instead of an object")
        super().load_build()  # type: ignore[misc]
        if self.stack[-1].__class__ is Wrapper:
            self.stack[-1] = self.array(self.stack[-1])

    dispatch[pickle.BUILD[0]] = load_build

    def array(self, wrapper: Wrapper) -> Any:
        """The array whose bytes follow in the stream."""
        raise NotImplementedError

    def skip_alignment(self, wrapper: Wrapper) -> None:
        """Some files pad an array to an aligned place; the first byte says by how much."""
        if wrapper.numpy_array_alignment_bytes is not None:
            self.stream.read(self.stream.read(1)[0])


class AllowedReader(Reader):
    """Makes the objects of a file, all of whose names are on the list."""

    def __init__(self, stream: BinaryIO, allowed: frozenset[tuple[str, str]], left: int) -> None:
        super().__init__(stream)
        self._allowed = allowed
        self._left = left

    def find_class(self, module: str, name: str) -> Any:
        """The object of exactly this module and name. Raises Refused."""
        if (module, name) in _WRAPPERS:
            return Wrapper
        if (module, name) not in self._allowed:
            raise Refused(f"{module}.{name} is not allowed", [f"{module}.{name}"])
        return super().find_class(module, name)

    def load_build(self) -> None:
        """BUILD; an array of objects may hold plain values and allowed objects only."""
        super().load_build()
        built = self.stack[-1]
        if isinstance(built, np.ndarray) and built.dtype.hasobject and built.dtype.kind != "O":
            raise Refused("the file holds a structured array with objects in it")

    dispatch: ClassVar[Any] = {**Reader.dispatch, pickle.BUILD[0]: load_build}

    def array(self, wrapper: Wrapper) -> Any:
        """Reads no more than the stream can hold, whatever the shape claims."""
        dtype = np.dtype(wrapper.dtype)
        shape = tuple(int(n) for n in wrapper.shape)
        if wrapper.subclass not in (np.ndarray, np.memmap) or any(n < 0 for n in shape):
            raise Refused("the file holds an array of an unknown kind")
        if dtype.kind == "O":
            inner = AllowedReader(self.stream, self._allowed, self._left).load()
            if not isinstance(inner, np.ndarray) or inner.shape != shape:
                raise Refused("the file holds an array that is not what it claims")
            return inner
        if dtype.hasobject:
            raise Refused("the file holds a structured array with objects in it")
        size = dtype.itemsize
        for n in shape:
            size *= n
        if size > self._left:
            raise Refused("the file claims an array larger than itself")
        self.skip_alignment(wrapper)
        data = _exactly(self.stream, size)
        array = np.frombuffer(data, dtype)
        if wrapper.order == "F":
            return array.reshape(shape[::-1]).transpose()
        return array.reshape(shape)


def load(path: Path, allowed: frozenset[tuple[str, str]]) -> Any:
    """The object in a pickle or joblib file. Raises Refused, and what broken pickles raise."""
    with opened(path) as stream:
        return AllowedReader(stream, allowed, MOST_BYTES).load()


def opened(path: Path) -> BinaryIO:
    """The file's bytes, decompressed within the bound."""
    raw = path.open("rb")
    head = raw.read(6)
    raw.seek(0)
    for magic, unpacker in _UNPACKERS.items():
        if head.startswith(magic):
            return io.BufferedReader(_Bounded(unpacker(raw)), _PIECE)  # type: ignore[return-value]
    if head.startswith(b"\x04\x22\x4d\x18"):
        raise Refused("the file is compressed by lz4: save it with another compression")
    return raw


class _Bounded(io.RawIOBase):
    """A decompressing stream that ends the reading beyond the bound."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._left = MOST_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._inner.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise Refused(f"the file decompresses to more than {MOST_BYTES >> 30} GiB")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._inner.close()
        super().close()


class _Zlib:
    """Reads a bare zlib stream, a piece at a time."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._machine = zlib.decompressobj()

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, b"" at the end."""
        while not self._machine.eof:
            pending = self._machine.unconsumed_tail or self._raw.read(_PIECE)
            if not pending:
                break
            data = self._machine.decompress(pending, size)
            if data:
                return data
        return b""

    def close(self) -> None:
        """Closes the file."""
        self._raw.close()


def _exactly(stream: BinaryIO, size: int) -> bytearray:
    """`size` bytes, gathered as they come, so a false claim costs nothing."""
    data = bytearray()
    while len(data) < size:
        piece = stream.read(min(_PIECE, size - len(data)))
        if not piece:
            raise Refused("the file is shorter than the arrays that it claims")
        data += piece
    return data


def allowed(extra: list[str]) -> frozenset[tuple[str, str]]:
    """Every (module, name) pair that a pickle may name: ours, and the owner's dotted names."""
    house = sys.modules["fairlead"].__path__[0]
    text = (Path(house) / "packing" / "airlock" / "allowed.txt").read_text(encoding="ascii")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    pairs = [line.split() for line in lines]
    own = [name.rpartition(".") for name in extra]
    return frozenset([(p[0], p[1]) for p in pairs] + [(o[0], o[2]) for o in own])


_UNPACKERS: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": lambda raw: gzip.GzipFile(fileobj=raw),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
    b"\x5d\x00\x00": lzma.LZMAFile,
    b"\x78": _Zlib,
}
"""What decompresses a file, by its first bytes."""
