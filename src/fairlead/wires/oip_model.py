"""What every codec of the Open Inference Protocol derives from a served version and checks alike.

JSON, binary and gRPC differ in how tensors travel. Which inputs there must be, what may be asked of
outputs, and what parameters mean is decided here once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from fairlead.core.call import Call
from fairlead.core.errors import (
    BadParameter,
    DtypeMismatch,
    DuplicateName,
    MissingField,
    ReservedParameter,
    ShapeInvalid,
    UnknownName,
)
from fairlead.core.limits import BodyLimits
from fairlead.core.signature import TensorSpec
from fairlead.core.tensor import Tensor, element_count
from fairlead.inputs.rows import listed
from fairlead.serving import sequences
from fairlead.serving.served import Served
from fairlead.wires.oip_decisions import added_by

_MAX_DIMS = 16
MOST_ELEMENTS = 1 << 31
_PLAIN = (int, float, str, bool)
_SERVER_ONLY = ("sequence_id", "sequence_start", "sequence_end", "headers")
EMPTY_FINAL = "triton_enable_empty_final_response"
"""The one parameter of Triton's own that a caller may set."""
_ENCODERS_KEPT = 64
_LONGEST_ID = 256
_LARGEST = 1 << 64


class Wanted(NamedTuple):
    """What a request wants of the outputs.

    outputs: positions in the signature. added: of what the guards say. classes: for each output, to
    how many of the best classes it is reduced, 0 for not at all. binary: for each output, and then
    for each that is added, whether it comes as bytes.
    """

    outputs: tuple[int, ...]
    added: tuple[str, ...]
    classes: tuple[int, ...]
    binary: tuple[bool, ...]


class Asked(NamedTuple):
    """One output as a request asks for it. where: its place in the request."""

    name: Any
    parameters: Mapping[str, Any]
    where: str


class OipModel:
    """What this protocol derives once from a served version."""

    def __init__(self, served: Served, limits: BodyLimits) -> None:
        signature = served.package.signature
        self.served = served
        self.limits = limits
        self.batched = signature.batched
        self.inputs = {spec.name: (i, spec) for i, spec in enumerate(signature.inputs)}
        self.outputs = {spec.name: i for i, spec in enumerate(signature.outputs)}
        self.fixed = all(d != -1 for spec in signature.inputs for d in spec.shape[1:])
        self.added = added_by(served)
        self._preparing = served.preparing
        self._sent: dict[str, tuple[int, TensorSpec]] = {}
        if served.preparing is not None:
            first = len(signature.inputs)  # so that a position tells which signature is meant
            sent = enumerate(served.preparing.public.inputs, first)
            self._sent = {spec.name: (place, spec) for place, spec in sent}
        self._encoders: dict[Any, Any] = {}
        self._every = {kind: self.wanted((), kind) for kind in (False, True)}

    def encoder(self, make: Callable[[OipModel, Wanted], Any], wanted: Wanted) -> Any:
        """The encoder for these outputs; one object per choice, so that equal calls may join."""
        found = self._encoders.get((make, wanted))
        if found is None:
            if len(self._encoders) >= _ENCODERS_KEPT:
                self._encoders.clear()
            found = self._encoders[make, wanted] = make(self, wanted)
        return found

    def every(self, binary: bool) -> Wanted:
        """All outputs of the model."""
        return self._every[binary]

    def wanted(self, asked: Sequence[Asked], binary: bool) -> Wanted:
        """What is asked for; every output when nothing is named.

        binary: how an output comes that does not say. Raises UnknownName, DuplicateName,
        BadParameter.
        """
        chosen: dict[int, tuple[int, bool]] = {}
        added: dict[str, bool] = {}
        for one in asked:
            name, classes = one.name, _classes(one)
            bytes_wanted = one.parameters.get("binary_data", binary)
            if bytes_wanted.__class__ is not bool:
                raise BadParameter("`binary_data` must be true or false", where=one.where)
            if name.__class__ is str and name in self.added and name not in added:
                added[name] = bytes_wanted
                continue
            position = self.outputs.get(name) if name.__class__ is str else None
            if position is None:
                raise UnknownName(
                    f"the model has no output {named(name)}",
                    where=one.where,
                    fix=f"Its outputs: {listed([*self.outputs, *self.added])}",
                )
            if position in chosen:
                raise DuplicateName(f"output {name!r} is asked for twice", where=one.where)
            if classes:
                self._check_classes(position, one)
            chosen[position] = classes, bytes_wanted
        # Decisions alone still need the model's answer to be made; the caller gets it too.
        chosen = chosen or dict.fromkeys(range(len(self.outputs)), (0, binary))
        classes_each = tuple(classes for classes, _ in chosen.values())
        flags = (*(flag for _, flag in chosen.values()), *added.values())
        return Wanted(tuple(chosen), tuple(added), classes_each, flags)

    def _check_classes(self, position: int, asked: Asked) -> None:
        spec = self.served.package.signature.outputs[position]
        if spec.dtype.is_text or spec.dtype.letter == "?":
            raise BadParameter(
                f"output {spec.name!r} is {spec.dtype}, which has no best classes",
                where=asked.where,
            )

    def finish(self, call: Call, tensors: Sequence[Tensor]) -> None:
        """Sets a call's inputs, rows and group, once its encoder is set."""
        if self._preparing is not None and self._preparing.takes(tensors):
            self._preparing.finish(call, tensors)
            return
        call.inputs = tensors
        call.rows = tensors[0].shape[0] if self.batched else 1
        if self.fixed and not call.parameters:
            call.group = call.encoder
        else:
            own = (id(call),) if call.parameters else ()
            call.group = (call.encoder, *own, *[t.shape[1:] for t in tensors])

    def gathered(self, found: Sequence[tuple[int, Tensor]]) -> list[Tensor]:
        """The inputs in signature order. Raises DuplicateName, MissingField, ShapeInvalid."""
        specs = self.served.package.signature.inputs
        if self._preparing is not None and any(place >= len(specs) for place, _ in found):
            found, specs = self._as_sent(found), self._preparing.public.inputs
        made: list[Any] = [None] * len(specs)
        rows = -1
        for position, tensor in found:
            if made[position] is not None:
                name = specs[position].name
                raise DuplicateName(f"input {name!r} is given twice")
            made[position] = tensor
            rows = max(rows, tensor.shape[0]) if tensor.shape else rows
        for tensor, spec in zip(made, specs, strict=True):
            name = spec.name
            if tensor is None:
                raise MissingField(
                    f"input {name!r} is missing", fix=f"Inputs: {listed([s.name for s in specs])}"
                )
            if spec.shape and spec.shape[0] == -1 and tensor.shape[0] != rows:
                raise ShapeInvalid(
                    f"input {name!r} has {tensor.shape[0]} rows, another input has {rows}"
                )
        return made

    def _as_sent(self, found: Sequence[tuple[int, Tensor]]) -> list[tuple[int, Tensor]]:
        """Positions in the signature of pictures and texts. Raises UnknownName."""
        first = len(self.inputs)
        moved: list[tuple[int, Tensor]] = []
        for place, tensor in found:
            name = "" if place >= first else self.served.package.signature.inputs[place].name
            known = self._sent.get(name)
            if name and (known is None or known[1].role):
                raise UnknownName(
                    f"input {name!r} is made of what is sent besides",
                    fix=f"Send {listed([*self._sent])}, or tensors alone",
                )
            moved.append(((place if known is None else known[0]) - first, tensor))
        return moved

    def input(self, name: Any, datatype: Any, shape: Any) -> tuple[int, TensorSpec, int]:
        """Position, spec and count of elements of an input as it is declared in a request.

        Raises UnknownName, DtypeMismatch, ShapeInvalid.
        """
        known = self.inputs.get(name) if name.__class__ is str else None
        sent = self._sent.get(name) if self._sent and name.__class__ is str else None
        if sent is not None and (known is None or (datatype == "BYTES" and sent[1].role)):
            known = sent
            if shape.__class__ is list and len(shape) == 2 and shape[1] == 1:
                shape = shape[:1]  # as others send one text a row
        if known is None:
            raise UnknownName(
                f"the model has no input {named(name)}", fix=f"Its inputs: {listed([*self.inputs])}"
            )
        position, spec = known
        if datatype != spec.dtype.name:
            raise DtypeMismatch(
                f"input {name!r} is {spec.dtype}, not {named(datatype)}",
                where="datatype",
                fix=f"Send datatype {spec.dtype}",
            )
        count = 1
        for dim in shape if shape.__class__ is list and len(shape) <= _MAX_DIMS else (0,):
            if dim.__class__ is not int or dim < 1:
                refuse_shape(shape, spec)
            count *= dim
        if count > MOST_ELEMENTS or not fits(shape, spec.shape):
            refuse_shape(shape, spec)
        return position, spec, count


def _classes(asked: Asked) -> int:
    """To how many classes an output is reduced, 0 for not at all. Raises BadParameter."""
    count = asked.parameters.get("classification")
    if count is None:
        return 0
    if count.__class__ is not int or count < 1:
        raise BadParameter("`classification` must be a count of classes", where=asked.where)
    return count


def check_parameters(call: Call, parameters: Mapping[str, Any]) -> bool:
    """Reads a request's parameters; what is not the protocol's goes to the model.

    Returns whether outputs come as bytes when they do not say. Raises BadParameter,
    ReservedParameter.
    """
    more: dict[str, Any] = {}
    for key, value in parameters.items():
        _check_own(call, key, value)
        if value.__class__ not in _PLAIN:
            raise BadParameter(
                f"the parameter {key[:80]!r} must be text, a number or a boolean",
                where="parameters",
            )
        if key == "timeout":
            _set_deadline(call, value)
        elif key == "priority":
            _check_count(key, value)
        elif key == "binary_data_output":
            if value.__class__ is not bool:
                raise BadParameter("`binary_data_output` is true or false", where="parameters")
        elif key not in ("binary_data_size", EMPTY_FINAL):
            more[key] = value
    if more:
        call.parameters = more
    return bool(parameters.get("binary_data_output", False))


def _check_own(call: Call, key: str, value: Any) -> None:
    """Raises ReservedParameter for what no caller may set, BadParameter for no sequence."""
    if key in sequences.WORDS and "sequence" in call.lease.package.takes:
        _check_sequence(key, value)
    elif key in _SERVER_ONLY or (key.startswith(("triton_", "fairlead_")) and key != EMPTY_FINAL):
        raise ReservedParameter(f"the parameter {key[:80]!r} is not the caller's to set")


def _check_sequence(key: str, value: Any) -> None:
    """Raises BadParameter for a place in a sequence that is none."""
    if key != sequences.WORDS[0]:
        if value.__class__ is not bool:
            raise BadParameter(f"`{key}` is true or false", where="parameters")
    elif value.__class__ is str:
        if len(value) > _LONGEST_ID:
            raise BadParameter("`sequence_id` is too long", where="parameters")
    else:
        _check_count(key, value)


def _set_deadline(call: Call, value: Any) -> None:
    if value.__class__ is not int or value < 0:
        raise BadParameter("`timeout` must be a count of microseconds", where="parameters")
    if value:
        call.deadline = min(call.deadline, call.received + value / 1e6)


def _check_count(key: str, value: Any) -> None:
    if value.__class__ is not int or not 0 <= value < _LARGEST:
        raise BadParameter(f"`{key}` must be a whole number of 0 or more", where="parameters")


def named(name: Any) -> str:
    """What stands where a name belongs, short enough for an error."""
    return repr(name[:80]) if name.__class__ is str else f"of type {type(name).__name__}"


def fits(shape: Sequence[int], wanted: tuple[int, ...]) -> bool:
    """Whether a shape is one of those that a signature allows."""
    if len(shape) != len(wanted):
        return False
    return all([w == s or w == -1 for s, w in zip(shape, wanted, strict=True)])


def refuse_shape(shape: Any, spec: TensorSpec) -> NoReturn:
    """Raises ShapeInvalid saying why `shape` is not possible or not the signature's."""
    place = f"input {spec.name!r}"
    if shape.__class__ is not list or len(shape) > _MAX_DIMS:
        raise ShapeInvalid("`shape` must be a list of at most 16 sizes", where=place)
    shown = f"[{', '.join(str(d)[:20] if d.__class__ in _PLAIN else '?' for d in shape)}]"
    if any(dim.__class__ is not int or dim < 1 for dim in shape):
        raise ShapeInvalid(
            f"shape {shown} is impossible: every size is an integer of 1 or more", where=place
        )
    if element_count(shape) > MOST_ELEMENTS:
        raise ShapeInvalid(
            f"shape {shown} has more elements than any request may hold", where=place
        )
    raise ShapeInvalid(
        f"input {spec.name!r} has shape {list(spec.shape)} (-1 is any size), not {shown}",
        fix="Send one row per entry of the first dimension" if spec.shape[:1] == (-1,) else None,
    )
