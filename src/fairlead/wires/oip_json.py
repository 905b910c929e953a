"""Open Inference Protocol v2: a JSON request to a call, the outputs of a batch to JSON answers.

The answers of joined calls are written together: one pass over each output array for the whole
batch, then a cut per call. Tensors that come or go as bytes are in `oip_binary.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from fairlead.core.call import Call, Decode, Head
from fairlead.core.decision import Verdicts
from fairlead.core.errors import BadParameter, FairleadError, MalformedBody, MissingField
from fairlead.core.limits import BodyLimits
from fairlead.core.signature import TensorSpec
from fairlead.core.tensor import Array, Tensor
from fairlead.inputs.elements import pack
from fairlead.inputs.strict_json import check_unique, parse
from fairlead.serving.array_json import flat, too_large
from fairlead.serving.array_json import rows as text_rows
from fairlead.serving.disclosing import discreet
from fairlead.serving.served import Served
from fairlead.wires import oip_binary
from fairlead.wires.oip_known import KnownForms
from fairlead.wires.oip_known_bytes import KnownBytes
from fairlead.wires.oip_model import Asked, OipModel, Wanted, check_parameters
from fairlead.wires.oip_outputs import OutputsEncoder

_NOTHING: dict[str, Any] = {}


class JsonModel(OipModel):
    """What the codecs of REST derive once from a served version."""

    def __init__(self, served: Served, limits: BodyLimits) -> None:
        super().__init__(served, limits)
        self.known, self.known_bytes = KnownForms(limits), KnownBytes()
        self.as_json: OipEncoder = self.encoder(OipEncoder, self.every(False))

    def chosen(self, wanted: Wanted) -> Any:
        """The encoder for these outputs."""
        return self.encoder(oip_binary.BinaryEncoder if any(wanted.binary) else OipEncoder, wanted)


def infer_decoder(limits: BodyLimits) -> Decode:
    """What decodes infer requests under these limits."""

    def derive(served: Served) -> JsonModel:
        return JsonModel(served, limits)

    def decode(call: Call, head: Head, body: bytes) -> None:
        model = call.lease.derived("oip", derive)
        try:
            size = oip_binary.json_size(head.headers, len(body))
            if size == 0:
                oip_binary.take_bare(call, model, body)
            else:
                _decode(call, body, model, size)
        except FairleadError as error:
            raise discreet(call.lease.private, error) from None

    return decode


def _decode(call: Call, body: bytes, model: JsonModel, size: int) -> None:
    """Fills `call` from an infer request of which `size` bytes are JSON, -1 for all.

    Raises the FairleadError that says what is wrong.
    """
    if model.known.fill(call, body) if size < 0 else model.known_bytes.fill(call, body, size):
        return
    text = body if size < 0 else body[:size]
    request = parse(text, model.limits)
    if request.__class__ is not dict:
        raise MalformedBody("the body must be a JSON object with `inputs`")
    inputs = request.get("inputs")
    if inputs.__class__ is not list or not inputs:
        raise MissingField("`inputs` must be a list of tensors", where="inputs")
    if len(request) > 1:
        read_options(call, model, request)
    else:
        call.encoder = model.as_json
    check_unique(text, _keys(request, inputs))
    booleans = b"true" in text or b"false" in text
    blobs = oip_binary.Blobs(body, len(text))
    found = [_tensor(one, model, booleans, blobs) for one in inputs]
    blobs.check_end()
    single = len(found) == 1 and len(model.inputs) == 1
    model.finish(call, [found[0][1]] if single else model.gathered(found))
    if size < 0 and single and not call.parameters and call.prepare is None:
        model.known.learn(call, model.inputs[inputs[0]["name"]][1], body, request)
    elif model.fixed and _is_plain(request) and [i["name"] for i in inputs] == [*model.inputs]:
        model.known_bytes.learn(call, body, blobs.places)


def _is_plain(request: dict[str, Any]) -> bool:
    """Whether a request says nothing that holds for itself alone, as a deadline does."""
    return not request.get("parameters") or request["parameters"].keys() <= {"binary_data_output"}


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


def read_options(call: Call, model: JsonModel, request: dict[str, Any]) -> None:
    """`id`, `outputs` and `parameters`; further keys are ignored, as the protocol asks."""
    identity = request.get("id")
    if identity is not None:
        if identity.__class__ is not str:
            raise BadParameter("`id` must be text", where="id")
        call.note = orjson.dumps(identity) if identity else None
    parameters = request.get("parameters")
    binary = False
    if parameters is not None:
        if parameters.__class__ is not dict:
            raise MalformedBody("`parameters` must be an object", where="parameters")
        binary = check_parameters(call, parameters)
    asked = request.get("outputs")
    if not asked:
        call.encoder = model.chosen(model.every(binary)) if binary else model.as_json
        return
    if asked.__class__ is not list:
        raise MalformedBody("`outputs` must be a list", where="outputs")
    wanted = model.wanted([_asked(one, i) for i, one in enumerate(asked)], binary)
    call.encoder = model.chosen(wanted)


def _asked(output: Any, number: int) -> Asked:
    """One entry of `outputs`. Raises MalformedBody."""
    where = f"outputs[{number}]"
    if output.__class__ is not dict:
        return Asked(None, _NOTHING, where)
    parameters = output.get("parameters")
    if parameters is not None and parameters.__class__ is not dict:
        raise MalformedBody("`parameters` must be an object", where=where)
    return Asked(output.get("name"), parameters or _NOTHING, where)


def _tensor(
    given: Any, model: JsonModel, booleans: bool, blobs: oip_binary.Blobs
) -> tuple[int, Tensor]:
    """One input tensor and its position in the signature."""
    try:
        name, shape, datatype = given["name"], given["shape"], given["datatype"]
    except (KeyError, TypeError, IndexError):
        raise MissingField(
            "every input needs `name`, `shape`, `datatype` and `data`", where="inputs"
        ) from None
    position, spec, count = model.input(name, datatype, shape)
    parameters = given.get("parameters")
    data = given.get("data")
    if parameters is not None and data is None:
        return position, blobs.next(spec, tuple(shape), count, parameters)
    if data.__class__ is not list:
        raise MissingField(f"input {name!r} needs `data`: a list of its elements", where=name)
    if parameters and parameters.__class__ is dict and "binary_data_size" in parameters:
        raise BadParameter(f"input {name!r} has both `data` and binary data", where=name)
    packed = pack(
        spec.dtype, shape, count, data, booleans=booleans, missing=spec.missing, where=name
    )
    return position, Tensor(spec.dtype, tuple(shape), packed)


class OipEncoder(OutputsEncoder):
    """Writes the answers of joined calls for one choice of outputs."""

    def __init__(self, model: OipModel, wanted: Wanted) -> None:
        super().__init__(model, wanted)
        package = model.served.package
        start = f'{{"model_name":"{package.name}","model_version":"{package.version}",'.encode()
        frames = b",".join(map(self._frame, self._written))
        self._template = start + b'%b"outputs":[' + frames + b"]}"
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
        return self._template.replace(b"%%", b"%%%%") % (b"", *[b"1", b"%b"] * len(self._written))

    def encode(
        self, calls: Sequence[Call], outputs: Sequence[Array], verdicts: Verdicts | None
    ) -> None:
        """Sets the payload of every call. Raises AnswerTooLarge."""
        most = self._most
        outputs = self._chosen(outputs, verdicts)
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
