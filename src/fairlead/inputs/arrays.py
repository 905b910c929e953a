"""NumPy's own file format as a body: a table of numbers in, an array out. Nothing is unpickled."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from fairlead.core.errors import (
    BodyTooLarge,
    DtypeMismatch,
    MalformedBody,
    ShapeInvalid,
    TooManyRows,
)
from fairlead.core.limits import STANDARD, BodyLimits
from fairlead.core.signature import Signature
from fairlead.core.tensor import Array, Tensor, element_count
from fairlead.inputs.rows import tensors_of

_MOST_ELEMENTS = 1 << 28


def tensors_of_npy(
    body: bytes, signature: Signature, most: int, limits: BodyLimits = STANDARD
) -> list[Tensor]:
    """The tensors of an array: the only input itself, or a table with the model's columns.

    most: rows of a table that are read.
    Raises MalformedBody, DtypeMismatch, ShapeInvalid, TooManyRows, BodyTooLarge for elements that
    take too much memory in the model's datatype, and what `tensors_of` does for a table.
    """
    array = _loaded(body)
    specs = signature.inputs
    if len(specs) == 1 and not specs[0].dtype.is_text:
        spec = specs[0]
        shape = array.shape
        fits = len(shape) == len(spec.shape) and all(
            w in (-1, s) for s, w in zip(shape, spec.shape, strict=True)
        )
        if not fits or 0 in shape:
            raise ShapeInvalid(
                f"input {spec.name!r} has shape {list(spec.shape)} (-1 is any size), "
                f"not {list(shape)}",
                where="body",
            )
        kind = spec.dtype.numpy
        if array.size * kind.itemsize > limits.parsed:
            raise BodyTooLarge(f"as {spec.dtype} the array is larger than {limits.parsed} bytes")
        if not np.can_cast(array.dtype, kind, "same_kind") or _changes(array, kind):
            raise DtypeMismatch(f"the array is {array.dtype}, not {spec.dtype}", where="body")
        return [Tensor(spec.dtype, shape, np.ascontiguousarray(array, kind).tobytes())]
    if array.ndim != 2 or array.shape[1] != len(signature.columns):
        raise ShapeInvalid("the array must be a table with the model's columns", where="body")
    if len(array) > most:
        raise TooManyRows(f"{len(array)} rows in one request; {most} is the limit")
    return tensors_of(array.tolist(), signature)


def _changes(array: Array, kind: Any) -> bool:
    """Whether a whole number would be another one in its new type."""
    return kind.kind in "iu" and bool((array.astype(kind) != array).any())


def _loaded(body: bytes) -> Array:
    """The array of a body. Raises MalformedBody."""
    try:
        file = io.BytesIO(body)
        version: Any = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, fortran, kind = read(file)
        if kind.hasobject or kind.kind not in "biuf":
            raise ValueError(f"arrays of {kind} are not taken")
        count = element_count(shape)
        if count > _MOST_ELEMENTS or len(body) - file.tell() != count * kind.itemsize:
            raise ValueError("its header does not say what follows")
        flat = np.frombuffer(body, kind, count, file.tell())
        return flat.reshape(shape, order="F" if fortran else "C")
    except (ValueError, KeyError, TypeError, SyntaxError, OverflowError) as error:
        raise MalformedBody(f"this is no array file: {str(error)[:120]}", where="body") from None


def npy_of(array: Array) -> bytes:
    """An array as a file. Raises DtypeMismatch for text."""
    if array.dtype.kind not in "biuf":
        raise DtypeMismatch("an output of text cannot be given as an array", fix="Ask for JSON")
    file = io.BytesIO()
    np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
    return file.getvalue()
