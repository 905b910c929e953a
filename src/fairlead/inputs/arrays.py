"""NumPy's own file formats as a body: arrays in, arrays out. Nothing is unpickled.

`.npy` holds one array: the only input, or a table of numbers with the model's columns. `.npz` holds
several by name: inputs, or columns.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fairlead.core.errors import (
    BodyTooLarge,
    DtypeMismatch,
    MalformedBody,
    MissingField,
    ShapeInvalid,
    TooManyRows,
    UnknownName,
)
from fairlead.core.limits import STANDARD, BodyLimits
from fairlead.core.signature import Signature, TensorSpec
from fairlead.core.tensor import Array, Tensor, element_count
from fairlead.inputs.columns import tensors_of_columns
from fairlead.inputs.rows import listed, tensors_of

_MOST_ELEMENTS = 1 << 28
_MOST_MEMBERS = 10_000


def tensors_of_npy(
    body: bytes, signature: Signature, most: int, limits: BodyLimits = STANDARD
) -> list[Tensor]:
    """The tensors of an array: the only input itself, or a table with the model's columns.

    most: rows of a table that are read.
    Raises MalformedBody, DtypeMismatch, ShapeInvalid, TooManyRows, BodyTooLarge for elements that
    take too much memory in the model's datatype, and what `tensors_of` does for a table.
    """
    return _of_array(_loaded(body, "biuf"), signature, most, limits)


def tensors_of_npz(
    body: bytes, signature: Signature, most: int, limits: BodyLimits = STANDARD
) -> list[Tensor]:
    """The tensors of arrays that are named as the inputs or the columns are.

    A file with one array may name it as it likes. Raises as `tensors_of_npy`, and MissingField and
    UnknownName.
    """
    arrays = _members(body, limits)
    names = [spec.name for spec in signature.inputs]
    columns = {column.name for column in signature.columns}
    if len(arrays) == 1 and not arrays.keys() & {*names, *columns}:
        return _of_array(next(iter(arrays.values())), signature, most, limits)
    if arrays.keys() != {*names} and arrays.keys() & columns:
        return _of_columns(arrays, signature, most)
    for name in arrays:
        if name not in names:
            raise UnknownName(
                f"the model has no input {name[:80]!r}",
                where="body",
                fix=f"Inputs: {listed(names)}",
            )
    for spec in signature.inputs:
        if spec.name not in arrays:
            raise MissingField(f"the input {spec.name!r} is missing", where=spec.name)
    return [_of_input(arrays[spec.name], spec, limits) for spec in signature.inputs]


def _of_array(array: Array, signature: Signature, most: int, limits: BodyLimits) -> list[Tensor]:
    """The tensors of one array."""
    specs = signature.inputs
    if len(specs) == 1 and not specs[0].dtype.is_text:
        return [_of_input(array, specs[0], limits)]
    if array.ndim != 2 or array.shape[1] != len(signature.columns):
        raise ShapeInvalid("the array must be a table with the model's columns", where="body")
    if len(array) > most:
        raise TooManyRows(f"{len(array)} rows in one request; {most} is the limit")
    return tensors_of(array.tolist(), signature)


def _of_columns(arrays: Mapping[str, Array], signature: Signature, most: int) -> list[Tensor]:
    """The tensors of one array for each column."""
    given: dict[str, Any] = {}
    for name, array in arrays.items():
        if array.ndim != 1:
            raise ShapeInvalid(f"the column {name[:80]!r} must have one dimension", where="body")
        if len(array) > most:
            raise TooManyRows(f"{len(array)} rows in one request; {most} is the limit")
        given[name] = array.tolist()
    return tensors_of_columns(given, signature)


def _of_input(array: Array, spec: TensorSpec, limits: BodyLimits) -> Tensor:
    """The tensor of an input, unless the array would have to change for it."""
    shape, kind = array.shape, spec.dtype.numpy
    fits = len(shape) == len(spec.shape) and all(
        w in (-1, s) for s, w in zip(shape, spec.shape, strict=True)
    )
    if not fits or 0 in shape:
        raise ShapeInvalid(
            f"input {spec.name!r} has shape {list(spec.shape)} (-1 is any size), not {list(shape)}",
            where="body",
        )
    if spec.dtype.is_text:
        if array.dtype.kind != "U":
            raise DtypeMismatch(f"the array is {array.dtype}, not text", where=spec.name)
        return Tensor(spec.dtype, shape, array.reshape(-1).tolist())
    if array.size * kind.itemsize > limits.parsed:
        raise BodyTooLarge(f"as {spec.dtype} the array is larger than {limits.parsed} bytes")
    if not np.can_cast(array.dtype, kind, "same_kind") or _changes(array, kind):
        raise DtypeMismatch(f"the array is {array.dtype}, not {spec.dtype}", where="body")
    return Tensor(spec.dtype, shape, np.ascontiguousarray(array, kind).tobytes())


def _changes(array: Array, kind: Any) -> bool:
    """Whether a whole number would be another one in its new type."""
    return kind.kind in "iu" and bool((array.astype(kind) != array).any())


def _members(body: bytes, limits: BodyLimits) -> dict[str, Array]:
    """The arrays of an archive by name. Raises MalformedBody, BodyTooLarge."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            entries = archive.infolist()
            if len(entries) > _MOST_MEMBERS:
                raise BodyTooLarge(f"the archive has more than {_MOST_MEMBERS} arrays")
            if sum(entry.file_size for entry in entries) > limits.parsed:
                raise BodyTooLarge(f"the archive unpacks to more than {limits.parsed >> 20} MiB")
            found: dict[str, Array] = {}
            for entry in entries:
                with archive.open(entry) as member:
                    # Never more than was declared, whatever the archive holds.
                    raw = member.read(entry.file_size)
                found[entry.filename.removesuffix(".npy")] = _loaded(raw, "biufU")
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise MalformedBody(
            f"this is no archive of arrays: {str(error)[:120]}", where="body"
        ) from None
    if len(found) != len(entries) or not found:
        raise MalformedBody("the archive names an array twice, or holds none", where="body")
    return found


def _loaded(body: bytes, kinds: str) -> Array:
    """The array of a body. Raises MalformedBody, also for a kind that is not among `kinds`."""
    try:
        file = io.BytesIO(body)
        version: Any = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, fortran, kind = read(file)
        if kind.hasobject or kind.kind not in kinds:
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


def npz_of(names: Sequence[str], arrays: Sequence[Array]) -> bytes:
    """Arrays by name as one archive. Raises DtypeMismatch for text."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in zip(names, arrays, strict=True):
            archive.writestr(f"{name}.npy", npy_of(array))
    return file.getvalue()
