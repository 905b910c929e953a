"""Answers that list predictions, as TensorFlow Serving, KServe, MLflow and the clouds give them.

Three forms: rows (a value, or an object when there are several outputs), columns (an output as one
nested list), and records (always an object by output name, single values bare).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import orjson

from fairlead.core.call import Call
from fairlead.core.decision import Verdicts
from fairlead.core.limits import BodyLimits
from fairlead.core.signature import TensorSpec
from fairlead.core.tensor import Array, Tensor
from fairlead.inputs.loose_json import spelt
from fairlead.serving.array_json import most_rows, nested, too_large
from fairlead.serving.array_json import rows as text_rows
from fairlead.serving.served import Served

Form = Literal["rows", "columns", "records"]


class PredictionsModel:
    """What the wires with predictions derive once from a served version."""

    def __init__(self, served: Served, limits: BodyLimits) -> None:
        self.served = served
        self.limits = limits
        self.signature = served.package.signature
        self.fixed = all(d != -1 for spec in self.signature.inputs for d in spec.shape[1:])
        self._encoders: dict[tuple[Form, bool], PredictionsEncoder] = {}

    def encoder(self, form: Form, words: bool = False) -> PredictionsEncoder:
        """The encoder of a form; one object each, so that equal calls may join.

        words: a number that JSON has none for is written as NaN, Infinity or -Infinity, not null.
        """
        found = self._encoders.get((form, words))
        if found is None:
            found = PredictionsEncoder(self.served, self.limits, form, words)
            self._encoders[form, words] = found
        return found

    def rows(self, rows: Sequence[Any]) -> list[Tensor] | None:
        """The tensors of rows that hold pictures or texts, None for any others."""
        preparing = self.served.preparing
        return preparing.of_rows(rows) if preparing is not None else None

    def columns(self, value: Any) -> list[Tensor] | None:
        """The same for what stands under `inputs`."""
        preparing = self.served.preparing
        return preparing.of_columns(value) if preparing is not None else None

    def specs(self, texts: Mapping[str, bool]) -> Sequence[TensorSpec]:
        """The inputs that are meant: those of pictures and texts where such are given.

        texts: of each input that a request has, whether it is text.
        """
        preparing = self.served.preparing
        if preparing is None:
            return self.signature.inputs
        sent = preparing.public.inputs
        meant = any(spec.role and texts.get(spec.name) for spec in sent)
        return sent if meant else self.signature.inputs

    def fill(self, call: Call, tensors: list[Tensor], encoder: Any) -> None:
        """Sets a call's inputs, rows, group and encoder."""
        call.inputs, call.encoder = tensors, encoder
        preparing = self.served.preparing
        if preparing is not None and preparing.takes(tensors):
            preparing.finish(call, tensors)
            return
        call.rows = tensors[0].shape[0] if self.signature.batched else 1
        shapes = () if self.fixed else tuple(t.shape[1:] for t in tensors)
        call.group = (encoder, *shapes)


def predictions_model(limits: BodyLimits) -> Callable[[Served], PredictionsModel]:
    """What derives it under these limits."""
    return lambda served: PredictionsModel(served, limits)


class PredictionsEncoder:
    """Writes the answers of joined calls in one form."""

    decides = False

    def __init__(self, served: Served, limits: BodyLimits, form: Form, words: bool) -> None:
        package = served.package
        self.specs: Sequence[TensorSpec] = package.signature.outputs
        self.outputs = tuple(range(len(self.specs)))
        self.most_rows = most_rows(package.limits.max_rows, self.specs, limits.answer)
        self._most = limits.answer
        self._form = form
        self._words = words
        self._batched = package.signature.batched
        self._bare = form != "records" and len(self.specs) == 1
        self._names = [orjson.dumps(spec.name) for spec in self.specs]

    def encode(
        self, calls: Sequence[Call], outputs: Sequence[Array], verdicts: Verdicts | None
    ) -> None:
        """Sets the payload of every call. Raises AnswerTooLarge."""
        if self._form == "columns" or not self._batched:
            start = 0
            for call in calls:
                stop = start + call.rows
                whole = [a[start:stop] if self._batched else a for a in outputs]
                self._set(call, b"outputs", self._columns(whole))
                start = stop
            return
        single = self._form == "records"
        pairs = zip(self.specs, outputs, strict=True)
        each = [self._spelt(_row_texts(s, a, self._most, single), a) for s, a in pairs]
        rows = (
            each[0]
            if self._bare
            else [_object(self._names, row) for row in zip(*each, strict=True)]
        )
        start = 0
        for call in calls:
            stop = start + call.rows
            self._set(call, b"predictions", b"[" + b",".join(rows[start:stop]) + b"]")
            start = stop

    def _columns(self, outputs: Sequence[Array]) -> bytes:
        pairs = zip(self.specs, outputs, strict=True)
        texts = [self._spelt([_nested(spec, array)], array)[0] for spec, array in pairs]
        return texts[0] if self._bare else _object(self._names, texts)

    def _spelt(self, texts: list[bytes], array: Array) -> list[bytes]:
        return spelt(texts, array) if self._words else texts

    def _set(self, call: Call, key: bytes, text: bytes) -> None:
        call.payload = b'{"%b":%b}' % (key, text)
        if len(call.payload) > self._most:
            raise too_large(self._most)


def row_objects(specs: Sequence[TensorSpec], outputs: Sequence[Array], most: int) -> list[bytes]:
    """Each row as an object by output name, single values bare."""
    names = [orjson.dumps(spec.name) for spec in specs]
    pairs = zip(specs, outputs, strict=True)
    each = [_row_texts(spec, array, most, True) for spec, array in pairs]
    return [_object(names, row) for row in zip(*each, strict=True)]


def _object(names: Sequence[bytes], texts: Sequence[bytes]) -> bytes:
    pairs = [b"%b:%b" % pair for pair in zip(names, texts, strict=True)]
    return b"{" + b",".join(pairs) + b"}"


def _row_texts(spec: TensorSpec, array: Array, most: int, single: bool) -> list[bytes]:
    """Each row of an output as JSON; single: a list of one is written as its value."""
    if _as_base64(spec) or len(spec.shape) > 2:
        return [_nested(spec, row) for row in array]
    texts = text_rows(array, most)
    if len(spec.shape) == 1 or (single and spec.shape[1:] == (1,)):
        return texts
    return [b"[" + text + b"]" for text in texts]


def _nested(spec: TensorSpec, array: Array) -> bytes:
    if _as_base64(spec):
        return orjson.dumps(_encoded(array.tolist()))
    return nested(array)


def _as_base64(spec: TensorSpec) -> bool:
    """TensorFlow Serving writes text of outputs with such a name as base64."""
    return spec.dtype.is_text and spec.name.endswith("_bytes")


def _encoded(value: Any) -> Any:
    if value.__class__ is list:
        return [_encoded(one) for one in value]
    raw = value if isinstance(value, bytes) else str(value).encode()
    return {"b64": b64encode(raw).decode()}
