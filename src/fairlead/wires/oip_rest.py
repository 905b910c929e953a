"""Open Inference Protocol v2 over HTTP: routes, health and its error table.

The tensors of a request and an answer are in `oip_json.py` and `oip_binary.py`, what is told of
server and models in `oip_facts.py`. The same over gRPC is `oip_grpc.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from fairlead.core.access import Caller
from fairlead.core.call import PUBLIC, Answer, Head, Peer, Reply, Route
from fairlead.core.errors import (
    FairleadError,
    MalformedBody,
    MethodNotAllowed,
    ModelNotFound,
    Unsupported,
)
from fairlead.core.limits import STANDARD, BodyLimits
from fairlead.core.names import is_name, parse_version
from fairlead.inputs.strict_json import loads
from fairlead.serving.admission import known_models
from fairlead.serving.control import Control
from fairlead.serving.registry import LATEST, Registry
from fairlead.wires import oip_facts as facts
from fairlead.wires.answers_stream import stream_route
from fairlead.wires.http_errors import headers_of, status_of, words_of
from fairlead.wires.oip_generate import flat_decoder
from fairlead.wires.oip_json import infer_decoder
from fairlead.wires.oip_settings import OipSettings


def error_reply(error: FairleadError) -> Reply:
    """The protocol's error shape, with our stable code and id beside it."""
    body = {"error": words_of(error), "code": error.name, "id": error.id}
    return Reply(status_of(error), json.dumps(body).encode(), headers=headers_of(error))


_MODEL = "/v2/models/{model}"
_VERSION = _MODEL + "/versions/{version}"
_OF_A_MODEL = (
    ("GET", ""),
    ("GET", "/ready"),
    ("GET", "/config"),
    ("GET", "/stats"),
    ("GET", "/trace/setting"),
    ("POST", "/trace/setting"),
    ("POST", "/infer"),
    ("POST", "/infer_stream"),
    ("POST", "/generate"),
    ("POST", "/generate_stream"),
)
_STREAMS = ("infer_stream", "generate_stream")
_MEMORY = ("systemsharedmemory", "cudasharedmemory")


class OipRest:
    """The routes below /v2.

    counts: what all workers have counted. settings: of trace and log. control: loads and unloads
    models; None where that is not done.
    """

    addresses = (
        "GET /v2",
        "GET /v2/health/live",
        "GET /v2/health/ready",
        "GET /v2/models",
        "GET /v2/models/stats",
        "POST /v2/repository/index",
        "POST /v2/repository/models/{model}/load",
        "POST /v2/repository/models/{model}/unload",
        "GET /v2/logging",
        "POST /v2/logging",
        "GET /v2/trace/setting",
        "POST /v2/trace/setting",
        *(f"GET /v2/{memory}/status" for memory in _MEMORY),
        *(f"POST /v2/{memory}/unregister" for memory in _MEMORY),
        *(f"POST /v2/{memory}/region/{{name}}/register" for memory in _MEMORY),
        *(f"{m} {address}{rest}" for address in (_MODEL, _VERSION) for m, rest in _OF_A_MODEL),
    )

    def __init__(
        self,
        registry: Registry,
        ready: Callable[[], bool],
        limits: BodyLimits = STANDARD,
        counts: facts.Counts = lambda: {"stats": {}},
        settings: OipSettings | None = None,
        control: Control | None = None,
    ) -> None:
        self._registry = registry
        self._limits = limits
        self._counts = counts
        self._settings = settings or OipSettings()
        self._control = control
        infer = infer_decoder(limits)
        self._decodes = {
            "infer": infer,
            "infer_stream": infer,
            "generate": flat_decoder(limits, error_reply, once=True),
            "generate_stream": flat_decoder(limits, error_reply, once=False),
        }
        self._ready = ready
        log, trace = self._settings.log, self._settings.trace
        self._fixed: dict[tuple[str, ...], dict[str, Route]] = {
            (): {"GET": self._read(lambda head, body, caller: _json(facts.server_facts()))},
            ("health", "live"): {"GET": self._public(self._live)},
            ("health", "ready"): {"GET": self._public(self._server_ready)},
            ("models",): {"GET": self._read(self._models)},
            ("models", "stats"): {"GET": self._read(self._statistics)},
            ("repository", "index"): {"POST": self._read(self._index)},
            ("logging",): self._setting(log),
            ("trace", "setting"): self._setting(trace),
        }
        for memory in _MEMORY:
            empty = self._read(lambda head, body, caller: _json([]))
            done = self._read(lambda head, body, caller: _json({}))
            self._fixed[memory, "status"] = {"GET": empty}
            self._fixed[memory, "unregister"] = {"POST": done}

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
        methods = self._fixed.get(parts) or self._named_routes(parts)
        if methods is None:
            return None
        if method not in methods:
            raise MethodNotAllowed(method, [*methods])
        return methods[method]

    def _named_routes(self, parts: tuple[str, ...]) -> dict[str, Route] | None:
        """Addresses that name something."""
        first = parts[0] if parts else ""
        if first == "models" and len(parts) > 1:
            return self._model_routes(parts)
        if first == "repository" and len(parts) == 4 and parts[1] == "models":
            return self._repository_routes(parts[2], parts[3])
        if first == "repository" and len(parts) == 5 and parts[2] == "models":
            return {"POST": self._read(_refuse("there is one repository, which needs no name"))}
        if first in _MEMORY and parts[1:2] == ("region",) and parts[3:] == ("status",):
            return {"GET": self._read(lambda head, body, caller: _json([]))}
        if first in _MEMORY and parts[1:2] == ("region",) and len(parts) == 4:
            done = self._read(lambda head, body, caller: _json({}))
            refused = self._read(_refuse("this server shares no memory with its callers"))
            return {"register": {"POST": refused}, "unregister": {"POST": done}}.get(parts[3])
        return None

    def _model_routes(self, parts: tuple[str, ...]) -> dict[str, Route] | None:
        """models/{m}[/versions/{v}][/...]"""
        name, rest, version = _name(parts[1]), parts[2:], LATEST
        if rest[:1] == ("versions",) and len(rest) >= 2:
            version, rest = parse_version(rest[1]), rest[2:]
        verb = rest[0] if len(rest) == 1 else ""
        if verb in self._decodes:
            decode = self._decodes[verb]
            route = Route("predict", error_reply, decode=decode, model=name, version=version)
            return {"POST": stream_route(route) if verb in _STREAMS else route}
        if rest == ("trace", "setting"):
            return self._setting(self._settings.trace, name, version)
        tells: dict[tuple[str, ...], Callable[[Caller], Any]] = {
            (): lambda by: facts.model_facts(self._registry, name, version),
            ("ready",): lambda by: self._model_ready(name, version),
            ("config",): lambda by: facts.config_facts(self._registry, name, version),
            ("stats",): lambda by: facts.statistics(
                self._registry, self._counts, by, name, version
            ),
        }
        tell = tells.get(rest)
        if tell is None:
            return None
        answer: Answer = lambda head, body, caller: _json(tell(caller))  # noqa: E731
        return {"GET": Route("predict", error_reply, answer=answer, model=name, version=version)}

    def _repository_routes(self, part: str, verb: str) -> dict[str, Route] | None:
        """Loading and unloading a model."""
        if verb not in ("load", "unload"):
            return None
        name = _name(part)

        def ask(
            head: Head, body: bytes, caller: Caller, peer: Peer, later: Callable[[Reply], None]
        ) -> None:
            asked = _object(body, self._limits)
            control = _taken(self._control, asked)

            def told(error: FairleadError | None) -> None:
                done = _json({"name": name, verb: True})
                later(done if error is None else error_reply(error))

            (control.load if verb == "load" else control.unload)(name, told)

        return {"POST": Route("admin:models", error_reply, ask=ask)}

    def _setting(
        self, tell: Callable[[dict[str, Any]], Any], model: str = "", version: int = LATEST
    ) -> dict[str, Route]:
        """Settings that are told, and that a request may name."""

        def answer(head: Head, body: bytes, caller: Caller) -> Reply:
            return _json(tell(_object(body, self._limits)))

        route = Route("predict", error_reply, answer=answer, model=model, version=version)
        return {"GET": route, "POST": route}

    def _public(self, answer: Callable[[], Reply]) -> Route:
        return Route(PUBLIC, error_reply, answer=lambda head, body, caller: answer())

    def _read(self, answer: Answer) -> Route:
        return Route("predict", error_reply, answer=answer)

    def _live(self) -> Reply:
        return _json({"live": True})

    def _server_ready(self) -> Reply:
        ready = self._ready()
        return _json({"ready": ready}, 200 if ready else 503)

    def _models(self, head: Head, body: bytes, caller: Caller) -> Reply:
        return _json({"models": known_models(self._registry, caller)})

    def _statistics(self, head: Head, body: bytes, caller: Caller) -> Reply:
        return _json(facts.statistics(self._registry, self._counts, caller))

    def _index(self, head: Head, body: bytes, caller: Caller) -> Reply:
        asked = _object(body, self._limits)
        if asked.get("ready", False).__class__ is not bool:
            raise MalformedBody('the body must be an object such as {"ready": true}')
        return _json(facts.index(self._registry, caller, asked.get("ready", False)))

    def _model_ready(self, name: str, version: int) -> dict[str, Any]:
        facts.found(self._registry, name, version)
        return {"name": name, "ready": True}


def _name(part: str) -> str:
    """The model's name in an address, percent-encoding undone once. Raises ModelNotFound."""
    name = unquote(part)
    if not is_name(name):
        raise ModelNotFound("no such model is served here", fix="GET /v2/models lists them")
    return name


def _object(body: bytes, limits: BodyLimits) -> dict[str, Any]:
    """A body that may be empty. Raises MalformedBody for anything but an object."""
    asked: Any = loads(body, limits) if body.strip() else {}
    if asked.__class__ is not dict or asked.get("parameters", {}).__class__ is not dict:
        raise MalformedBody('the body must be an object such as {"ready": true}')
    return asked


def _taken(control: Control | None, asked: dict[str, Any]) -> Control:
    """What loads and unloads. Raises Unsupported where nothing does, and for what it cannot."""
    if control is None or asked.get("parameters", {}).keys() - {"unload_dependents"}:
        raise Unsupported(
            "models are loaded from their repository as they are there", fix="Send no parameters"
        )
    return control


def _refuse(why: str) -> Answer:
    def answer(head: Head, body: bytes, caller: Caller) -> Reply:
        raise Unsupported(why)

    return answer


def _json(value: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode())
