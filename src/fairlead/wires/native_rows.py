"""Our own protocol for predictions: rows of people in, one answer per row out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import orjson

from fairlead.core.call import Call, Decode, Head
from fairlead.core.decision import UNGUARDED, Verdicts
from fairlead.core.errors import (
    BadParameter,
    DuplicateName,
    FairleadError,
    MediaTypeUnsupported,
    TooManyRows,
    UnknownName,
)
from fairlead.core.limits import BodyLimits
from fairlead.core.signature import TensorSpec, class_names, row_keys
from fairlead.core.tensor import Array
from fairlead.inputs.columns import ColumnReader
from fairlead.inputs.rows import listed, rows_of, rows_of_csv, tensors_of
from fairlead.inputs.strict_json import loads
from fairlead.serving.array_json import flat, most_rows, nested, too_large
from fairlead.serving.array_json import rows as text_rows
from fairlead.serving.disclosing import discreet
from fairlead.serving.served import Served
from fairlead.wires.native_tails import Tails

_ENCODERS_KEPT = 64


class NativeModel:
    """What this wire derives once from a served version."""

    def __init__(self, served: Served, limits: BodyLimits) -> None:
        self.served = served
        self.limits = limits
        self.signature = served.package.signature
        self.outputs = {spec.name: i for i, spec in enumerate(self.signature.outputs)}
        self.fixed = all(d != -1 for spec in self.signature.inputs for d in spec.shape[1:])
        self.columns = ColumnReader(self.signature)
        self.has_columns = any(column.name == "columns" for column in self.signature.columns)
        self.names = "".join([column.name for column in self.signature.columns])
        self._encoders: dict[tuple[int, ...], RowEncoder] = {}

    def encoder(self, names: Sequence[str]) -> RowEncoder:
        """The encoder for outputs by name, all when none is named. Raises UnknownName."""
        for name in names:
            if name not in self.outputs:
                raise UnknownName(
                    f"the model has no output {name[:80]!r}",
                    where="outputs",
                    fix=f"Its outputs: {listed([*self.outputs])}",
                )
        if len(set(names)) != len(names):
            raise DuplicateName("an output is asked for twice", where="outputs")
        chosen = tuple(self.outputs[n] for n in names) or tuple(range(len(self.outputs)))
        found = self._encoders.get(chosen)
        if found is None:
            if len(self._encoders) >= _ENCODERS_KEPT:
                self._encoders.clear()
            found = self._encoders[chosen] = RowEncoder(self.served, chosen, self.limits.answer)
        return found


def rows_decoder(limits: BodyLimits) -> Decode:
    """What decodes rows under these limits."""

    def derive(served: Served) -> NativeModel:
        return NativeModel(served, limits)

    def decode(call: Call, head: Head, body: bytes) -> None:
        try:
            _decode(call, head, body, call.lease.derived("native", derive))
        except FairleadError as error:
            raise discreet(call.lease.private, error) from None

    return decode


def _decode(call: Call, head: Head, body: bytes, model: NativeModel) -> None:
    """Fills `call` from JSON or CSV rows. Raises the FairleadError that says what is wrong."""
    if not model.signature.batched:
        raise BadParameter(
            "this model takes whole tensors, not rows",
            fix=f"POST /v2/models/{model.served.package.name}/infer",
        )
    most = model.served.package.limits.max_rows
    names = _asked_in_address(head.query)
    if _take_prepared(call, head, body, model, names):
        return
    media = head.headers.get("content-type", "application/json").split(";", 1)[0].strip().lower()
    if media in ("text/csv", "application/csv"):
        rows: Sequence[Any] = rows_of_csv(body, model.signature, most)
    elif media.endswith("json") or media in ("", "application/x-www-form-urlencoded"):
        # curl -d without a header says "form"; the body decides whether it is JSON.
        value = loads(body, model.limits)
        if value.__class__ is dict and "columns" in value and not model.has_columns:
            _fill_from_columns(call, value, model, names, _may_hold_booleans(body, value, model))
            return
        rows = rows_of(value, model.signature)
        names = names or _asked_in_body(value, rows)
        if _take_sent(call, rows, model, names):
            return
    else:
        raise MediaTypeUnsupported(
            f"content type {media[:60]!r} is not taken here",
            fix=f"Send {_taken(model)}",
        )
    if len(rows) > most:
        raise TooManyRows(f"{len(rows)} rows in one request; {most} is the limit")
    call.encoder = model.encoder(names)
    call.inputs = tensors_of(rows, model.signature)
    call.rows = len(rows)
    shapes = [t.shape[1:] for t in call.inputs] if not model.fixed else []
    call.group = (call.encoder, *shapes)


def _take_prepared(
    call: Call, head: Head, body: bytes, model: NativeModel, names: Sequence[str]
) -> bool:
    """Whether the body is itself a picture, a text or a form of files; then the call is filled."""
    preparing = model.served.preparing
    if preparing is None:
        return False
    tensors = preparing.of_body(body, head.headers.get("content-type", ""))
    if tensors is None:
        return False
    call.encoder = model.encoder(names)
    preparing.finish(call, tensors)
    return True


def _take_sent(call: Call, rows: Sequence[Any], model: NativeModel, names: Sequence[str]) -> bool:
    """Whether rows hold pictures or texts, and no tensors; then the call is filled."""
    preparing = model.served.preparing
    tensors = preparing.of_rows(rows) if preparing is not None else None
    if preparing is None or tensors is None:
        return False
    call.encoder = model.encoder(names)
    preparing.finish(call, tensors)
    return True


def _taken(model: NativeModel) -> str:
    """The media types of bodies."""
    preparing = model.served.preparing
    more = [m for one in preparing.described for m in one["media"]] if preparing else []
    return ", ".join(dict.fromkeys(("application/json", "text/csv", *more)))


def _may_hold_booleans(body: bytes, value: dict[str, Any], model: NativeModel) -> bool:
    """Whether `true` or `false` may stand among the cells of columns; False is surely so.

    Each has a letter that no number has. Where no name but the known ones has them either, there
    is none: letters are counted several times as fast as words are looked for.
    """
    asked: Any = value.get("outputs")
    wanted = [name for name in asked if name.__class__ is str] if asked.__class__ is list else []
    names = "".join([*value, *wanted]) + model.names
    return any(body.count(ord(one)) != names.count(one) for one in "us")


def _fill_from_columns(
    call: Call, value: dict[str, Any], model: NativeModel, names: Sequence[str], booleans: bool
) -> None:
    """Fills `call` from `{"columns": {...}, "outputs": [...]}`."""
    for key in value:
        if key not in ("columns", "outputs"):
            raise UnknownName(f"{key[:80]!r} does not belong beside `columns`")
    call.encoder = model.encoder(names or _asked_in_body(value, ()))
    preparing = model.served.preparing
    if preparing is not None and (sent := preparing.of_columns(value["columns"])) is not None:
        preparing.finish(call, sent)
        return
    call.inputs = model.columns.tensors(value["columns"], booleans=booleans)
    call.rows = call.inputs[0].shape[0]
    most = model.served.package.limits.max_rows
    if call.rows > most:
        raise TooManyRows(f"{call.rows} rows in one request; {most} is the limit")
    call.group = (call.encoder,)


def _asked_in_address(query: str) -> list[str]:
    """The outputs that `?outputs=a,b` names; any other parameter is refused."""
    names: list[str] = []
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key != "outputs":
            raise BadParameter(f"the parameter {key[:80]!r} is not known", fix="Known: outputs")
        names += [name for name in value.split(",") if name]
    return names


def _asked_in_body(value: Any, rows: Sequence[Any]) -> list[str]:
    if value.__class__ is not dict or (len(rows) == 1 and rows[0] is value):
        return []
    names = value.get("outputs", [])
    if names.__class__ is not list or not all(name.__class__ is str for name in names):
        raise BadParameter("`outputs` must be a list of names", where="outputs")
    return names


class RowEncoder:
    """Writes one JSON object per row: label, scores by class name, value, decision."""

    decides = True

    def __init__(self, served: Served, outputs: tuple[int, ...], most: int) -> None:
        """most: bytes that an answer may have."""
        package = served.package
        self.outputs = outputs
        self.specs = [package.signature.outputs[i] for i in outputs]
        self.most_rows = most_rows(package.limits.max_rows, self.specs, most)
        self._most = most
        named: dict[str, Any] = package.words.get("labels", {})
        keys = row_keys(self.specs)
        self._pieces = [_piece(*pair, named, most) for pair in zip(keys, self.specs, strict=True)]
        start = {"model": package.name, "version": package.version}
        self._start = orjson.dumps(start)[:-1] + b',"predictions":['
        reasons = orjson.dumps(list(UNGUARDED.reasons)).decode()
        decision = f'"decision":"{UNGUARDED.outcome}","reasons":{reasons}}}'.encode()
        pieces = b"".join([piece.template for piece in self._pieces])
        self._row = b"{" + pieces + decision.replace(b"%", b"%%")
        self._width = sum(piece.width for piece in self._pieces)
        self._tails = Tails(served, keys, self.specs, named) if served.guarding else None

    def encode(
        self, calls: Sequence[Call], outputs: Sequence[Array], verdicts: Verdicts | None
    ) -> None:
        """Sets the payload of every call. Raises AnswerTooLarge."""
        pairs = zip(self._pieces, outputs, strict=True)
        if self._tails is not None and verdicts is not None:
            written = [piece.rows(array) for piece, array in pairs]
            self._encode_guarded(calls, self._tails.rows(written, outputs, verdicts))
            return
        # All values row by row, so that a call's rows are written by one template.
        if len(self._pieces) == 1:
            values = self._pieces[0].texts(outputs[0])
        else:
            lines = [line for piece, array in pairs for line in piece.lines(array)]
            values = [*chain.from_iterable(zip(*lines, strict=True))]
        start = 0
        for call in calls:
            stop = start + call.rows
            rows = b",".join([self._row] * call.rows)
            written = rows % tuple(values[start * self._width : stop * self._width])
            start = stop
            call.payload = self._start + written + b"]}"
            if len(call.payload) > self._most:
                raise too_large(self._most)

    def _encode_guarded(self, calls: Sequence[Call], rows: list[bytes]) -> None:
        start = 0
        for call in calls:
            stop = start + call.rows
            call.payload = self._start + b",".join(rows[start:stop]) + b"]}"
            start = stop
            if len(call.payload) > self._most:
                raise too_large(self._most)


class _Piece(NamedTuple):
    """How one output is written into a row.

    template: `"key":value,` with a place for each of `width` values. texts: those of all rows, one
    row behind the other.
    """

    template: bytes
    width: int
    texts: Callable[[Array], list[bytes]]

    def lines(self, array: Array) -> list[list[bytes]]:
        """The values of all rows, place by place."""
        texts = self.texts(array)
        return [texts] if self.width == 1 else [texts[i :: self.width] for i in range(self.width)]

    def rows(self, array: Array) -> list[bytes]:
        """The piece of each row."""
        return [self.template % values for values in zip(*self.lines(array), strict=True)]


def _piece(key: str, spec: TensorSpec, named: dict[str, Any], most: int) -> _Piece:
    start = f"{_text(key)}:"

    def each_row(array: Array) -> list[bytes]:
        return text_rows(array, most)

    def each_value(array: Array) -> list[bytes]:
        return flat(array, most).split(b",")

    def owners_names(array: Array) -> list[bytes]:
        return [_named(row, named) for row in text_rows(array, most)]

    def whole(array: Array) -> list[bytes]:
        return [nested(row) for row in array]

    scalar = f"{start}%b,".encode()
    if spec.role == "scores" and spec.classes and len(spec.shape) == 2:
        names = class_names(spec, named)
        inner = ",".join(f"{_text(name)}:%b" for name in names)
        return _Piece(f"{start}{{{inner}}},".encode(), len(names), each_value)
    if len(spec.shape) == 1 or spec.shape[1:] == (1,):
        is_named = spec.role == "label" and bool(named)
        return _Piece(scalar, 1, owners_names if is_named else each_row)
    if len(spec.shape) == 2:
        return _Piece(f"{start}[%b],".encode(), 1, each_row)
    return _Piece(scalar, 1, whole)


def _text(name: str) -> str:
    """A name as JSON, in a template."""
    return orjson.dumps(name).decode().replace("%", "%%")


def _named(label: bytes, named: dict[str, Any]) -> bytes:
    """The owner's name of a label, or the label itself."""
    plain = str(orjson.loads(label))
    return orjson.dumps(str(named[plain])) if plain in named else label
