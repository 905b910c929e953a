"""Tensors as TensorFlow's TensorProto carries them: as bytes, or one by one by their type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fairlead.core.errors import (
    BodyTooLarge,
    DtypeMismatch,
    DtypeRange,
    ShapeInvalid,
    TextInvalid,
    Unsupported,
)
from fairlead.core.limits import STANDARD
from fairlead.core.preparation import PICTURE
from fairlead.core.signature import TensorSpec
from fairlead.core.tensor import Array, Tensor, element_count

NUMBERS = {
    "FP32": 1, "FP64": 2, "INT32": 3, "UINT8": 4, "INT16": 5, "INT8": 6, "BYTES": 7, "INT64": 9,
    "BOOL": 10, "UINT16": 17, "FP16": 19, "UINT32": 22, "UINT64": 23,
}  # fmt: skip
"""The number of each of our datatypes in TensorFlow."""
_FIELDS = {
    "FP32": "float_val", "FP64": "double_val", "INT32": "int_val", "UINT8": "int_val",
    "INT16": "int_val", "INT8": "int_val", "BYTES": "string_val", "INT64": "int64_val",
    "BOOL": "bool_val", "UINT16": "int_val", "FP16": "half_val", "UINT32": "uint32_val",
    "UINT64": "uint64_val",
}  # fmt: skip
_MOST_DIMS = 16
_REFERENCE = 8


def tensors_of(inputs: Mapping[str, Any], specs: Sequence[TensorSpec], most: int) -> list[Tensor]:
    """The tensors of a request, which has all of them. Raises as `tensor_of`.

    most: bytes that all elements which a request does not carry itself may take together.
    """
    made: list[Tensor] = []
    for spec in specs:
        proto = inputs[spec.name]
        made.append(tensor_of(proto, spec, most))
        if not proto.tensor_content:
            most -= _size(spec, element_count(made[-1].shape))
    return made


def _size(spec: TensorSpec, count: int) -> int:
    """Bytes that so many elements take; texts are references to one."""
    return count * (_REFERENCE if spec.dtype.is_text else spec.dtype.itemsize)


def tensor_of(proto: Any, spec: TensorSpec, most: int = STANDARD.parsed) -> Tensor:
    """The tensor of an input.

    Where there are fewer elements than the shape has, the last stands for those that follow: a few
    bytes can ask for any size, so `most` bytes are made of them.
    Raises DtypeMismatch, ShapeInvalid, DtypeRange, TextInvalid, BodyTooLarge.
    """
    if proto.dtype != NUMBERS[spec.dtype.name]:
        raise DtypeMismatch(f"input {spec.name!r} is {spec.dtype}", where=spec.name)
    shape = _shape(proto, spec)
    count = element_count(shape)
    carried = bool(proto.tensor_content) or len(getattr(proto, _FIELDS[spec.dtype.name])) >= count
    if not carried and _size(spec, count) > most:
        raise BodyTooLarge(
            f"input {spec.name!r} of shape {list(shape)} is larger than a request may be",
            where=spec.name,
        )
    if spec.dtype.is_text:
        return Tensor(spec.dtype, shape, _texts(proto, spec, count))
    if proto.tensor_content:
        raw: bytes = proto.tensor_content
        if len(raw) != count * spec.dtype.itemsize:
            raise ShapeInvalid(
                f"input {spec.name!r} has {len(raw)} bytes for {count} elements", where=spec.name
            )
        if spec.dtype.name == "BOOL" and raw.translate(None, b"\0\1"):
            raise DtypeRange(f"input {spec.name!r} holds a BOOL that is neither", where=spec.name)
        return Tensor(spec.dtype, shape, raw)
    return Tensor(spec.dtype, shape, _numbers(proto, spec, count))


def _shape(proto: Any, spec: TensorSpec) -> tuple[int, ...]:
    dims = [dim.size for dim in proto.tensor_shape.dim[: _MOST_DIMS + 1]]
    wanted = spec.shape
    if len(dims) == len(wanted) - 1 and wanted[-1] == 1:
        dims.append(1)
    fits = (
        len(dims) == len(wanted) <= _MOST_DIMS
        and not proto.tensor_shape.unknown_rank
        and all(d > 0 and w in (-1, d) for d, w in zip(dims, wanted, strict=True))
    )
    if not fits:
        raise ShapeInvalid(
            f"input {spec.name!r} has shape {list(wanted)} (-1 is any size), not {dims[:20]}",
            where=spec.name,
        )
    return tuple(dims)


def _numbers(proto: Any, spec: TensorSpec, count: int) -> bytes:
    field = _FIELDS[spec.dtype.name]
    values: Any = getattr(proto, field)
    if len(values) > count:
        raise ShapeInvalid(
            f"input {spec.name!r} has {len(values)} elements, its shape has {count}",
            where=spec.name,
        )
    kind = spec.dtype.numpy
    if field == "half_val":
        given = np.fromiter(values, np.int64, len(values))
        if given.size and (given.min() < 0 or given.max() > 0xFFFF):
            raise DtypeRange(f"input {spec.name!r} holds no 16-bit numbers", where=spec.name)
        made: Array = given.astype(np.uint16).view(np.float16)
    else:
        wide = np.int64 if field == "int_val" else kind
        given = np.fromiter(values, wide, len(values))
        if field == "int_val" and given.size and kind != np.int32:
            limits = np.iinfo(kind)
            if given.min() < limits.min or given.max() > limits.max:
                raise DtypeRange(
                    f"input {spec.name!r} holds a number that {spec.dtype} cannot", where=spec.name
                )
        made = given.astype(kind)
    if not made.size:
        made = np.zeros(1, kind)
    if made.size < count:
        made = np.concatenate([made, np.full(count - made.size, made[-1], kind)])
    return made.tobytes()


def _texts(proto: Any, spec: TensorSpec, count: int) -> list[Any]:
    if proto.tensor_content:
        raise Unsupported("texts come in string_val", where=spec.name)
    values: list[bytes] = list(proto.string_val)
    if len(values) > count:
        raise ShapeInvalid(
            f"input {spec.name!r} has {len(values)} texts, its shape has {count}", where=spec.name
        )
    if spec.role == PICTURE:
        pictures = values or [b""]
        return pictures + [pictures[-1]] * (count - len(pictures))
    try:
        texts = [value.decode() for value in values] or [""]
    except UnicodeDecodeError:
        raise TextInvalid(
            f"a text of input {spec.name!r} is not UTF-8, and this model takes text",
            where=spec.name,
        ) from None
    return texts + [texts[-1]] * (count - len(texts))


def fill(proto: Any, spec: TensorSpec, array: Array) -> None:
    """Writes an output as TensorFlow Serving does: each element in the field of its type."""
    proto.dtype = NUMBERS[spec.dtype.name]
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    flat = array.reshape(-1)
    if spec.dtype.is_text:
        proto.string_val.extend([v if isinstance(v, bytes) else str(v).encode() for v in flat])
    elif spec.dtype.name == "FP16":
        proto.half_val.extend(np.ascontiguousarray(flat).view(np.uint16).tolist())
    else:
        getattr(proto, _FIELDS[spec.dtype.name]).extend(flat.tolist())
