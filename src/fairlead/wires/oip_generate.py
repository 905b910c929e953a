"""Generate: a flat JSON object in, flat objects out, one by one where the model gives many.

The keys of a request that are names of inputs become tensors, all others what the caller says to
the model. `generate` gives one answer; `generate_stream` and `infer_stream` give server-sent
events, the former of flat objects, the latter of whole answers of the Open Inference Protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from fairlead.core.call import Call, Decode, Head, Reply
from fairlead.core.decision import Verdicts
from fairlead.core.errors import (
    BadParameter,
    DuplicateName,
    FairleadError,
    MalformedBody,
    MissingField,
    Unsupported,
)
from fairlead.core.limits import BodyLimits
from fairlead.core.signature import TensorSpec
from fairlead.core.tensor import Array, Tensor, element_count
from fairlead.inputs.elements import packed
from fairlead.inputs.rows import listed
from fairlead.inputs.strict_json import check_unique, parse
from fairlead.serving.array_json import most_rows, too_large
from fairlead.serving.disclosing import discreet
from fairlead.serving.served import Served
from fairlead.wires.oip_model import OipModel, Wanted, check_parameters

Errors = Callable[[FairleadError], Reply]


class FlatEncoder:
    """Encodes the answer of one call as a flat object."""

    decides = False

    def __init__(self, model: OipModel, wanted: Wanted) -> None:
        package, self._most = model.served.package, model.limits.answer
        self.outputs = wanted.outputs
        self.specs = [package.signature.outputs[i] for i in wanted.outputs]
        self.most_rows = most_rows(package.limits.max_rows, self.specs, self._most)
        self._about = {"model_name": package.name, "model_version": str(package.version)}

    def encode(
        self, calls: Sequence[Call], outputs: Sequence[Array], verdicts: Verdicts | None
    ) -> None:
        """Sets the payload of every call. Raises AnswerTooLarge."""
        start = 0
        for call in calls:
            part = outputs
            if len(calls) > 1:
                part = [array[start : start + call.rows] for array in outputs]
            start += call.rows
            told: dict[str, Any] = {"id": call.note} if call.note else {}
            told |= self._about
            for spec, array in zip(self.specs, part, strict=True):
                values: Any = array.reshape(-1).tolist()
                told[spec.name] = values[0] if len(values) == 1 else values
            call.payload = orjson.dumps(told)
            if len(call.payload) > self._most:
                raise too_large(self._most)


class FlatModel(OipModel):
    """What this codec derives once from a served version."""

    def __init__(self, served: Served, limits: BodyLimits) -> None:
        super().__init__(served, limits)
        self.flat: FlatEncoder = self.encoder(FlatEncoder, self.every(False))


def flat_decoder(limits: BodyLimits, errors: Errors, *, once: bool) -> Decode:
    """What decodes requests of generate. once: one answer is given, and more are an error."""

    def derive(served: Served) -> FlatModel:
        return FlatModel(served, limits)

    def decode(call: Call, head: Head, body: bytes) -> None:
        model = call.lease.derived("generate", derive)
        try:
            _decode(call, body, model)
        except FairleadError as error:
            raise discreet(call.lease.private, error) from None
        if once and call.lease.package.decoupled:
            _collect(call, errors)

    return decode


def _collect(call: Call, errors: Errors) -> None:
    """Lets the one answer of a model that may give many be the answer of its call."""
    answers: list[bytes] = []
    done = call.done

    def piece(one: Call) -> None:
        if answers:
            raise Unsupported(
                "the model gave more than one answer", fix="Ask generate_stream for all of them"
            )
        answers.append(one.payload or b"")

    def over(one: Call) -> None:
        if one.error is None and not answers:
            one.error = Unsupported(
                "the model gave no answer to this", fix="Ask generate_stream, which may give none"
            )
            one.reply = errors(one.error)
            one.payload = one.reply.body
        elif one.error is None:
            one.payload = answers[0]
        done(one)

    call.piece, call.done = piece, over


def _decode(call: Call, body: bytes, model: FlatModel) -> None:
    asked = parse(body, model.limits)
    if asked.__class__ is not dict:
        raise MalformedBody("the body must be a JSON object")
    check_unique(body, len(asked))
    said: dict[str, Any] = {}
    found: list[tuple[int, Tensor]] = []
    for key, value in asked.items():
        if key in model.inputs:
            found.append(_tensor(*model.inputs[key], value))
        elif key == "id":
            if value.__class__ is not str:
                raise BadParameter("`id` must be text", where="id")
            call.note = value or None
        elif key != "parameters":
            said[key] = value
    parameters = asked.get("parameters", {})
    if parameters.__class__ is not dict:
        raise MalformedBody("`parameters` must be an object", where="parameters")
    twice = [name for name in parameters if name in said or name in model.inputs]
    if twice:
        raise DuplicateName(f"{twice[0][:80]!r} is given twice", where="parameters")
    check_parameters(call, said | parameters)
    if not found:
        raise MissingField("no input is given", fix=f"Inputs: {listed([*model.inputs])}")
    call.encoder = model.flat
    model.finish(call, model.gathered(found))


def _tensor(position: int, spec: TensorSpec, value: Any) -> tuple[int, Tensor]:
    """An input from a value or a list of values. Raises what is wrong with it."""
    data = value if value.__class__ is list else [value]
    count = len(data) if data and data[0].__class__ is not list else 0
    inner = element_count([d for d in spec.shape[1:] if d != -1])
    free = [i for i, d in enumerate(spec.shape) if d == -1]
    shape = [1 if d == -1 else d for d in spec.shape]
    if free and inner and count % inner == 0 and count:
        # One row where the row can be as long as what is given; else as many rows as it makes.
        shape[free[-1]] = count // inner
    elif not count:
        raise MissingField(f"input {spec.name!r} is a value or a list of values", where=spec.name)
    return position, packed(spec, shape, data)
