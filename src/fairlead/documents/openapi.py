"""OpenAPI 3.1 of a server and of one model: facts in, a document out.

What is said of a request follows from the model's signature; what is said of answers is true of
every address of its protocol. Nothing here knows a server.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fairlead.core.signature import Signature
from fairlead.core.tensor import DType

OPENAPI = "3.1.0"
_ERRORS = (400, 401, 403, 404, 405, 408, 413, 414, 415, 422, 429, 431, 500, 501, 503, 504)
"""Statuses that any address may answer with; 409 where something is changed."""
_PUBLIC = frozenset(("/", "/livez", "/readyz", "/ping", "/health", "/v2/health/live",
                     "/v2/health/ready"))  # fmt: skip
_READINESS = ("/readyz", "/ping", "/health", "/v2/health/ready")
_TEXT = {"schema": {"type": "string"}}
_JSON: dict[str, Any] = {"schema": {}}
_ANY = {"application/json": _JSON}


_LIMITS: dict[str, Any] = {name: _TEXT for name in ("RateLimit", "RateLimit-Policy")}
"""What callers with limits are told of them."""
_LATER: dict[str, Any] = {"Retry-After": {"schema": {"type": "integer", "minimum": 0}}}
"""Seconds to wait, where it is known how many."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a document tells of a model.

    sent: its signature with pictures and texts in place of tensors, None where it takes none;
    media: the types of bodies that are themselves one.
    """

    name: str
    version: int
    signature: Signature
    max_rows: int
    example: Any = None
    sent: Signature | None = None
    media: Sequence[str] = ()


def document(
    addresses: Iterable[str], models: Sequence[ModelFacts], version: str, one: bool = False
) -> dict[str, Any]:
    """The document of a server, or of one model of it.

    addresses: as the wires list them, "POST /predict/{model}". models: that the caller may know of.
    one: only what is about the one model, its name in place.
    """
    paths: dict[str, dict[str, Any]] = {}
    for address in addresses:
        method, _, path = address.partition(" ")
        if one and "{model}" not in path:
            continue
        shown = path.replace("{model}", models[0].name) if one else path
        paths.setdefault(shown, {})[method.lower()] = _operation(method, path, shown, models)
    title = f"{models[0].name} on Fairlead" if one else "Fairlead"
    return {
        "openapi": OPENAPI,
        "info": {"title": title, "version": version},
        "paths": paths,
        "security": [{"bearer": []}, {"key": []}],
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
            "schemas": _schemas(models),
        },
    }


def _operation(method: str, path: str, shown: str, models: Sequence[ModelFacts]) -> dict[str, Any]:
    name = re.sub(r"\W+", "_", f"{method.lower()}{shown}").strip("_")
    made: dict[str, Any] = {
        "operationId": name,
        "tags": [_protocol(path)],
        "responses": _responses(method, path),
    }
    if path in _PUBLIC:
        made["security"] = []
    parameters = [_parameter(p, models) for p in re.findall(r"\{(\w+)\}", shown)]
    if path.startswith("/predict/"):
        parameters.append({"name": "outputs", "in": "query", "schema": {"type": "string"}})
    if parameters:
        made["parameters"] = parameters
    if method in ("POST", "PUT"):
        made["requestBody"] = {"required": False, "content": _request(path, models)}
    return made


def _protocol(path: str) -> str:
    """Whose address it is."""
    for start, name in (
        ("/v2", "Open Inference Protocol v2"),
        ("/v1", "TensorFlow Serving and KServe v1"),
    ):
        if path.startswith(start):
            return name
    clouds = ("/invocations", "/ping", "/health", "/version", "/execution", "/score")
    return "One model, without its name" if path.startswith(clouds) else "Fairlead"


def _parameter(name: str, models: Sequence[ModelFacts]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if name == "version":
        schema = {"type": "integer", "minimum": 0}
    elif name == "model" and models:
        schema = {"type": "string", "examples": [model.name for model in models[:8]]}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _responses(method: str, path: str) -> dict[str, Any]:
    """Every answer that an address may give."""
    error = {
        "Open Inference Protocol v2": "Error",
        "TensorFlow Serving and KServe v1": "Error",
        "One model, without its name": "MlflowError",
    }.get(_protocol(path), "Problem")
    media = "application/problem+json" if error == "Problem" else "application/json"
    refused: dict[str, Any] = {
        "description": "What is wrong, where, and how to fix it.",
        "content": {media: {"schema": {"$ref": f"#/components/schemas/{error}"}}},
    }
    statuses = [*_ERRORS, 409] if method != "GET" else list(_ERRORS)
    made: dict[str, dict[str, Any]] = {str(status): refused for status in sorted(statuses)}
    made["429"] = refused | {"headers": _LIMITS | _LATER}
    made["503"] = refused | {"headers": _LATER}
    good: dict[str, Any] = {"description": "The answer.", "content": _answer(path)}
    if path.startswith("/predict/"):
        good["headers"] = _LIMITS
    made["202" if path.startswith("/feedback") else "200"] = good
    if path in _READINESS or path.endswith("/models/{model}"):
        made["503"] = {"description": "Not ready.", "content": _answer(path) | {media: _JSON}}
    return dict(sorted(made.items()))


def _answer(path: str) -> dict[str, Any]:
    if path == "/metrics":
        return {"text/plain": _TEXT, "application/openmetrics-text": _TEXT}
    if path in ("/ping", "/health", "/version") or path.startswith("/protos/"):
        return {"text/plain": _TEXT}
    if path.endswith("/infer"):
        return _ANY | {"application/octet-stream": {}}
    if path in ("/invocations", "/score"):
        others = ("text/csv", "application/jsonlines", "application/x-npy")
        return _ANY | {media: {} for media in others}
    return _ANY


def _request(path: str, models: Sequence[ModelFacts]) -> dict[str, Any]:
    if path.startswith("/predict/"):
        rows = [{"$ref": f"#/components/schemas/{_rows_name(model)}"} for model in models]
        schema: dict[str, Any] = {"anyOf": rows} if len(rows) > 1 else (rows[0] if rows else {})
        more: dict[str, Any] = {media: {} for model in models for media in model.media}
        return more | {"application/json": {"schema": schema}, "text/csv": _TEXT}
    if path.endswith("/infer"):
        tensors = {"schema": {"$ref": "#/components/schemas/Tensors"}}
        return {"application/json": tensors, "application/octet-stream": {}}
    if path in ("/invocations", "/score"):
        return _ANY | {"text/csv": _TEXT, "application/jsonlines": {}, "application/x-npy": {}}
    return {"application/json": {"schema": {"type": "object"}}}


# --- schemas ------------------------------------------------------------------------------------


def _rows_name(model: ModelFacts) -> str:
    return f"rows.{model.name}"


def _schemas(models: Sequence[ModelFacts]) -> dict[str, Any]:
    text: dict[str, Any] = {"type": "string"}
    tensor = {
        "type": "object",
        "required": ["name", "shape", "datatype"],
        "properties": {
            "name": text,
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}},
            "datatype": text,
            "data": {"type": "array"},
            "parameters": {"type": "object"},
        },
    }
    made: dict[str, Any] = {
        "Problem": _object(("type", "title", "status", "detail", "code", "id"), status="integer"),
        "Error": _object(("error",)),
        "MlflowError": _object(("error_code", "message")),
        "Tensors": {
            "type": "object",
            "required": ["inputs"],
            "properties": {"id": text, "inputs": {"type": "array", "items": tensor}},
        },
    }
    for model in models:
        made[_rows_name(model)] = _rows(model)
    return made


def _object(names: Sequence[str], **types: str) -> dict[str, Any]:
    properties = {name: {"type": types.get(name, "string")} for name in names}
    return {"type": "object", "required": list(names), "properties": properties}


def _rows(model: ModelFacts) -> dict[str, Any]:
    """What a body of rows for a model is."""
    row = _row(model.signature)
    if model.sent is not None:
        row = {"anyOf": [_row(model.sent), row]}
    rows = {"type": "array", "items": row, "minItems": 1, "maxItems": model.max_rows}
    made: dict[str, Any] = {"anyOf": [_asked(rows=rows), rows, row, *_by_columns(model)]}
    if model.example is not None:
        made["examples"] = [{"rows": [model.example]}]
    return made


def _asked(**given: dict[str, Any]) -> dict[str, Any]:
    """A body that names what it gives, and which outputs it asks for."""
    outputs = {"type": "array", "items": {"type": "string"}}
    return {"type": "object", "required": [*given], "properties": {**given, "outputs": outputs}}


def _by_columns(model: ModelFacts) -> list[dict[str, Any]]:
    """The same rows column by column, where the model has any."""
    made: list[dict[str, Any]] = []
    for given in (model.sent, model.signature if model.signature.columns else None):
        cells: dict[str, Any] = _row(given)["properties"] if given is not None else {}
        if cells and "columns" not in cells:
            lists = {name: _all(cell) for name, cell in cells.items()}
            made.append(
                _asked(columns={"type": "object", "required": [*lists], "properties": lists})
            )
    return made


def _all(cell: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": cell, "minItems": 1}


def _row(signature: Signature) -> dict[str, Any]:
    """One row, by column or by input."""
    cells: Mapping[str, dict[str, Any]]
    if signature.columns:
        specs = signature.inputs
        cells = {
            c.name: _cell(specs[c.input].dtype, specs[c.input].missing) for c in signature.columns
        }
    else:
        cells = {spec.name: {"type": "array"} for spec in signature.inputs}
    return {"type": "object", "required": list(cells), "properties": dict(cells)}


def _cell(dtype: DType, missing: bool) -> dict[str, Any]:
    kind = "number" if dtype.is_float else "integer"
    kind = "string" if dtype.is_text else "boolean" if dtype.letter == "?" else kind
    return {"type": [kind, "null"] if missing else kind}
