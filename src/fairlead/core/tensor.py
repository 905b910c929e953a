"""Tensors as they travel: a datatype, a shape and bytes.

A `Tensor` keeps the packed bytes of its elements, so that joining the rows of many calls is
one `bytes.join` and one numpy view. It is not an array library: arithmetic happens in numpy.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairlead.core.datatypes import DTYPES, DType

Array = NDArray[Any]

if sys.byteorder != "little":  # pragma: no cover - no such machine is supported
    raise ImportError("Fairlead needs a little-endian machine")


_BY_NUMPY = {d.numpy.str: d for d in DTYPES.values()}


def dtype_of(array: Array) -> DType:
    """The datatype of an array; text of any numpy kind is BYTES. Raises KeyError for others."""
    if array.dtype.kind in "OUST":
        return DTYPES["BYTES"]
    return _BY_NUMPY[array.dtype.newbyteorder("=").str.replace(">", "<")]


def element_count(shape: Sequence[int]) -> int:
    """Product of a shape in exact integers (numpy's wraps around at 2**64)."""
    count = 1
    for dim in shape:
        count *= dim
    return count


class Tensor:
    """Elements of one datatype in row-major order.

    `data` holds the packed little-endian elements, or for BYTES a flat list of str.
    """

    __slots__ = ("data", "dtype", "shape")

    def __init__(
        self, dtype: DType, shape: tuple[int, ...], data: bytes | memoryview | list[str]
    ) -> None:
        self.dtype = dtype
        self.shape = shape
        self.data = data

    @property
    def array(self) -> Array:
        """The tensor as a read-only numpy view (a new object array for BYTES)."""
        return join([self])

    @classmethod
    def of(cls, array: Array) -> Tensor:
        """A tensor with the elements of `array`; text elements become str."""
        dtype = dtype_of(array)
        if dtype.is_text:
            flat = [v.decode() if isinstance(v, bytes) else str(v) for v in array.ravel().tolist()]
            return cls(dtype, array.shape, flat)
        return cls(dtype, array.shape, np.ascontiguousarray(array).tobytes())


def join(tensors: Sequence[Tensor], rows: int = -1) -> Array:
    """All tensors stacked along their first axis, as one array of `rows` rows (-1: counted).

    They must share datatype and trailing shape; a single tensor of rank 0 is returned as it is.
    """
    first = tensors[0]
    shape = first.shape
    if len(tensors) > 1:
        shape = (rows if rows >= 0 else sum(t.shape[0] for t in tensors), *shape[1:])
    if first.dtype.is_text:
        flat: list[Any] = []
        for tensor in tensors:
            flat.extend(tensor.data)
        array: Array = np.empty(len(flat), dtype=object)
        array[:] = flat
        return array.reshape(shape)
    data = first.data if len(tensors) == 1 else b"".join([t.data for t in tensors])  # type: ignore[misc]
    return np.frombuffer(data, first.dtype.numpy).reshape(shape)  # type: ignore[arg-type]
