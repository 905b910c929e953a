"""One model, asked without its name: `/invocations` as SageMaker and MLflow have it, `/score` as
Azure ML has it, and the routes that Vertex AI gives in its environment.

What a body is follows from its media type and its keys. Errors have MLflow's shape.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fairlead.core.access import Caller
from fairlead.core.call import PUBLIC, Call, Head, Reply, Route
from fairlead.core.errors import (
    BadParameter,
    FairleadError,
    MalformedBody,
    MediaTypeUnsupported,
    MethodNotAllowed,
    MissingField,
    TooManyRows,
)
from fairlead.core.limits import STANDARD, BodyLimits
from fairlead.core.signature import Signature
from fairlead.core.tensor import Tensor
from fairlead.core.version import __version__
from fairlead.inputs.arrays import tensors_of_npy
from fairlead.inputs.columns import tensors_of_columns
from fairlead.inputs.instances import of_columns, of_instances
from fairlead.inputs.rows import rows_of_csv, tensors_of
from fairlead.inputs.strict_json import check_memory, loads
from fairlead.serving.disclosing import discreet
from fairlead.serving.registry import LATEST, Registry
from fairlead.wires.http_errors import headers_of, status_of, words_of
from fairlead.wires.invocations_answers import CsvEncoder, LinesEncoder, NpyEncoder
from fairlead.wires.oip_binary import HEADER, VENDOR
from fairlead.wires.oip_json import infer_decoder
from fairlead.wires.predictions import PredictionsModel, predictions_model

_BODIES = ("dataframe_split", "dataframe_records", "instances", "inputs", "rows")
_JSON, _CSV, _LINES, _NPY = "json", "csv", "lines", "npy"
_MEDIA = {
    "": _JSON,
    "application/json": _JSON,
    "application/x-www-form-urlencoded": _JSON,
    "text/csv": _CSV,
    "application/csv": _CSV,
    "application/jsonlines": _LINES,
    "application/jsonl": _LINES,
    "application/x-npy": _NPY,
}
_TAKEN = "application/json, text/csv, application/jsonlines, application/x-npy"


def error_reply(error: FairleadError) -> Reply:
    """The error as MLflow's clients read it."""
    status = status_of(error)
    code = "BAD_REQUEST" if status < 500 else "INTERNAL_ERROR"
    body = {"error_code": code, "message": words_of(error), "code": error.name, "id": error.id}
    return Reply(status, json.dumps(body).encode(), headers=headers_of(error))


class Invocations:
    """The routes of one model.

    default: its name; "" for the only model that is served. health, predict: further addresses that
    a platform has chosen, for readiness and for predictions.
    """

    def __init__(
        self,
        registry: Registry,
        ready: Callable[[], bool],
        limits: BodyLimits = STANDARD,
        default: str = "",
        health: str = "",
        predict: str = "",
    ) -> None:
        self._registry = registry
        self._ready = ready
        self._limits = limits
        self._default = default
        self._derive = predictions_model(limits)
        self._tensors = infer_decoder(limits)
        alive = Route(PUBLIC, error_reply, answer=self._health)
        version = Route("predict", error_reply, answer=_version)
        asked = Route("predict", error_reply, resolve=self._resolve)
        self._routes = {
            "/ping": ("GET", alive),
            "/health": ("GET", alive),
            "/version": ("GET", version),
            "/execution-parameters": ("GET", Route("predict", error_reply, answer=self._batch)),
            "/invocations": ("POST", asked),
            "/score": ("POST", asked),
        }
        self.addresses = tuple(f"{m} {path}" for path, (m, _) in self._routes.items())
        if health:
            self._routes.setdefault(health, ("GET", alive))
        if predict:
            self._routes[predict] = ("POST", asked)

    def owns(self, path: str) -> bool:
        """Only the addresses themselves."""
        return path in self._routes

    def error(self, error: FairleadError) -> Reply:
        """The wire's error table."""
        return error_reply(error)

    def route(self, method: str, path: str) -> Route | None:
        """The route for an address. Raises MethodNotAllowed."""
        found = self._routes.get(path)
        if found is None:
            return None
        wanted, route = found
        if method != wanted:
            raise MethodNotAllowed(method, [wanted])
        return route

    def _health(self, head: Head, body: bytes, caller: Caller) -> Reply:
        ready = self._ready()
        return Reply(200 if ready else 503, b"\n", "text/plain")

    def _batch(self, head: Head, body: bytes, caller: Caller) -> Reply:
        """How SageMaker's batch transform may ask."""
        told = {
            "MaxConcurrentTransforms": 8,
            "BatchStrategy": "MULTI_RECORD",
            "MaxPayloadInMB": max(1, min(6, self._limits.answer >> 20)),
        }
        return Reply(200, json.dumps(told).encode())

    # --- predictions --------------------------------------------------------------------------

    def _resolve(self, head: Head, body: bytes) -> Route:
        """The route of the model that is asked without its name. Raises MissingField."""
        name = self._default or self._registry.sole
        if not name:
            raise MissingField(
                "several models are served, and none is the one that is asked here",
                fix="Name it with the setting models.default, or use /predict/MODEL",
            )
        return Route("predict", error_reply, decode=self._decode, model=name, version=LATEST)

    def _decode(self, call: Call, head: Head, body: bytes) -> None:
        """Fills a call from whatever came. Raises the FairleadError that says what is wrong."""
        given = head.headers.get("content-type", "")
        if HEADER in head.headers or VENDOR.match(given):
            self._tensors(call, head, body)
            return
        model: PredictionsModel = call.lease.derived("predictions", self._derive)
        try:
            if (sent := _sent(body, given, model)) is not None:
                model.fill(call, sent, _encoder(call, model, "", head.headers.get("accept", "")))
                return
            kind = _kind_of(given)
            if kind == _JSON:
                value = loads(body, self._limits)
                if _is_tensors(value):
                    self._tensors(call, head, body)
                    return
                tensors = _of_json(call, value, model)
            elif kind == _LINES:
                tensors = _of_rows(_lines_of(body, model, self._limits), model)
            elif kind == _CSV:
                tensors = _of_csv(body, model)
            else:
                most = model.served.package.limits.max_rows
                tensors = tensors_of_npy(body, model.signature, most, self._limits)
            model.fill(call, tensors, _encoder(call, model, kind, head.headers.get("accept", "")))
        except FairleadError as error:
            raise discreet(call.lease.private, error) from None


def _kind_of(given: str) -> str:
    """What a media type says that a body is. Raises MediaTypeUnsupported."""
    media, _, rest = given.partition(";")
    kind = _MEDIA.get(media.strip().lower())
    charset = rest.strip().lower()
    if kind is None or (charset.startswith("charset") and charset not in _UTF8):
        raise MediaTypeUnsupported(
            f"content type {given[:80]!r} is not taken here", fix=f"Send {_TAKEN}"
        )
    return kind


_UTF8 = ("charset=utf-8", 'charset="utf-8"')


def _is_tensors(value: Any) -> bool:
    """Whether a body is of the Open Inference Protocol."""
    inputs: Any = value.get("inputs") if value.__class__ is dict else None
    first: Any = inputs[0] if inputs.__class__ is list and inputs else None
    return first.__class__ is dict and {"name", "shape", "datatype"} <= first.keys()


def _of_json(call: Call, value: Any, model: PredictionsModel) -> list[Tensor]:
    """The tensors of a JSON body. Raises MissingField, MalformedBody and what is in it."""
    if value.__class__ is list:
        return _of_rows(value, model)
    if value.__class__ is not dict:
        raise MalformedBody("the body must be an object or a list of rows", where="body")
    found = [key for key in _BODIES if key in value]
    if len(found) != 1:
        raise MissingField(
            "the body must have exactly one of " + ", ".join(_BODIES),
            where="body",
            fix=f"It has {', '.join(found) or 'none'}",
        )
    params: Any = value.get("params")
    if params is not None and params.__class__ is not dict:
        raise BadParameter("`params` must be an object", where="params")
    given = value[found[0]]
    if found[0] == "dataframe_split":
        return _of_rows(_rows_of_split(given), model)
    if found[0] == "inputs":
        return model.columns(given) or _of_inputs(given, model.signature)
    if given.__class__ is not list:
        raise MalformedBody(f"`{found[0]}` must be a list", where=found[0])
    return _of_rows(given, model)


def _sent(body: bytes, given: str, model: PredictionsModel) -> list[Tensor] | None:
    """The tensors of a body that is a picture or a text, None for any other."""
    preparing = model.served.preparing
    return preparing.of_body(body, given) if preparing is not None else None


def _of_rows(rows: list[Any], model: PredictionsModel) -> list[Tensor]:
    signature = model.signature
    if (sent := model.rows(rows)) is not None:
        return sent
    names = {column.name for column in signature.columns}
    if rows and rows[0].__class__ is dict and names and rows[0].keys() <= names:
        return tensors_of(rows, signature)
    return of_instances(rows, signature, whole=True)


def _lines_of(body: bytes, model: PredictionsModel, limits: BodyLimits) -> list[Any]:
    """The value of each line. Raises TooManyRows, and what `loads` does for the whole body."""
    most = model.served.package.limits.max_rows
    lines = body.split(b"\n", most + 1)
    if len(lines) > most + 1:
        raise TooManyRows(f"more than {most} lines in one request")
    check_memory(body, limits)
    return [loads(line, limits) for line in lines if line.strip()]


def _rows_of_split(given: Any) -> list[Any]:
    """The rows of `{"columns": [...], "data": [[...], ...]}`. Raises MalformedBody."""
    columns: Any = given.get("columns") if given.__class__ is dict else None
    data: Any = given.get("data") if given.__class__ is dict else None
    if columns.__class__ is not list or data.__class__ is not list:
        raise MalformedBody("`dataframe_split` needs `columns` and `data`", where="dataframe_split")
    rows: list[Any] = []
    for number, row in enumerate(data):
        if row.__class__ is not list or len(row) != len(columns):
            raise MalformedBody(
                f"row {number} has not one value for each column", where="dataframe_split"
            )
        rows.append(dict(zip(map(str, columns), row, strict=True)))
    return rows


def _of_inputs(given: Any, signature: Signature) -> list[Tensor]:
    """Tensors by input, or lists by column."""
    if given.__class__ is dict and signature.columns:
        names = {column.name for column in signature.columns}
        inputs = {spec.name for spec in signature.inputs}
        lists = [value.__class__ is list for value in given.values()]
        if given.keys() != inputs and given.keys() <= names and all(lists):
            return tensors_of_columns(given, signature)
    return of_columns(given, signature)


_LONGEST_NAMES = 64 << 10
"""Bytes of a first line in which the name of a column is looked for."""


def _of_csv(body: bytes, model: PredictionsModel) -> list[Tensor]:
    """The tensors of lines, whose first may name the columns."""
    signature, most = model.signature, model.served.package.limits.max_rows
    names = [column.name for column in signature.columns]
    end = min(body.find(b"\n") + 1 or len(body), _LONGEST_NAMES)
    first = body[:end].decode("utf-8", "replace").strip()
    cells = {cell.strip().strip('"') for cell in first.removeprefix("\ufeff").split(",")}
    if not cells & {*names}:
        quoted = ",".join('"' + name.replace('"', '""') + '"' for name in names)
        body = quoted.encode() + b"\n" + body
    return tensors_of(rows_of_csv(body, signature, most), signature)


def _encoder(call: Call, model: PredictionsModel, kind: str, accept: str) -> Any:
    """How the answer is given: as the caller accepts, in JSON when it does not say."""
    wanted = accept.partition(";")[0].strip().lower()
    if wanted == "text/csv":
        return call.lease.derived("predictions-csv", CsvEncoder)
    if wanted == "application/x-npy":
        return call.lease.derived("predictions-npy", NpyEncoder)
    if kind == _LINES or wanted == "application/jsonlines":
        return call.lease.derived("predictions-lines", LinesEncoder)
    return model.encoder("records")


def _version(head: Head, body: bytes, caller: Caller) -> Reply:
    return Reply(200, __version__.encode(), "text/plain")
