"""OpenAPI 3.1 of a server and of one model: facts in, a document out.

What is said of rows and tensors follows from a model's signature and contract; what is said of
errors is true of every address of its protocol. Nothing here knows a server.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from fairlead.documents.openapi_addresses import (
    EVENTS,
    Told,
    is_described,
    plain_path,
    protocol_of,
    statuses_of,
    told_of,
)
from fairlead.documents.openapi_cells import Schema
from fairlead.documents.openapi_facts import ModelFacts
from fairlead.documents.openapi_models import KINDS, schema_of, schemas_of
from fairlead.documents.openapi_schemas import common_schemas, ref

OPENAPI = "3.1.0"
_TEXT = {"schema": {"type": "string"}}
_BYTES: dict[str, Any] = {}
"""A body that no schema describes."""
_REFUSED = {
    "Open Inference Protocol v2": "Error",
    "TensorFlow Serving and KServe v1": "Error",
    "One model, without its name": "MlflowError",
}
_EVENT = "application/cloudevents+json"
_PARQUET = "application/vnd.apache.parquet"
_ARRAYS = ("application/x-npy", "application/x-npz", "application/octet-stream")
_LINES = ("text/csv", "application/jsonlines", *_ARRAYS)
_NAMED_QUERY = {
    "/predict/{model}": {"outputs": "Outputs by name, separated by commas; without it, all."},
    "/usage": {
        "by": "What to group by, separated by commas: key, model, version, plan, price, status, "
        "decision, month, day, hour.",
        "zone": "The time zone of days and months.",
        "since": "The first day or time (ISO 8601).",
        "until": "The day or time before which it ends.",
        "model": "Of one model alone.",
        "key": "Of one key alone.",
    },
}


def document(
    addresses: Iterable[str],
    models: Sequence[ModelFacts],
    version: str,
    *,
    one: bool = False,
    unnamed: str = "",
    protos: Sequence[str] = (),
) -> dict[str, Any]:
    """The document of a server, or of one model of it.

    addresses: as the wires list them, "POST /predict/{model}". models: that the caller may know of.
    one: only what is about the one model, its name in place. unnamed: the model that is asked where
    an address names none. protos: the .proto files.
    """
    paths: dict[str, dict[str, Any]] = {}
    for address in addresses:
        method, _, path = address.partition(" ")
        if not is_described(method, path):
            continue
        if one and ("{model}" not in path or not _takes(method, path, models[0])):
            continue
        shown = path.replace("{model}", models[0].name) if one else path
        asked = [m for m in models if m.name == unnamed] if _is_unnamed(path) else models
        made = _operation(method, path, shown, asked, protos)
        paths.setdefault(shown, {})[method.lower()] = made
    title = f"{models[0].name} on Fairlead" if one else "Fairlead"
    whole: dict[str, Any] = {
        "openapi": OPENAPI,
        "info": {"title": title, "version": version},
        "servers": [{"url": "/"}],
        "paths": paths,
        "security": [{"bearer": []}, {"key": []}],
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
            "parameters": _parameters(),
            "headers": _headers(),
            "responses": _refusals(),
            "schemas": common_schemas() | schemas_of(models),
        },
    }
    return _without_unused(whole)


def _takes(method: str, path: str, model: ModelFacts) -> bool:
    """Whether a model can answer there at all."""
    told = told_of(method, path)
    if told.refused:
        return False
    if told.predicts and model.streams:
        return path.endswith(("_stream", "/generate"))
    if path.startswith("/predict/"):
        return model.signature.batched
    wanted = {":classify": "scores", ":regress": "value"}.get(path[path.rfind(":") :], "")
    roles = [spec.role for spec in model.signature.outputs]
    return not wanted or (wanted in roles and bool(model.signature.columns))


def _is_unnamed(path: str) -> bool:
    return path in ("/invocations", "/score")


def _operation(
    method: str, path: str, shown: str, models: Sequence[ModelFacts], protos: Sequence[str]
) -> dict[str, Any]:
    told = told_of(method, path)
    name = re.sub(r"\W+", "_", f"{method.lower()}{shown}").strip("_")
    made: dict[str, Any] = {
        "operationId": name,
        "summary": told.summary,
        "tags": [protocol_of(path)],
        "parameters": _parameters_of(path, shown, models, protos, told),
        "responses": _responses(method, path, models, told),
    }
    if told.public:
        made["security"] = []
    if method in ("POST", "PUT"):
        content = _request(path, models, told)
        asked: dict[str, Any] = {"required": told.needs_body, "content": content}
        most = max((model.body for model in models), default=0)
        if told.predicts and most:
            asked["description"] = f"At most {most >> 20} MiB, counted once it is decoded."
        made["requestBody"] = asked
    return made


# --- what is asked ------------------------------------------------------------------------------


def _parameters() -> dict[str, Any]:
    """Headers that many addresses take."""
    identity = {"type": "string", "pattern": r"^[A-Za-z0-9._~:/+=@|-]{1,128}$"}
    return {
        "RequestId": {
            "name": "X-Request-Id",
            "in": "header",
            "description": "Your own id of the request; the answer has it too.",
            "schema": identity,
        },
        "Timeout": {
            "name": "X-Request-Timeout",
            "in": "header",
            "description": "Milliseconds that you will wait; then the answer is 504.",
            "schema": {"type": "integer", "minimum": 1},
        },
    }


def _parameters_of(
    path: str, shown: str, models: Sequence[ModelFacts], protos: Sequence[str], told: Told
) -> list[dict[str, Any]]:
    made = [_parameter(name, path, models, protos) for name in re.findall(r"\{(\w+)\}", shown)]
    for name, words in _NAMED_QUERY.get(plain_path(path), {}).items():
        made.append({"name": name, "in": "query", "description": words, **_TEXT})
    made.append({"$ref": "#/components/parameters/RequestId"})
    if told.predicts:
        made.append({"$ref": "#/components/parameters/Timeout"})
    return made


def _parameter(
    name: str, path: str, models: Sequence[ModelFacts], protos: Sequence[str]
) -> dict[str, Any]:
    schema: Schema = {"type": "string"}
    known: Sequence[Any] = ()
    if name == "version":
        schema = {"type": "integer", "minimum": 0}
        known = sorted({model.version for model in models[:8]})
    elif name == "model":
        known = [model.name for model in models[:8]]
    elif name == "label":
        known = ["stable"]
    elif path.startswith("/protos/"):
        known = protos
    if known:
        schema["examples"] = list(known)
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _request(path: str, models: Sequence[ModelFacts], told: Told) -> dict[str, Any]:
    """What a body may be, by media type."""
    if told.kind_in in KINDS:
        schema = schema_of(told.kind_in, models, "{version}" in path or "{label}" in path)
    else:
        schema = ref(told.kind_in) if told.kind_in else {"type": "object"}
    made: dict[str, Any] = {"application/json": {"schema": schema}}
    if told.kind_in == "rows":
        media = dict.fromkeys(media for model in models for media in model.media)
        made = {name: _BYTES for name in media} | made | {"text/csv": _TEXT}
    elif told.kind_in == "tensors" or told.kind_in == "invocation":
        made["application/octet-stream"] = _BYTES
    if told.kind_in == "invocation":
        made |= {"text/csv": _TEXT} | {m: _BYTES for m in (*_LINES[1:], _PARQUET)}
    if path.endswith(":predict"):
        made[_EVENT] = {"schema": {"type": "object"}}
    return made


# --- what is answered ---------------------------------------------------------------------------


def _headers() -> dict[str, Any]:
    return {
        "RateLimit": {
            "description": "What is left of your limits, and in how many seconds all of it is.",
            **_TEXT,
        },
        "RateLimit-Policy": {"description": "Your limits.", **_TEXT},
        "Retry-After": {
            "description": "Seconds to wait, where it is known how many.",
            "schema": {"type": "integer", "minimum": 0},
        },
        "Fairlead-Usage-Id": {
            "description": "Where the call stands in the journal; true labels name it.",
            **_TEXT,
        },
        "WWW-Authenticate": {"required": True, **_TEXT},
    }


def _header(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


_BESIDE = {
    401: ("WWW-Authenticate",),
    429: ("RateLimit", "RateLimit-Policy", "Retry-After"),
    503: ("Retry-After",),
}
"""The headers of an error, by its status."""


def _refusals() -> dict[str, Any]:
    """The answers that are errors, by their shape, and with headers by their status too."""
    made: dict[str, Any] = {}
    for shape in ("Problem", "Error", "MlflowError"):
        media = "application/problem+json" if shape == "Problem" else "application/json"
        refused: dict[str, Any] = {
            "description": "What is wrong, where, and how to fix it.",
            "content": {media: {"schema": ref(shape)}},
        }
        made[shape] = refused
        for status, names in _BESIDE.items():
            made[f"{shape}{status}"] = refused | {"headers": _header(*names)}
    return made


def _responses(method: str, path: str, models: Sequence[ModelFacts], told: Told) -> dict[str, Any]:
    """Every answer that an address may give."""
    shape = _REFUSED.get(protocol_of(path), "Problem")
    made: dict[str, Any] = {}
    for status in statuses_of(method, path, told):
        name = f"{shape}{status}" if status in _BESIDE else shape
        made[str(status)] = {"$ref": f"#/components/responses/{name}"}
    if told.refused:
        return made
    content = _answer(path, models, told)
    words = "The answer."
    if EVENTS in told.media:
        words = "Server-sent events; the data of each is an answer, or what went wrong."
    good: dict[str, Any] = {"description": words, "content": content}
    if told.predicts:
        good["headers"] = _header("RateLimit", "RateLimit-Policy", "Fairlead-Usage-Id")
    made["202" if path.startswith("/feedback") else "200"] = good
    if told.says_not_ready:
        refused = _refusals()[shape]["content"]
        both = {m: _either(content.get(m), refused.get(m)) for m in (*content, *refused)}
        made["503"] = {
            "description": "Not ready.",
            "content": both,
            "headers": _header("Retry-After"),
        }
    return dict(sorted(made.items()))


def _either(one: Any, other: Any) -> Any:
    """A media type with the schema of one, the other, or either."""
    if one is None or other is None:
        return one or other
    return {"schema": {"anyOf": [one["schema"], other["schema"]]}}


def _answer(path: str, models: Sequence[ModelFacts], told: Told) -> dict[str, Any]:
    if told.media:
        # Of events no schema is given: tools do not agree whether it is of one or of all.
        return {media: _BYTES if media == EVENTS else _TEXT for media in told.media}
    if told.kind_out in KINDS:
        schema = schema_of(told.kind_out, models, "{version}" in path or "{label}" in path)
    else:
        schema = ref(told.kind_out)
    made: dict[str, Any] = {"application/json": {"schema": schema}}
    made |= {media: _TEXT for media in told.media_too}
    if told.kind_out == "outputs":
        made["application/octet-stream"] = _BYTES
    if told.kind_out == "invoked":
        made |= {media: _BYTES for media in _LINES}
    if path.endswith(":predict"):
        made[_EVENT] = {"schema": {"type": "object"}}
    return made


def _without_unused(whole: dict[str, Any]) -> dict[str, Any]:
    """The document without schemas that nothing in it names."""
    components = whole["components"]
    schemas, needed = components["schemas"], set[str]()
    found = _named([whole["paths"], components["responses"]])
    while found:
        needed |= found
        found = _named([schemas[name] for name in found if name in schemas]) - needed
    components["schemas"] = {name: each for name, each in schemas.items() if name in needed}
    return whole


_SCHEMA = re.compile(r'"\$ref": "#/components/schemas/([A-Za-z0-9._-]+)')


def _named(value: Any) -> set[str]:
    """The schemas that a part of a document names."""
    return set(_SCHEMA.findall(json.dumps(value)))
