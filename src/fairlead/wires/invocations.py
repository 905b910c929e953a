"""One model, asked without its name: `/invocations` as SageMaker and MLflow have it, `/score` as
Azure ML has it, and the routes that Vertex AI gives in its environment.

What a body is follows from its media type and its keys. Errors have MLflow's shape.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fairlead.core.access import Caller
from fairlead.core.call import PUBLIC, Call, Channel, Head, Reply, Route, Stream
from fairlead.core.errors import AddressNotFound, FairleadError, MethodNotAllowed, MissingField
from fairlead.core.limits import STANDARD, BodyLimits
from fairlead.core.version import __version__
from fairlead.inputs.strict_json import loads
from fairlead.serving.disclosing import discreet
from fairlead.serving.registry import LATEST, Registry
from fairlead.wires import invocations_bodies as bodies
from fairlead.wires.answers_stream import EVENTS, LINES, Messages, stream_route
from fairlead.wires.http_errors import headers_of, status_of, words_of
from fairlead.wires.invocations_answers import ENCODERS, LinesEncoder
from fairlead.wires.oip_binary import HEADER, VENDOR
from fairlead.wires.oip_json import infer_decoder
from fairlead.wires.predictions import PredictionsModel, predictions_model

_SOCKET = "/invocations-bidirectional-stream"
"""Where SageMaker opens a WebSocket."""
_REDIRECT = "x-vertex-ai-triton-redirect"
"""Where a raw prediction of Vertex AI goes instead: an address of the Open Inference Protocol."""


def error_reply(error: FairleadError, status: int = 0) -> Reply:
    """The error as MLflow's clients read it; status: where it is not the usual one."""
    status = status or status_of(error)
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
        accept: str = "",
        elsewhere: Callable[[str, str], Route | None] = lambda method, path: None,
    ) -> None:
        self._registry = registry
        self._ready = ready
        self._limits = limits
        self._default = default
        self._accept = accept
        self._elsewhere = elsewhere
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
            _SOCKET: ("GET", Route("predict", error_reply, open=self._converse, socket=True)),
        }
        self.addresses = tuple(f"{m} {path}" for path, (m, _) in self._routes.items())
        if health:
            self._routes.setdefault(health, ("GET", alive))
        if predict:
            raw = Route("predict", error_reply, resolve=self._redirected)
            self._routes[predict] = ("POST", raw)

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
        return self.asked(self._model(), head)

    def _model(self) -> str:
        """The model that is asked without its name. Raises MissingField."""
        name = self._default or self._registry.sole
        if not name:
            raise MissingField(
                "several models are served, and none is the one that is asked here",
                fix="Name it with the setting models.default, or use /predict/MODEL",
            )
        return name

    def _redirected(self, head: Head, body: bytes) -> Route:
        """As `_resolve`, or the route of the Open Inference Protocol that a header names.

        Raises AddressNotFound.
        """
        wanted = head.headers.get(_REDIRECT)
        if wanted is None:
            return self._resolve(head, body)
        path = "/" + wanted.lstrip("/")
        found = self._elsewhere("POST", path) if path.startswith("/v2/") else None
        if found is None:
            raise AddressNotFound(
                f"{_REDIRECT} names no address that is asked with POST",
                fix="Name one such as v2/models/MODEL/infer",
            )
        return found

    def asked(self, name: str, head: Head) -> Route:
        """The route on which a model is asked; one that may answer often answers piece by piece."""
        route = Route("predict", error_reply, decode=self._decode, model=name, version=LATEST)
        served = self._registry.get(name, LATEST)
        if served is None or not served.package.decoupled:
            return route
        events = "text/event-stream" in head.headers.get("accept", "")
        return stream_route(route, EVENTS if events else LINES)

    def _converse(self, channel: Channel) -> Stream:
        """Each message asks as a body of `/invocations` does. Raises MissingField."""
        name = self._model()
        return Messages(channel, Route("predict", error_reply, decode=self._decode, model=name))

    def _decode(self, call: Call, head: Head, body: bytes) -> None:
        """Fills a call from whatever came. Raises the FairleadError that says what is wrong."""
        given = head.headers.get("content-type", "")
        if HEADER in head.headers or VENDOR.match(given):
            self._tensors(call, head, body)
            return
        model: PredictionsModel = call.lease.derived("predictions", self._derive)
        kind = ""
        try:
            tensors = bodies.sent_things(body, given, model)
            if tensors is None:
                kind = bodies.kind_of(given)
                value = loads(body, self._limits) if kind == bodies.JSON else None
                if bodies.is_tensors(value):
                    self._tensors(call, head, body)
                    return
                tensors = (
                    bodies.tensors_of_json(value, model)
                    if kind == bodies.JSON
                    else bodies.tensors_of_body(body, kind, model, self._limits)
                )
            model.fill(call, tensors, self._encoder(call, model, kind, head))
        except FairleadError as error:
            raise discreet(call.lease.private, error) from None

    def _encoder(self, call: Call, model: PredictionsModel, kind: str, head: Head) -> Any:
        """How the answer is given: as the caller accepts, in JSON when it does not say."""
        wanted = head.headers.get("accept", "").partition(";")[0].strip().lower()
        if wanted in ("", "*/*"):
            wanted = self._accept
        once = not model.served.package.decoupled
        if once and wanted in ENCODERS:
            return call.lease.derived(f"predictions as {wanted}", ENCODERS[wanted])
        if once and kind == bodies.LINES:
            return call.lease.derived("predictions as lines", LinesEncoder)
        return model.encoder("records")


def _version(head: Head, body: bytes, caller: Caller) -> Reply:
    return Reply(200, __version__.encode(), "text/plain")
