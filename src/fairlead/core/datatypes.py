"""Datatypes by their names on the wire. What only names them needs no numpy: a process that reads
packages and executes nothing starts the sooner, and is the smaller.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


class DType:
    """One element type: its wire name (Open Inference Protocol), numpy type and `struct` letter.

    plain: neither text nor BOOL, so that `struct` alone decides what is a value of it. numpy: the
    type there, which imports numpy when it is asked for the first time.
    """

    __slots__ = (
        "_packers", "code", "is_float", "is_text", "itemsize", "letter", "name", "numpy", "plain",
    )  # fmt: skip
    numpy: np.dtype[Any]

    def __init__(self, name: str, code: str, letter: str) -> None:
        self.name = name
        self.code = code
        self.letter = letter
        self.is_text = letter == ""
        self.is_float = code[0] == "f"
        self.plain = letter not in ("", "?")
        self.itemsize = 0 if self.is_text else struct.calcsize(f"<{letter}")
        self._packers: dict[int, Callable[..., bytes]] = {}

    def __getattr__(self, name: str) -> np.dtype[Any]:
        """Only of what is not there yet: afterwards it is a slot like the others."""
        if name != "numpy":
            raise AttributeError(name)
        import numpy

        self.numpy = numpy.dtype(self.code)
        return self.numpy

    def __repr__(self) -> str:
        return self.name

    def packer(self, count: int) -> Callable[..., bytes]:
        """Packs `count` values given as arguments into little-endian bytes.

        Raises struct.error or OverflowError for a value that the type cannot hold.
        """
        found = self._packers.get(count)
        if found is None:
            if len(self._packers) >= _PACKERS_KEPT:
                self._packers.clear()
            found = self._packers[count] = struct.Struct(f"<{count}{self.letter}").pack
        return found


_PACKERS_KEPT = 256
_ALL = [
    DType("BOOL", "?", "?"),
    DType("UINT8", "u1", "B"),
    DType("UINT16", "u2", "H"),
    DType("UINT32", "u4", "I"),
    DType("UINT64", "u8", "Q"),
    DType("INT8", "i1", "b"),
    DType("INT16", "i2", "h"),
    DType("INT32", "i4", "i"),
    DType("INT64", "i8", "q"),
    DType("FP16", "f2", "e"),
    DType("FP32", "f4", "f"),
    DType("FP64", "f8", "d"),
    DType("BYTES", "O", ""),
]
DTYPES: dict[str, DType] = {d.name: d for d in _ALL}
"""Every datatype by its wire name."""
