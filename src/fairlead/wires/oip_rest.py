"""Open Inference Protocol v2 over HTTP with JSON: routes, metadata, health and its error table.

The tensors of a request and an answer are in `oip_json.py`. The binary tensor extension and the
gRPC form are further codecs over the same routes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from fairlead.core.access import Caller
from fairlead.core.call import PUBLIC, Answer, Head, Reply, Route
from fairlead.core.errors import (
    Code,
    FairleadError,
    MalformedBody,
    MethodNotAllowed,
    ModelNotFound,
)
from fairlead.core.limits import STANDARD, BodyLimits
from fairlead.core.package import is_name, parse_version
from fairlead.core.signature import TensorSpec
from fairlead.core.version import __version__
from fairlead.inputs.strict_json import loads
from fairlead.serving.admission import known_models
from fairlead.serving.registry import LATEST, READY, Registry
from fairlead.wires.http_headers import headers_of
from fairlead.wires.oip_decisions import added_by
from fairlead.wires.oip_json import infer_decoder

STATUS: dict[Code, int] = {
    Code.INVALID_ARGUMENT: 400,
    Code.OUT_OF_SIZE: 413,
    Code.UNAUTHENTICATED: 401,
    Code.PERMISSION_DENIED: 403,
    Code.NOT_FOUND: 404,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.MEDIA_TYPE: 415,
    Code.CONFLICT: 409,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.UNAVAILABLE: 503,
    Code.DEADLINE_EXCEEDED: 504,
    Code.UNSUPPORTED: 501,
    Code.DECLINED: 422,
    Code.MODEL_FAILED: 500,
    Code.INTERNAL: 500,
    Code.SETUP: 500,
}
"""Every error code as this protocol's status; the body is `{"error": text, ...}`."""

_EXACT = {"FRL-1104": 431, "FRL-1106": 414, "FRL-1602": 408}
"""Errors for which HTTP has a status of its own."""

_STATES = {READY: "READY", "loading": "LOADING", "warming": "LOADING", "draining": "UNLOADING"}


def error_reply(error: FairleadError) -> Reply:
    """The protocol's error shape, with our stable code and id beside it."""
    text = error.what
    if error.where:
        text += f" ({error.where})"
    if error.fix:
        text += f". {error.fix}"
    body = {"error": text, "code": error.name, "id": error.id}
    status = _EXACT.get(error.id) or STATUS[error.code]
    return Reply(status, json.dumps(body).encode(), headers=headers_of(error))


_MODEL = "/v2/models/{model}"
_VERSION = _MODEL + "/versions/{version}"


class OipRest:
    """The routes below /v2."""

    addresses = (
        "GET /v2",
        "GET /v2/health/live",
        "GET /v2/health/ready",
        "GET /v2/models",
        "POST /v2/repository/index",
        *(
            f"{one}{address}{rest}"
            for address in (_MODEL, _VERSION)
            for one, rest in (("GET ", ""), ("GET ", "/ready"), ("POST ", "/infer"))
        ),
    )

    def __init__(
        self, registry: Registry, ready: Callable[[], bool], limits: BodyLimits = STANDARD
    ) -> None:
        self._registry = registry
        self._limits = limits
        self._decode = infer_decoder(limits)
        self._ready = ready
        self._fixed: dict[tuple[str, ...], dict[str, Route]] = {
            (): {"GET": self._read(lambda head, body, caller: self._server())},
            ("health", "live"): {"GET": self._public(self._live)},
            ("health", "ready"): {"GET": self._public(self._server_ready)},
            ("models",): {"GET": self._read(self._models)},
            ("repository", "index"): {"POST": self._read(self._index)},
        }

    def owns(self, path: str) -> bool:
        """Everything below /v2."""
        return path == "/v2" or path.startswith("/v2/")

    def error(self, error: FairleadError) -> Reply:
        """The wire's error table."""
        return error_reply(error)

    def route(self, method: str, path: str) -> Route | None:
        """The route for an address below /v2. Raises MethodNotAllowed, ModelNotFound."""
        if not self.owns(path):
            return None
        parts = tuple(path[4:].split("/")) if path not in ("/v2", "/v2/") else ()
        methods = self._fixed.get(parts) or self._model_routes(parts)
        if methods is None:
            return None
        if method not in methods:
            raise MethodNotAllowed(method, [*methods])
        return methods[method]

    def _model_routes(self, parts: tuple[str, ...]) -> dict[str, Route] | None:
        """models/{m}[/versions/{v}][/ready|/infer]"""
        if len(parts) < 2 or parts[0] != "models":
            return None
        name, rest, version = unquote(parts[1]), parts[2:], LATEST
        if not is_name(name):
            raise ModelNotFound("no such model is served here", fix="GET /v2/models lists them")
        if rest[:1] == ("versions",) and len(rest) >= 2:
            version, rest = parse_version(rest[1]), rest[2:]
        if rest == ():
            return {"GET": self._about(name, version, self._metadata)}
        if rest == ("ready",):
            return {"GET": self._about(name, version, self._model_ready)}
        if rest == ("infer",):
            decode = self._decode
            route = Route("predict", error_reply, decode=decode, model=name, version=version)
            return {"POST": route}
        return None

    def _public(self, answer: Callable[[], Reply]) -> Route:
        return Route(PUBLIC, error_reply, answer=lambda head, body, caller: answer())

    def _read(self, answer: Answer) -> Route:
        return Route("predict", error_reply, answer=answer)

    def _about(self, name: str, version: int, answer: Callable[[str, int], Reply]) -> Route:
        return Route(
            "predict",
            error_reply,
            answer=lambda head, body, caller: answer(name, version),
            model=name,
            version=version,
        )

    def _server(self) -> Reply:
        return _json({"name": "fairlead", "version": __version__, "extensions": []})

    def _live(self) -> Reply:
        return _json({"live": True})

    def _server_ready(self) -> Reply:
        ready = self._ready()
        return _json({"ready": ready}, 200 if ready else 503)

    def _models(self, head: Head, body: bytes, caller: Caller) -> Reply:
        return _json({"models": known_models(self._registry, caller)})

    def _index(self, head: Head, body: bytes, caller: Caller) -> Reply:
        asked: Any = loads(body, self._limits) if body.strip() else {}
        if asked.__class__ is not dict or asked.get("ready", False).__class__ is not bool:
            raise MalformedBody('the body must be an object such as {"ready": true}')
        listed: list[dict[str, str]] = []
        for name in known_models(self._registry, caller):
            for number, version in sorted(self._registry.versions[name].items()):
                state = _STATES.get(version.state, "UNAVAILABLE")
                if asked.get("ready") and state != "READY":
                    continue
                entry = {"name": name, "version": str(number), "state": state}
                listed.append(entry | ({"reason": version.reason} if version.reason else {}))
        return _json(listed)

    def _model_ready(self, name: str, version: int) -> Reply:
        if self._registry.get(name, version) is None:
            raise self._registry.absence(name, version)
        return _json({"name": name, "ready": True})

    def _metadata(self, name: str, version: int) -> Reply:
        served = self._registry.get(name, version)
        if served is None:
            raise self._registry.absence(name, version)
        known = self._registry.versions[name]
        ready = [str(v) for v in sorted(known) if known[v].state == READY]
        package = served.package
        platform = (
            "onnxruntime_onnx" if package.runtime == "onnx" else f"fairlead_{package.runtime}"
        )
        return _json(
            {
                "name": name,
                "versions": ready if version == LATEST else [str(version)],
                "platform": platform,
                "inputs": [_tensor(spec) for spec in package.signature.inputs],
                "outputs": [
                    _tensor(spec)
                    for spec in (*package.signature.outputs, *added_by(served).values())
                ],
            }
        )


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.dtype.name, "shape": list(spec.shape)}


def _json(value: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode())
