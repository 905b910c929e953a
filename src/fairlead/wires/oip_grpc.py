"""Open Inference Protocol v2 over gRPC: the methods of `inference.GRPCInferenceService`.

Tensors are in `oip_proto.py`, streams of requests in `oip_stream.py`, what is told of server and
models in `oip_facts.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from fairlead.core.access import Caller
from fairlead.core.call import PUBLIC, Head, Peer, Reply, Route
from fairlead.core.errors import (
    FairleadError,
    MalformedBody,
    MissingField,
    ModelNotFound,
    Unsupported,
)
from fairlead.core.limits import STANDARD, BodyLimits
from fairlead.core.names import is_name, parse_version
from fairlead.protos.pool import methods
from fairlead.protos.wire import fields
from fairlead.serving.control import Control
from fairlead.serving.registry import LATEST, Registry
from fairlead.wires import oip_facts as facts
from fairlead.wires.grpc_service import GrpcService, question
from fairlead.wires.grpc_status import error_reply, ok
from fairlead.wires.native_facts import described
from fairlead.wires.oip_proto import infer_decoder
from fairlead.wires.oip_settings import OipSettings
from fairlead.wires.oip_stream import InferStream

SERVICE = "inference.GRPCInferenceService"
_PREFIX = f"/{SERVICE}/"
_ROUTES_KEPT = 1024
DESCRIPTION = "fairlead"
"""The property of ModelMetadata that holds what `GET /models/{model}` tells."""
_NO_MEMORY = "this server shares no memory with its callers"

Told = Callable[[Any, Caller], Mapping[str, Any]]
"""Makes the fields of an answer from a request."""


class OipGrpc(GrpcService):
    """The methods of one service.

    control: loads and unloads models; None where that is not done. counts: of all workers.
    """

    addresses = tuple(f"POST {_PREFIX}{name}" for name in methods(SERVICE))

    def __init__(
        self,
        registry: Registry,
        ready: Callable[[], bool],
        counts: facts.Counts,
        settings: OipSettings,
        limits: BodyLimits = STANDARD,
        control: Control | None = None,
    ) -> None:
        self._registry = registry
        self._control = control
        self._decode = infer_decoder(limits)
        self._infer: dict[bytes, Route] = {}
        routes: dict[str, Route] = {
            "ServerLive": self._told("ServerLive", lambda asked, by: {"live": True}, PUBLIC),
            "ServerReady": self._told("ServerReady", lambda asked, by: {"ready": ready()}, PUBLIC),
            "ServerMetadata": self._told("ServerMetadata", lambda asked, by: facts.server_facts()),
            "RepositoryIndex": self._told(
                "RepositoryIndex",
                lambda asked, by: {"models": facts.index(registry, by, asked.ready)},
            ),
            "ModelStatistics": self._told(
                "ModelStatistics",
                lambda asked, by: (
                    facts.statistics(registry, counts, by)
                    if not asked.name
                    else facts.statistics(registry, counts, by, asked.name, _version(asked.version))
                ),
            ),
            "ModelReady": self._of_model("ModelReady", self._ready),
            "ModelMetadata": self._of_model("ModelMetadata", self._metadata),
            "ModelConfig": self._of_model(
                "ModelConfig", lambda name, v: {"config": facts.config_facts(registry, name, v)}
            ),
            "ModelInfer": Route("predict", error_reply, resolve=self._resolve),
            "ModelStreamInfer": Route(
                "predict", error_reply, open=lambda channel: InferStream(channel, self._named)
            ),
            "TraceSetting": self._told(
                "TraceSetting", lambda asked, by: _as_lists(settings.trace(_lists(asked)))
            ),
            "LogSettings": self._told(
                "LogSettings", lambda asked, by: _as_values(settings.log(_values(asked)))
            ),
            "RepositoryModelLoad": self._controlled("RepositoryModelLoad", "isLoaded"),
            "RepositoryModelUnload": self._controlled("RepositoryModelUnload", "isUnloaded"),
        }
        for kind in ("System", "Cuda"):
            name = f"{kind}SharedMemory"
            routes[f"{name}Status"] = self._told(f"{name}Status", lambda asked, by: {})
            routes[f"{name}Unregister"] = self._told(f"{name}Unregister", lambda asked, by: {})
            routes[f"{name}Register"] = self._told(f"{name}Register", _no_memory)
        super().__init__((_PREFIX,), {_PREFIX + name: route for name, route in routes.items()})

    # --- what answers at once -----------------------------------------------------------------

    def _told(self, name: str, tell: Told, operation: str = "predict") -> Route:
        takes, gives = methods(SERVICE)[name]

        def answer(head: Head, body: bytes, caller: Caller) -> Reply:
            return ok(gives(**tell(question(takes, body), caller)))

        return Route(operation, error_reply, answer=answer)

    def _of_model(self, name: str, tell: Callable[[str, int], Mapping[str, Any]]) -> Route:
        """A method about the model that its request names."""
        takes, gives = methods(SERVICE)[name]

        def resolve(head: Head, body: bytes) -> Route:
            asked = question(takes, body)
            model, version = _model(asked.name), _version(asked.version)
            return Route(
                "predict",
                error_reply,
                answer=lambda head, body, caller: ok(gives(**tell(model, version))),
                model=model,
                version=version,
            )

        return Route("predict", error_reply, resolve=resolve)

    def _ready(self, name: str, version: int) -> Mapping[str, Any]:
        known = self._registry.versions.get(name, {})
        if not known or version not in (LATEST, *known):
            raise self._registry.absence(name, version)
        return {"ready": self._registry.answers(name, version)}

    def _metadata(self, name: str, version: int) -> Mapping[str, Any]:
        """The protocol's own facts, and ours as JSON for clients of ours."""
        told = facts.model_facts(self._registry, name, version)
        ours = json.dumps(described(self._registry, name, version))
        return {**told, "properties": {DESCRIPTION: ours}}

    # --- predictions --------------------------------------------------------------------------

    def _resolve(self, head: Head, body: bytes) -> Route:
        """The route of the model that a request names, which nearly all do in their first bytes."""
        stop = 2 + body[1] if len(body) > 1 and body[0] == 0x0A and body[1] < 128 else 0
        if body[stop : stop + 1] == b"\x12" and len(body) > stop + 1:
            stop += 2 + body[stop + 1]
        return self._infer.get(body[:stop]) or self._named(body, body[:stop])

    def _named(self, body: bytes, start: bytes = b"") -> Route:
        """The same, found by looking at every field; it is kept under the bytes that said it."""
        name, version = "", ""
        for number, _, begin, end in fields(body):
            if number == 1:
                name = _text(body[begin:end])
            elif number == 2:
                version = _text(body[begin:end])
        model = _model(name)
        route = Route(
            "predict", error_reply, decode=self._decode, model=model, version=_version(version)
        )
        if start and b"".join(_starting(name, version)) == start:
            if len(self._infer) >= _ROUTES_KEPT:
                self._infer.clear()
            self._infer[start] = route
        return route

    # --- loading ------------------------------------------------------------------------------

    def _controlled(self, name: str, flag: str) -> Route:
        takes, gives = methods(SERVICE)[name]

        def ask(
            head: Head, body: bytes, caller: Caller, peer: Peer, later: Callable[[Reply], None]
        ) -> None:
            asked = question(takes, body)
            # A client of KServe sends the model's name where Triton's send the repository's.
            model = _model(asked.model_name or asked.repository_name)
            if self._control is None or set(asked.parameters) - {"unload_dependents"}:
                raise Unsupported(
                    "models are loaded from their repository as they are there",
                    fix="Send no parameters",
                )

            def told(error: FairleadError | None) -> None:
                done = ok(gives(**{"model_name": model, flag: True}))
                later(done if error is None else error_reply(error))

            act = self._control.load if name == "RepositoryModelLoad" else self._control.unload
            act(model, told)

        return Route("admin:models", error_reply, ask=ask)


def _starting(name: str, version: str) -> tuple[bytes, bytes]:
    """The bytes with which a request begins that names these and nothing before them."""
    raw, more = name.encode(), version.encode()
    return b"\x0a%c%b" % (len(raw), raw), b"\x12%c%b" % (len(more), more) if more else b""


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise MalformedBody("a name is not UTF-8") from None


def _model(name: str) -> str:
    if not name:
        raise MissingField("no model is named", where="model_name")
    if not is_name(name):
        raise ModelNotFound("no such model is served here", fix="RepositoryIndex lists them")
    return name


def _version(text: str) -> int:
    return parse_version(text) if text else LATEST


def _no_memory(asked: Any, caller: Caller) -> Mapping[str, Any]:
    raise Unsupported(_NO_MEMORY, fix="Send tensors in raw_input_contents")


def _lists(asked: Any) -> dict[str, Any]:
    found = {key: list(setting.value) for key, setting in asked.settings.items()}
    return {key: value or None for key, value in found.items()}


def _values(asked: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, setting in asked.settings.items():
        kind = setting.WhichOneof("parameter_choice")
        found[key] = None if kind is None else getattr(setting, kind)
    return found


def _as_lists(told: Mapping[str, Any]) -> dict[str, Any]:
    def listed(value: Any) -> list[Any]:
        return value if value.__class__ is list else [value]

    return {"settings": {key: {"value": listed(value)} for key, value in told.items()}}


_KINDS = {bool: "bool_param", int: "uint32_param", str: "string_param"}


def _as_values(told: Mapping[str, Any]) -> dict[str, Any]:
    return {"settings": {key: {_KINDS[type(value)]: value} for key, value in told.items()}}
