"""Open Inference Protocol v2 in protobuf: ModelInferRequest to a call, outputs to its response.

The bytes of tensors are cut out of a message before protobuf reads the rest, and used as they came.
Requests that differ from an earlier one in these bytes alone are not read again. Answers are put
together from ready-made pieces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.core.call import Call, Decode, Head
from fairlead.core.decision import Verdicts
from fairlead.core.errors import (
    BadParameter,
    DtypeMismatch,
    FairleadError,
    MalformedBody,
    MissingField,
    ShapeInvalid,
    TextInvalid,
    Unsupported,
)
from fairlead.core.limits import BodyLimits
from fairlead.core.preparation import PICTURE
from fairlead.core.signature import TensorSpec
from fairlead.core.tensor import Array, Tensor
from fairlead.inputs.elements import numbers
from fairlead.inputs.raw import raw_tensor
from fairlead.protos.pool import message
from fairlead.protos.weight import check_weight
from fairlead.protos.wire import field, fields, varint
from fairlead.serving.array_json import too_large
from fairlead.serving.disclosing import discreet
from fairlead.serving.served import Served
from fairlead.wires.oip_binary import cutter, raw_bytes
from fairlead.wires.oip_known_bytes import KnownBytes
from fairlead.wires.oip_model import Asked, OipModel, Wanted, check_parameters
from fairlead.wires.oip_outputs import OutputsEncoder

_REQUEST = "inference.ModelInferRequest"
_RAW = 7
_RAW_TAG = b"\x3a"
_CONTENTS = {
    "BOOL": "bool_contents", "INT8": "int_contents", "INT16": "int_contents",
    "INT32": "int_contents", "INT64": "int64_contents", "UINT8": "uint_contents",
    "UINT16": "uint_contents", "UINT32": "uint_contents", "UINT64": "uint64_contents",
    "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip
"""Where the typed elements of each datatype stand; the others come as bytes only."""
_ROWS_KEPT = 64
_COPIED = 64 << 10
_MOST_PARAMETERS = 64
_MOST_DIMS = 17
"""One more than a shape may have: a longer one is not read whole to be refused."""


class ProtoModel(OipModel):
    """What this codec derives once from a served version."""

    def __init__(self, served: Served, limits: BodyLimits) -> None:
        super().__init__(served, limits)
        self.known = KnownBytes()
        self.plain: ProtoEncoder = self.encoder(ProtoEncoder, self.every(True))


def infer_decoder(limits: BodyLimits) -> Decode:
    """What decodes ModelInferRequest under these limits."""

    def derive(served: Served) -> ProtoModel:
        return ProtoModel(served, limits)

    def decode(call: Call, head: Head, body: bytes) -> None:
        model = call.lease.derived("oip-proto", derive)
        try:
            _decode(call, body, model)
        except FairleadError as error:
            raise discreet(call.lease.private, error) from None

    return decode


def _decode(call: Call, body: bytes, model: ProtoModel) -> None:
    """Fills `call` from a request. Raises the FairleadError that says what is wrong."""
    if model.known.fill(call, body):
        return
    rest, raws, places = _split(body)
    kind = message(_REQUEST)
    check_weight(rest, kind, model.limits.parsed)
    try:
        request: Any = kind.FromString(rest)
    except Exception as error:  # protobuf's own error has no public base class in every version
        raise MalformedBody(f"this is no ModelInferRequest: {type(error).__name__}") from None
    _check_named(request, model)
    if not request.inputs:
        raise MissingField("a request needs inputs", where="inputs")
    if request.parameters:
        check_parameters(call, parameters(request.parameters))
    if request.id:
        call.note = field(3, request.id.encode())
    if request.outputs:
        asked = [
            Asked(o.name, _of_output(parameters(o.parameters)), f"outputs[{i}]")
            for i, o in enumerate(request.outputs)
        ]
        call.encoder = model.encoder(ProtoEncoder, model.wanted(asked, True))
    else:
        call.encoder = model.plain
    model.finish(call, model.gathered(_tensors(request.inputs, raws, model)))
    if (
        model.fixed
        and not request.parameters
        and [i.name for i in request.inputs] == [*model.inputs]
    ):
        model.known.learn(call, body, places)


def _check_named(request: Any, model: ProtoModel) -> None:
    """Raises MalformedBody where a request names its model otherwise than at its beginning."""
    package = model.served.package
    version = request.model_version
    if request.model_name != package.name or version not in ("", str(package.version)):
        raise MalformedBody(
            "a request names its model and version once, before everything else",
            where="model_name",
            fix="Write the fields in the order of their numbers",
        )


def _split(body: bytes) -> tuple[bytes, list[memoryview], list[tuple[int, int]]]:
    """A message without the bytes of its tensors, these, and where they stand."""
    view = memoryview(body)
    kept: list[memoryview] = []
    raws: list[memoryview] = []
    places: list[tuple[int, int]] = []
    for number, whole, start, end in fields(body):
        if number == _RAW:
            raws.append(view[start:end])
            places.append((start, end))
        else:
            kept.append(view[whole:end])
    return b"".join(kept) if raws else body, raws, places


def parameters(given: Any) -> dict[str, Any]:
    """Parameters as plain values."""
    if len(given) > _MOST_PARAMETERS:
        raise BadParameter(f"at most {_MOST_PARAMETERS} parameters are read", where="parameters")
    found: dict[str, Any] = {}
    for key, value in given.items():
        kind = value.WhichOneof("parameter_choice")
        if kind is None:
            raise MissingField(f"the parameter {key[:80]!r} has no value", where="parameters")
        found[key] = getattr(value, kind)
    return found


def _of_output(given: dict[str, Any]) -> Mapping[str, Any]:
    """The parameters of an output that mean something here: all outputs come as bytes."""
    if "shared_memory_region" in given:
        raise Unsupported("shared memory is not used here", where="outputs")
    return {key: value for key, value in given.items() if key == "classification"}


def _tensors(inputs: Any, raws: list[memoryview], model: ProtoModel) -> list[tuple[int, Tensor]]:
    found: list[tuple[int, Tensor]] = []
    used = 0
    for given in inputs:
        if "shared_memory_region" in given.parameters:
            raise Unsupported("shared memory is not used here", where=given.name[:80])
        shape = given.shape[:_MOST_DIMS]
        position, spec, count = model.input(given.name, given.datatype, shape)
        typed = given.HasField("contents")
        if raws and typed:
            raise MalformedBody(
                "a request has its tensors in `contents` or in raw_input_contents, not in both",
                where=spec.name,
            )
        if typed:
            data = _contents(given.contents, spec, shape, count)
        elif used < len(raws):
            data = raw_tensor(
                spec.dtype, tuple(shape), count, raws[used], spec.name, binary=spec.role == PICTURE
            )
            used += 1
        else:
            raise MissingField(f"input {spec.name!r} has no elements", where=spec.name)
        found.append((position, data))
    if used != len(raws):
        raise MalformedBody(f"{len(raws)} raw_input_contents for {used} inputs", where="inputs")
    return found


def _contents(contents: Any, spec: TensorSpec, shape: list[int], count: int) -> Tensor:
    """A tensor whose elements came one by one."""
    wanted = _CONTENTS.get(spec.dtype.name)
    if wanted is None:
        raise DtypeMismatch(f"{spec.dtype} comes in raw_input_contents only", where=spec.name)
    others = [one.name for one, _ in contents.ListFields() if one.name != wanted]
    if others:
        raise DtypeMismatch(
            f"the elements of {spec.dtype} stand in {wanted}, not in {others[0]}", where=spec.name
        )
    sent = getattr(contents, wanted)
    if len(sent) != count:
        raise ShapeInvalid(
            f"input {spec.name!r} has {len(sent)} elements, its shape has {count}",
            where=spec.name,
        )
    if spec.dtype.is_text:
        values: list[Any] = list(sent)
        if spec.role == PICTURE:
            return Tensor(spec.dtype, tuple(shape), values)
        try:
            return Tensor(spec.dtype, tuple(shape), [value.decode() for value in values])
        except UnicodeDecodeError:
            raise TextInvalid("an element is not UTF-8", where=spec.name) from None
    return Tensor(spec.dtype, tuple(shape), numbers(sent, spec, shape, count))


class ProtoEncoder(OutputsEncoder):
    """Writes ModelInferResponse for one choice of outputs, all of them as bytes."""

    def __init__(self, model: OipModel, wanted: Wanted) -> None:
        super().__init__(model, wanted)
        package = model.served.package
        self._start = field(1, package.name.encode()) + field(2, str(package.version).encode())
        self._heads = [
            field(1, spec.name.encode()) + field(2, spec.dtype.name.encode())
            for spec in self._written
        ]
        self._known: dict[int, bytes] | None = {} if self._fixed else None

    def encode(
        self, calls: Sequence[Call], outputs: Sequence[Array], verdicts: Verdicts | None
    ) -> None:
        """Sets payload and tail of every call. Raises AnswerTooLarge."""
        outputs = self._chosen(outputs, verdicts)
        if len(calls) == 1:
            raws = [raw_bytes(s, a) for s, a in zip(self._written, outputs, strict=True)]
            self._write(calls[0], [array.shape for array in outputs], raws)
            return
        whole = [cutter(s, a) for s, a in zip(self._written, outputs, strict=True)]
        start = 0
        for call in calls:
            stop = start + call.rows
            shapes = [(call.rows, *array.shape[1:]) for array in outputs]
            self._write(call, shapes, [cut(start, stop) for cut in whole])
            start = stop

    def _write(
        self,
        call: Call,
        shapes: Sequence[tuple[int, ...]],
        raws: Sequence[bytes | memoryview],
    ) -> None:
        about = self._about(call.rows, shapes)
        parts: list[bytes | memoryview] = [self._start, call.note or b"", about]
        size = 0
        for raw in raws:
            parts += (b"\x32" + varint(len(raw)), raw)
            size += len(raw)
        if size > self._most:
            raise too_large(self._most)
        if size <= _COPIED:
            call.payload = b"".join(parts)
        else:
            call.payload, call.tail = b"", parts

    def _about(self, rows: int, shapes: Sequence[tuple[int, ...]]) -> bytes:
        """Names, datatypes and shapes of the outputs."""
        known = self._known
        if known is None:
            return self._described(shapes)
        found = known.get(rows)
        if found is None:
            if len(known) >= _ROWS_KEPT:
                known.clear()
            found = known[rows] = self._described(shapes)
        return found

    def _described(self, shapes: Sequence[tuple[int, ...]]) -> bytes:
        return b"".join(
            [
                field(5, head + field(3, b"".join([varint(dim) for dim in shape])))
                for head, shape in zip(self._heads, shapes, strict=True)
            ]
        )
