"""Rows and columns as the protocols of TensorFlow Serving, KServe and the clouds carry them.

An instance is a value, an object by input name, or an object by column name. Where an input has one
value a row, the value may stand alone or in a list.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Sequence
from typing import Any

from fairlead.core.errors import (
    DtypeMismatch,
    MalformedBody,
    MissingField,
    ShapeInvalid,
    TextInvalid,
    UnknownName,
)
from fairlead.core.signature import Signature, TensorSpec
from fairlead.core.tensor import Tensor
from fairlead.inputs.elements import packed
from fairlead.inputs.rows import listed, tensors_of

_BINARY = "b64"
_MOST_DIMS = 16
_EXACT = 1 << 53
"""Beyond it a float may have been rounded on its way."""


def of_instances(
    instances: Sequence[Any], signature: Signature, *, whole: bool = False
) -> list[Tensor]:
    """The tensors of rows. Raises MalformedBody and whatever says what is wrong with a value.

    whole: a number such as 3.0 may stand for the integer, as it must where a platform's client
    sends every number so.
    """
    if not instances:
        raise MalformedBody("there is no instance", where="instances")
    if not signature.batched:
        raise MalformedBody("this model takes whole tensors, not rows", fix="Send `inputs`")
    names = [spec.name for spec in signature.inputs]
    first: Any = instances[0]
    if first.__class__ is dict and set(first) != {_BINARY}:
        if first.keys() == {*names}:
            return [_input(s, _picked(instances, s.name), whole) for s in signature.inputs]
        return tensors_of(instances, signature)
    if len(names) == 1:
        return [_input(signature.inputs[0], instances, whole)]
    if signature.columns and first.__class__ is list:
        return tensors_of(instances, signature)
    raise MalformedBody(f"an instance must be an object with {listed(names)}", where="instances[0]")


def _picked(instances: Sequence[Any], name: str) -> list[Any]:
    """One input of every instance."""
    found: list[Any] = []
    for number, one in enumerate(instances):
        if one.__class__ is not dict or name not in one:
            raise MissingField(f"instance {number} lacks {name!r}", where=f"instances[{number}]")
        if len(one) != len(instances[0]):
            raise UnknownName(f"instance {number} has other keys than the first", where="instances")
        found.append(one[name])
    return found


def of_columns(value: Any, signature: Signature) -> list[Tensor]:
    """The tensors of an object by input name, or of the only input's value alone."""
    specs = signature.inputs
    if value.__class__ is dict and set(value) != {_BINARY}:
        missing = [spec.name for spec in specs if spec.name not in value]
        if missing:
            raise MissingField(
                f"input {missing[0]!r} is missing",
                where="inputs",
                fix=f"Inputs: {listed([spec.name for spec in specs])}",
            )
        made = [_tensor(spec, value[spec.name]) for spec in specs]
    elif len(specs) == 1:
        made = [_tensor(specs[0], value)]
    else:
        raise MalformedBody("`inputs` must be an object by input name", where="inputs")
    if signature.batched and len({tensor.shape[0] for tensor in made}) > 1:
        raise ShapeInvalid("the inputs have different numbers of rows", where="inputs")
    return made


def _input(spec: TensorSpec, rows: Sequence[Any], whole: bool) -> Tensor:
    values = list(rows)
    if whole and not spec.dtype.is_float and spec.dtype.plain:
        values = _wholes(values)
    return _tensor(spec, values)


def _wholes(values: list[Any]) -> list[Any]:
    """Lists with the floats that are whole as integers."""
    made: list[Any] = []
    for value in values:
        if value.__class__ is list:
            made.append(_wholes(value))
        elif value.__class__ is float and value.is_integer() and abs(value) <= _EXACT:
            made.append(int(value))
        else:
            made.append(value)
    return made


def _tensor(spec: TensorSpec, value: Any) -> Tensor:
    """A value in lists as deep as its tensor has dimensions."""
    shape = _shape(value)
    wanted = spec.shape
    if len(shape) == len(wanted) - 1 and wanted[-1] in (1, -1):
        shape = [*shape, 1]  # a bare value where a list of one belongs
    fits = len(shape) == len(wanted) and all(
        w in (-1, s) for s, w in zip(shape, wanted, strict=True)
    )
    if not fits or 0 in shape:
        raise ShapeInvalid(
            f"input {spec.name!r} has shape {list(wanted)} (-1 is any size), not {shape}",
            where=spec.name,
        )
    data: list[Any] = value if value.__class__ is list else [value]
    if spec.dtype.is_text:
        data = _texts(data, spec.name)
    return packed(spec, shape, data)


def _shape(value: Any) -> list[int]:
    """The shape of nested lists, read off their first elements."""
    shape: list[int] = []
    while value.__class__ is list and len(shape) < _MOST_DIMS:
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return shape


def _texts(value: list[Any], name: str) -> list[Any]:
    """Texts with those decoded that are objects `{"b64": ...}`."""
    made: list[Any] = []
    for one in value:
        if one.__class__ is list:
            made.append(_texts(one, name))
        elif one.__class__ is dict:
            made.append(text_of(one, name))
        else:
            made.append(one)
    return made


def text_of(given: dict[str, Any], name: str) -> str:
    """The text in an object `{"b64": ...}`. Raises DtypeMismatch, TextInvalid."""
    if given.keys() != {_BINARY} or given[_BINARY].__class__ is not str:
        raise DtypeMismatch(f'a text is a string or {{"b64": "..."}} in input {name!r}', where=name)
    try:
        return b64decode(given[_BINARY], validate=True).decode()
    except NotBase64:
        raise TextInvalid(f"a text of input {name!r} is not base64", where=name) from None
    except UnicodeDecodeError:
        raise TextInvalid(
            f"a text of input {name!r} is not UTF-8, and this model takes text", where=name
        ) from None
