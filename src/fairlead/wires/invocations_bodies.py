"""What a body of `/invocations` holds: rows, columns, lines or arrays, by its media type and keys.

The keys are MLflow's, SageMaker's and Vertex AI's; a body has exactly one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairlead.core.errors import (
    BadParameter,
    MalformedBody,
    MediaTypeUnsupported,
    MissingField,
    TooManyRows,
    Unsupported,
)
from fairlead.core.limits import BodyLimits
from fairlead.core.signature import Signature
from fairlead.core.tensor import Tensor
from fairlead.inputs.arrays import tensors_of_npy, tensors_of_npz
from fairlead.inputs.columns import tensors_of_columns
from fairlead.inputs.instances import of_columns, of_instances
from fairlead.inputs.parquet import tensors_of_parquet
from fairlead.inputs.rows import rows_of_csv, tensors_of
from fairlead.inputs.strict_json import check_memory, loads
from fairlead.wires.oip_binary import bare_tensor
from fairlead.wires.predictions import PredictionsModel

_BODIES = ("dataframe_split", "dataframe_records", "instances", "inputs", "rows")
JSON, CSV, LINES, RAW = "json", "csv", "lines", "raw"
_ARRAYS: dict[str, Callable[[bytes, Signature, int, BodyLimits], list[Tensor]]] = {
    "npy": tensors_of_npy,
    "npz": tensors_of_npz,
    "parquet": tensors_of_parquet,
}
_MEDIA = {
    "": JSON,
    "application/json": JSON,
    "application/x-www-form-urlencoded": JSON,
    "text/csv": CSV,
    "application/csv": CSV,
    "application/jsonlines": LINES,
    "application/jsonl": LINES,
    "application/x-npy": "npy",
    "application/x-npz": "npz",
    "application/vnd.apache.parquet": "parquet",
    "application/x-parquet": "parquet",
    "application/octet-stream": RAW,
}
_TAKEN = (
    "application/json, text/csv, application/jsonlines, application/x-npy, application/x-npz, "
    "application/vnd.apache.parquet, application/octet-stream"
)
_UTF8 = ("charset=utf-8", 'charset="utf-8"')


def kind_of(given: str) -> str:
    """What a media type says that a body is. Raises MediaTypeUnsupported."""
    media, _, rest = given.partition(";")
    kind = _MEDIA.get(media.strip().lower())
    charset = rest.strip().lower()
    if kind is None or (charset.startswith("charset") and charset not in _UTF8):
        raise MediaTypeUnsupported(
            f"content type {given[:80]!r} is not taken here", fix=f"Send {_TAKEN}"
        )
    return kind


def tensors_of_body(
    body: bytes, kind: str, model: PredictionsModel, limits: BodyLimits
) -> list[Tensor]:
    """The tensors of a body that is no JSON. Raises what is wrong with it."""
    if kind == LINES:
        return _of_rows(_lines_of(body, model, limits), model)
    if kind == CSV:
        return _of_csv(body, model)
    if kind == RAW:
        return [_bare(body, model)]
    most = model.served.package.limits.max_rows
    return _ARRAYS[kind](body, model.signature, most, limits)


def _bare(body: bytes, model: PredictionsModel) -> Tensor:
    """The tensor that a whole body is. Raises MediaTypeUnsupported where that is not enough."""
    try:
        if len(model.signature.inputs) != 1:
            raise Unsupported("a body of bytes alone is for a model with one input")
        # Not `alone`: as many rows as there are bytes for.
        return bare_tensor(model.signature.inputs[0], False, body)
    except Unsupported as error:
        raise MediaTypeUnsupported(error.what, where="body", fix="Send JSON") from None


def is_tensors(value: Any) -> bool:
    """Whether a body is of the Open Inference Protocol."""
    inputs: Any = value.get("inputs") if value.__class__ is dict else None
    first: Any = inputs[0] if inputs.__class__ is list and inputs else None
    return first.__class__ is dict and {"name", "shape", "datatype"} <= first.keys()


def tensors_of_json(value: Any, model: PredictionsModel) -> list[Tensor]:
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


def sent_things(body: bytes, given: str, model: PredictionsModel) -> list[Tensor] | None:
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
