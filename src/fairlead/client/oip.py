"""The Open Inference Protocol over gRPC, as the client speaks it: tensors as bytes.

What a model takes and gives is asked for once. An answer of another version than the one that was
described is not believed before that one is known.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fairlead.client import talk
from fairlead.client.answer import Predictions
from fairlead.client.described import VERDICT, Described, described
from fairlead.client.rows import pieces, rows_of
from fairlead.client.talk import Asked, Heard, Steps
from fairlead.core.datatypes import DTYPES
from fairlead.core.errors import AnswerUnreadable, FairleadError, InvalidArgument
from fairlead.core.tensor import Array, element_count
from fairlead.inputs.raw import packed_texts, raw_tensor
from fairlead.protos.pool import message, methods

_SERVICE = "inference.GRPCInferenceService"
_OURS = "fairlead"
"""The property of ModelMetadata that holds our own description."""
_PLAIN = {str, int, float, bool, type(None), list, dict}


class Oip:
    """One server as it is asked over gRPC."""

    readiness = Asked(f"/{_SERVICE}/ServerReady", b"")

    def __init__(self) -> None:
        self._known: dict[tuple[str, int | None], Described] = {}

    def is_ready(self, heard: Heard) -> bool:
        """Whether the answer says that the server takes calls."""
        return bool(_read("ServerReady", heard).ready)

    def models(self) -> Steps[list[str]]:
        """The names of the models that the key may know of."""
        listed = yield from _ask("RepositoryIndex")
        return list(dict.fromkeys(str(model.name) for model in listed.models))

    def model(self, name: str, version: int | None = None) -> Steps[dict[str, Any]]:
        """What a model is, as it is told over HTTP."""
        asked = "" if version is None else str(version)
        told = yield from _ask("ModelMetadata", name=name, version=asked)
        try:
            about: dict[str, Any] = json.loads(told.properties[_OURS])
            return about
        except ValueError:
            raise AnswerUnreadable(
                "the server does not say what a row of the model is",
                fix="Check that the address is that of a Fairlead server as new as this client",
            ) from None

    def predict(
        self, model: str, given: Any, version: int | None, outputs: Sequence[str]
    ) -> Steps[Predictions]:
        """The answers to rows, in as many requests as they need."""
        about = self._known.get((model, version))
        if about is None:
            about = yield from self._describe(model, version)
        # An array that the model takes as it is goes as it is.
        rows = given if about.takes(given) else _as_json(rows_of(given))
        size = max(1, min(about.max_rows, talk.ROWS_A_REQUEST))
        parts: list[tuple[dict[str, Any], str]] = []
        for start, piece in pieces(rows, size) if len(rows) else [(0, rows)]:
            with talk.counted_from(start):
                parts.append((yield from self._piece(model, piece, version, outputs)))
        return talk.joined(model, parts)

    def _describe(self, model: str, version: int | None) -> Steps[Described]:
        told = yield from self.model(model, version)
        found = self._known[model, version] = described(told)
        return found

    def _piece(
        self, model: str, rows: Sequence[Any], version: int | None, outputs: Sequence[str]
    ) -> Steps[tuple[dict[str, Any], str]]:
        about = self._known[model, version]
        try:
            return (yield from self._answered(about, rows, version, outputs))
        except InvalidArgument:
            # Perhaps the rows are right, and what was described is not what answers now.
            newer = yield from self._describe(model, version)
            if newer.version == about.version:
                raise
        return (yield from self._answered(newer, rows, version, outputs))

    def _answered(
        self, about: Described, rows: Sequence[Any], version: int | None, outputs: Sequence[str]
    ) -> Steps[tuple[dict[str, Any], str]]:
        """One request's answer as /predict gives it, and its usage id."""
        heard = yield _request(about, rows, version, outputs)
        answer = _read("ModelInfer", heard)
        number = _number(answer.model_version)
        if number != about.version:
            newer = described((yield from self.model(about.model, number)))
            if not newer.asked_as(about):
                heard = yield _request(newer, rows, number, outputs)
                answer = _read("ModelInfer", heard)
            about = self._known[about.model, version] = newer
        found = _outputs(answer)
        try:
            verdicts = (
                [json.loads(text) for text in found.pop(VERDICT).tolist()] if about.guarded else ()
            )
            predictions = about.rows(found, verdicts)
        except (KeyError, ValueError, IndexError, TypeError, AttributeError):
            raise AnswerUnreadable("the answer is not what the model's description says") from None
        told = {"version": about.version, "predictions": predictions}
        return told, heard.headers.get(talk.USAGE_ID, "")


def _ask(method: str, **given: Any) -> Steps[Any]:
    takes, _ = methods(_SERVICE)[method]
    heard = yield Asked(f"/{_SERVICE}/{method}", takes(**given).SerializeToString())
    return _read(method, heard)


def _read(method: str, heard: Heard) -> Any:
    _, gives = methods(_SERVICE)[method]
    try:
        return gives.FromString(heard.body)
    except Exception:  # protobuf's own error has no public base class in every version
        raise AnswerUnreadable(f"the answer is no {method}Response") from None


def _request(
    about: Described, rows: Sequence[Any], version: int | None, outputs: Sequence[str]
) -> Asked:
    """A request for these rows. Raises what is wrong with them."""
    made: Any = message("inference.ModelInferRequest")()
    made.model_name = about.model
    made.model_version = "" if version is None else str(version)
    if hasattr(rows, "tobytes") and not about.takes(rows):
        rows = rows_of(rows)  # another version than the one that took it as it is
    for spec, tensor in about.tensors(rows):
        made.inputs.add(name=spec.name, datatype=spec.dtype.name, shape=tensor.shape)
        data: Any = tensor.data
        made.raw_input_contents.append(packed_texts(data) if spec.dtype.is_text else bytes(data))
    for name in about.wanted(outputs):
        made.outputs.add(name=name)
    return Asked(f"/{_SERVICE}/ModelInfer", made.SerializeToString())


def _number(version: str) -> int:
    if not version.isdigit():
        raise AnswerUnreadable("the answer does not say which version gave it")
    return int(version)


def _outputs(answer: Any) -> dict[str, Array]:
    """The outputs of an answer by name. Raises AnswerUnreadable."""
    found: dict[str, Array] = {}
    try:
        for output, raw in zip(answer.outputs, answer.raw_output_contents, strict=True):
            dtype, shape = DTYPES[output.datatype], tuple(output.shape)
            count = element_count(shape)
            tensor = raw_tensor(dtype, shape, count, memoryview(raw), output.name)
            found[output.name] = tensor.array
    except (KeyError, ValueError, FairleadError) as error:
        raise AnswerUnreadable(f"the outputs of the answer cannot be read: {error}") from None
    return found


def _as_json(rows: Sequence[Any]) -> Sequence[Any]:
    """Rows with what JSON has no word for as text, as they travel over HTTP."""
    values: list[Any] = []
    for row in rows:
        values += row.values() if row.__class__ is dict else row if row.__class__ is list else [row]
    plain = {*map(type, values)} <= _PLAIN
    return rows if plain else json.loads(json.dumps(rows, default=str))
