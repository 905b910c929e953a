"""Open Inference Protocol v2: a JSON request to a call, the outputs of a batch to JSON answers.

The answers of joined calls are written together: one pass over each output array for the whole
batch, then a cut per call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import orjson

from fairlead.core.call import Call, Decode, Head
from fairlead.core.decision import Verdicts
from fairlead.core.errors import (
    BadParameter,
    DtypeMismatch,
    DuplicateName,
    FairleadError,
    MalformedBody,
    MissingField,
    ReservedParameter,
    ShapeInvalid,
    UnknownName,
    Unsupported,
)
from fairlead.core.limits import BodyLimits
from fairlead.core.signature import TensorSpec
from fairlead.core.tensor import Array, Tensor, element_count
from fairlead.inputs.elements import pack
from fairlead.inputs.rows import listed
from fairlead.inputs.strict_json import check_unique, parse
from fairlead.serving.array_json import flat, most_rows, too_large
from fairlead.serving.array_json import rows as text_rows
from fairlead.serving.deciding import said
from fairlead.serving.disclosing import discreet
from fairlead.serving.registry import Served
from fairlead.wires.oip_decisions import ADDED, added_by
from fairlead.wires.oip_known import KnownForms

_MAX_DIMS = 16
_MAX_ELEMENTS = 1 << 31
_PLAIN = (int, float, str, bool)
_BINARY = "inference-header-content-length"
_SERVER_ONLY = ("sequence_id", "sequence_start", "sequence_end", "headers")
_ENCODERS_KEPT = 64


class OipModel:
    """What this wire derives once from a served version."""

    def __init__(self, served: Served, limits: BodyLimits) -> None:
        signature = served.package.signature
        self.served = served
        self.limits = limits
        self.batched = signature.batched
        self.inputs = {spec.name: (i, spec) for i, spec in enumerate(signature.inputs)}
        self.outputs = {spec.name: i for i, spec in enumerate(signature.outputs)}
        self.fixed = all(d != -1 for spec in signature.inputs for d in spec.shape[1:])
        self.added = added_by(served)
        self._encoders: dict[tuple[Any, ...], OipEncoder] = {}
        self.known = KnownForms(limits)
        self.every = self.encoder(tuple(range(len(signature.outputs))))

    def encoder(self, outputs: tuple[int, ...], added: tuple[str, ...] = ()) -> OipEncoder:
        """The encoder for these outputs; one object per choice, so that equal calls may join."""
        found = self._encoders.get((outputs, added))
        if found is None:
            if len(self._encoders) >= _ENCODERS_KEPT:
                self._encoders.clear()
            made = OipEncoder(self.served, outputs, self.limits.answer, added)
            found = self._encoders[outputs, added] = made
        return found


def infer_decoder(limits: BodyLimits) -> Decode:
    """What decodes infer requests under these limits."""

    def derive(served: Served) -> OipModel:
        return OipModel(served, limits)

    def decode(call: Call, head: Head, body: bytes) -> None:
        try:
            _decode(call, head, body, call.lease.derived("oip", derive))
        except FairleadError as error:
            raise discreet(call.lease.private, error) from None

    return decode


def _decode(call: Call, head: Head, body: bytes, model: OipModel) -> None:
    """Fills `call` from an infer request. Raises the FairleadError that says what is wrong."""
    if _BINARY in head.headers:
        _refuse_binary(head.headers[_BINARY], len(body))
    if model.known.fill(call, body):
        return
    request = parse(body, model.limits)
    if request.__class__ is not dict:
        raise MalformedBody("the body must be a JSON object with `inputs`")
    inputs = request.get("inputs")
    if inputs.__class__ is not list or not inputs:
        raise MissingField("`inputs` must be a list of tensors", where="inputs")
    if len(request) > 1:
        _options(call, model, request)
    else:
        call.encoder = model.every
    check_unique(body, _keys(request, inputs))
    booleans = b"true" in body or b"false" in body
    specs = model.inputs
    single = len(inputs) == 1 and len(specs) == 1
    if single:
        tensors = [_tensor(inputs[0], specs, booleans)[1]]
    else:
        tensors = _tensors(inputs, specs, booleans)
    call.inputs = tensors
    call.rows = tensors[0].shape[0] if model.batched else 1
    if model.fixed:
        call.group = call.encoder
    else:
        call.group = (call.encoder, *[t.shape[1:] for t in tensors])
    if single:
        model.known.learn(call, specs[inputs[0]["name"]][1], body, request)


def _refuse_binary(given: str, size: int) -> NoReturn:
    """Raises for a body that says how much of it is JSON and how much is binary."""
    if not (given.isascii() and given.isdigit() and len(given) < 19 and int(given) <= size):
        raise BadParameter("it must be a count of bytes, at most those of the body", where=_BINARY)
    raise Unsupported("binary tensor data is not there yet", fix="Send the tensors as JSON")


def _keys(request: dict[str, Any], inputs: list[Any]) -> int:
    """How many keys a usual request has; too few for an unusual one, never too many."""
    count = len(request)
    for tensor in inputs:
        if tensor.__class__ is dict:
            count += len(tensor)
    wanted: Any = request.get("outputs")
    if wanted.__class__ is list:
        for output in wanted:
            if output.__class__ is dict:
                count += len(output)
    return count


def _options(call: Call, model: OipModel, request: dict[str, Any]) -> None:
    """`id`, `outputs` and `parameters`; further keys are ignored, as the protocol asks."""
    identity = request.get("id")
    if identity is not None:
        if identity.__class__ is not str:
            raise BadParameter("`id` must be text", where="id")
        call.note = orjson.dumps(identity) if identity else None
    parameters = request.get("parameters")
    if parameters is not None:
        _parameters(call, parameters)
    wanted = request.get("outputs")
    call.encoder = model.every if not wanted else model.encoder(*_outputs(model, wanted))


def _outputs(model: OipModel, wanted: Any) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The positions of the model's outputs that are asked for, and what of the guards' words."""
    if wanted.__class__ is not list:
        raise MalformedBody("`outputs` must be a list", where="outputs")
    chosen: list[int] = []
    added: list[str] = []
    for number, output in enumerate(wanted):
        name: Any = output.get("name") if output.__class__ is dict else None
        if name.__class__ is str and name in model.added and name not in added:
            added.append(name)
            continue
        position = model.outputs.get(name) if name.__class__ is str else None
        if position is None:
            raise UnknownName(
                f"the model has no output {_named(name)}",
                where=f"outputs[{number}]",
                fix=f"Its outputs: {listed([*model.outputs, *model.added])}",
            )
        if position in chosen:
            raise DuplicateName(f"output {name!r} is asked for twice", where=f"outputs[{number}]")
        asked = output.get("parameters")
        if asked.__class__ is dict and (asked.get("binary_data") or "classification" in asked):
            raise Unsupported(
                "binary and classification outputs are not there yet", where=f"outputs[{number}]"
            )
        chosen.append(position)
    # Decisions alone still need the model's answer to be made; the caller gets it too.
    return tuple(chosen) or tuple(range(len(model.outputs))), tuple(added)


def _parameters(call: Call, parameters: Any) -> None:
    if parameters.__class__ is not dict:
        raise MalformedBody("`parameters` must be an object", where="parameters")
    for key, value in parameters.items():
        if key in _SERVER_ONLY or key.startswith(("triton_", "fairlead_")):
            raise ReservedParameter(f"the parameter {key[:80]!r} is not the caller's to set")
        if value.__class__ not in (str, int, float, bool):
            raise BadParameter(
                f"the parameter {key[:80]!r} must be text, a number or a boolean",
                where="parameters",
            )
        if key == "timeout":
            if value.__class__ is not int or value < 0:
                raise BadParameter("`timeout` must be a count of microseconds", where="parameters")
            if value:
                call.deadline = min(call.deadline, call.received + value / 1e6)
        elif key == "binary_data_output" and value:
            raise Unsupported("binary tensor data is not there yet", where="parameters")


def _tensors(
    inputs: list[Any], specs: dict[str, tuple[int, TensorSpec]], booleans: bool
) -> list[Tensor]:
    found: list[Any] = [None] * len(specs)
    rows = -1
    for tensor in inputs:
        position, decoded = _tensor(tensor, specs, booleans)
        if found[position] is not None:
            raise DuplicateName(f"input {tensor['name']!r} is given twice")
        found[position] = decoded
        rows = max(rows, decoded.shape[0]) if decoded.shape else rows
    for name, (position, spec) in specs.items():
        tensor = found[position]
        if tensor is None:
            raise MissingField(f"input {name!r} is missing", fix=f"Inputs: {listed([*specs])}")
        if spec.shape and spec.shape[0] == -1 and tensor.shape[0] != rows:
            raise ShapeInvalid(
                f"input {name!r} has {tensor.shape[0]} rows, another input has {rows}"
            )
    return found


def _tensor(
    given: Any, specs: dict[str, tuple[int, TensorSpec]], booleans: bool
) -> tuple[int, Tensor]:
    """One input tensor and its position in the signature."""
    try:
        name, shape, datatype = given["name"], given["shape"], given["datatype"]
    except (KeyError, TypeError, IndexError):
        raise MissingField(
            "every input needs `name`, `shape`, `datatype` and `data`", where="inputs"
        ) from None
    known = specs.get(name) if name.__class__ is str else None
    if known is None:
        raise UnknownName(
            f"the model has no input {_named(name)}", fix=f"Its inputs: {listed([*specs])}"
        )
    position, spec = known
    if datatype != spec.dtype.name:
        raise DtypeMismatch(
            f"input {name!r} is {spec.dtype}, not {_named(datatype)}",
            where="datatype",
            fix=f"Send datatype {spec.dtype}",
        )
    data = given.get("data")
    if data.__class__ is not list:
        raise MissingField(f"input {name!r} needs `data`: a list of its elements", where=name)
    count = 1
    for dim in shape if shape.__class__ is list else (0,):
        if dim.__class__ is not int or dim < 1:
            _refuse_shape(shape, spec)
        count *= dim
    if count > _MAX_ELEMENTS or not _fits(shape, spec.shape):
        _refuse_shape(shape, spec)
    packed = pack(
        spec.dtype, shape, count, data, booleans=booleans, missing=spec.missing, where=name
    )
    return position, Tensor(spec.dtype, tuple(shape), packed)


def _named(name: Any) -> str:
    """What stands where a name belongs, short enough for an error."""
    return repr(name[:80]) if name.__class__ is str else f"of type {type(name).__name__}"


def _fits(shape: list[int], wanted: tuple[int, ...]) -> bool:
    if len(shape) != len(wanted):
        return False
    return all([w == s or w == -1 for s, w in zip(shape, wanted, strict=True)])


def _refuse_shape(shape: Any, spec: TensorSpec) -> NoReturn:
    """Raises ShapeInvalid saying why `shape` is not possible or not the signature's."""
    place = f"input {spec.name!r}"
    if shape.__class__ is not list or len(shape) > _MAX_DIMS:
        raise ShapeInvalid("`shape` must be a list of at most 16 sizes", where=place)
    shown = f"[{', '.join(str(d)[:20] if d.__class__ in _PLAIN else '?' for d in shape)}]"
    if any(dim.__class__ is not int or dim < 1 for dim in shape):
        raise ShapeInvalid(
            f"shape {shown} is impossible: every size is an integer of 1 or more", where=place
        )
    if element_count(shape) > _MAX_ELEMENTS:
        raise ShapeInvalid(
            f"shape {shown} has more elements than any request may hold", where=place
        )
    raise ShapeInvalid(
        f"input {spec.name!r} has shape {list(spec.shape)} (-1 is any size), not {shown}",
        fix="Send one row per entry of the first dimension" if spec.shape[:1] == (-1,) else None,
    )


class OipEncoder:
    """Writes the answers of joined calls for one choice of outputs.

    added: names of what the guards say, as further outputs (oip_decisions.py).
    """

    def __init__(
        self, served: Served, outputs: tuple[int, ...], most: int, added: tuple[str, ...] = ()
    ) -> None:
        """most: bytes that an answer may have."""
        package = served.package
        self.outputs = outputs
        self.decides = "decision" in added
        self._added = added
        self.specs = [package.signature.outputs[i] for i in outputs]
        self.most_rows = most_rows(package.limits.max_rows, self.specs, most)
        self._most = most
        self._batched = package.signature.batched
        self._fixed = self._batched and all(-1 not in spec.shape[1:] for spec in self.specs)
        start = f'{{"model_name":"{package.name}","model_version":"{package.version}",'.encode()
        framed = [*self.specs, *(ADDED[name] for name in added)]
        self._frames = len(framed)
        self._template = start + b'%b"outputs":[' + b",".join(map(self._frame, framed)) + b"]}"
        self._plain = self._one_row()

    def _frame(self, spec: TensorSpec) -> bytes:
        """One output with holes for its shape (or its rows alone, when that decides) and data."""
        name = orjson.dumps(spec.name).decode().replace("%", "%%")
        tail = "".join(f",{d}" for d in spec.shape[1:]) if self._fixed else ""
        return (
            f'{{"name":{name},"datatype":"{spec.dtype}","shape":[%b{tail}],"data":[%b]}}'.encode()
        )

    def _one_row(self) -> bytes:
        """The template of an answer with one row and no id, which nearly all are."""
        if not self._fixed:
            return b""
        return self._template.replace(b"%%", b"%%%%") % (b"", *[b"1", b"%b"] * self._frames)

    def encode(
        self, calls: Sequence[Call], outputs: Sequence[Array], verdicts: Verdicts | None
    ) -> None:
        """Sets the payload of every call. Raises AnswerTooLarge."""
        most = self._most
        if self._added and verdicts is not None:
            outputs = [*outputs, *[said(name, verdicts) for name in self._added]]
        if len(calls) == 1:
            self._write(calls[0], [flat(array, most) for array in outputs], outputs)
            return
        rows = [text_rows(array, most) for array in outputs]
        start = 0
        for call in calls:
            stop = start + call.rows
            if stop == start + 1:
                texts = [r[start] for r in rows]
            else:
                texts = [b",".join(r[start:stop]) for r in rows]
            start = stop
            self._write(call, texts, outputs)

    def _write(self, call: Call, texts: list[bytes], outputs: Sequence[Array]) -> None:
        if self._plain and call.rows == 1 and call.note is None:
            call.payload = self._plain % (*texts,)
        else:
            call.payload = self._filled(call, texts, outputs)
        if len(call.payload) > self._most:
            raise too_large(self._most)

    def _filled(self, call: Call, texts: list[bytes], outputs: Sequence[Array]) -> bytes:
        holes = [b"" if call.note is None else b'"id":%b,' % call.note]
        count = b"%d" % call.rows
        for text, array in zip(texts, outputs, strict=True):
            if not self._fixed:
                shape = (call.rows, *array.shape[1:]) if self._batched else array.shape
                count = ",".join(map(str, shape)).encode()
            holes += (count, text)
        return self._template % tuple(holes)
