"""Our own protocol over HTTP: predictions for people, what is served, health, metrics.

Errors are RFC 9457 problems. Native addresses never lie below /v1 or /v2.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote

from fairlead.core.access import Caller
from fairlead.core.call import PUBLIC, Head, Reply, Route
from fairlead.core.errors import FairleadError, MethodNotAllowed, ModelNotFound
from fairlead.core.limits import STANDARD, BodyLimits
from fairlead.core.names import is_name, parse_version
from fairlead.serving.admission import known_models
from fairlead.serving.registry import LATEST, Registry
from fairlead.wires.native_card import ADDRESSES as CARDS
from fairlead.wires.native_card import CardPage, Counts, nothing_counted
from fairlead.wires.native_facts import described, versions_of
from fairlead.wires.native_feedback import Feedback, Keep, kept_nowhere
from fairlead.wires.native_limits import LeftOf, LimitsPage, nothing_left
from fairlead.wires.native_openapi import Descriptions
from fairlead.wires.native_ready import ADDRESSES as READINESS
from fairlead.wires.native_ready import Readiness, ReadyPages, Unknown
from fairlead.wires.native_rows import rows_decoder
from fairlead.wires.native_usage import AskUsage, no_ledger, usage_route
from fairlead.wires.problem import error_reply as error_reply

_OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class Native:
    """Everything that no foreign protocol claims."""

    addresses = (
        "GET /",
        "GET /livez",
        "GET /metrics",
        "GET /limits",
        "GET /usage",
        "GET /models",
        "GET /models/{model}",
        *CARDS,
        *READINESS,
        "POST /predict/{model}",
        "POST /predict/{model}/versions/{version}",
        "POST /feedback/{model}",
        "GET /openapi.json",
        "GET /models/{model}/openapi.json",
        "GET /protos",
        "GET /protos/{name}",
    )

    def __init__(
        self,
        registry: Registry,
        ready: Callable[[], bool],
        metrics: Callable[[bool], str],
        limits: BodyLimits = STANDARD,
        keep: Keep = kept_nowhere,
        left: LeftOf = nothing_left,
        usage: AskUsage = no_ledger,
        addresses: Callable[[], Sequence[str]] | None = None,
        default: str = "",
        counts: Counts = nothing_counted,
        since: str = "",
        readiness: Callable[[], Readiness] = Unknown,
    ) -> None:
        """metrics: the exposition of all workers, as OpenMetrics when given True.

        keep: keeps the true labels that callers send. left: what callers have left of limits.
        usage: asks the ledger. addresses: of all wires, for OpenAPI; ours alone without it.
        default: the model that is asked where an address names none. counts: of all workers since
        the time `since`. readiness: why what is not ready is not.
        """
        self._registry = registry
        self._decode = rows_decoder(limits)
        self._feedback = Feedback(registry, keep, limits, error_reply)
        self._readiness = ReadyPages(registry, ready, readiness)
        self._metrics = metrics
        told = self._described = Descriptions(
            registry, error_reply, addresses or (lambda: self.addresses), limits, default
        )
        self.cards = CardPage(registry, counts, since)
        self._fixed: dict[str, Route] = {
            "/openapi.json": told.server(),
            "/protos": told.protos(),
            "/": self._get(PUBLIC, lambda head: _alive()),
            "/livez": self._get(PUBLIC, lambda head: _json({"live": True})),
            "/readyz": self._readiness.server(),
            "/metrics": self._get("metrics:read", self._exposition),
            "/limits": LimitsPage(registry, left, limits).route(),
            "/usage": usage_route(usage),
            "/models": Route("predict", error_reply, answer=self._list),
        }

    def owns(self, path: str) -> bool:
        """What no wire before it owns."""
        return True

    def error(self, error: FairleadError) -> Reply:
        """The wire's error table."""
        return error_reply(error)

    def route(self, method: str, path: str) -> Route | None:
        """The route for a native address. Raises MethodNotAllowed, ModelNotFound."""
        parts = path[1:].split("/")
        found = self._fixed.get(path)
        wanted = "GET"
        if found is None and parts[0] == "predict" and len(parts) in (2, 4):
            found, wanted = self._predict(parts), "POST"
        elif found is None and parts[0] == "feedback" and len(parts) == 2:
            found, wanted = self._feedback.route(_name(parts[1])), "POST"
        elif found is None and parts[0] == "models" and len(parts) > 1:
            found = self._of_model(_name(parts[1]), parts[2:])
        elif found is None and parts[0] == "protos" and len(parts) == 2:
            found = self._described.proto(parts[1])
        if found is not None and method != wanted:
            raise MethodNotAllowed(method, [wanted])
        return found

    def _of_model(self, name: str, rest: list[str]) -> Route | None:
        """What is told of a model."""
        if not rest:
            return self._model(name)
        if rest == ["readyz"]:
            return self._readiness.model(name)
        if rest == ["openapi.json"]:
            return self._described.model(name)
        if rest == ["card"]:
            return self.cards.route(name, LATEST)
        if len(rest) == 3 and (rest[0], rest[2]) == ("versions", "card"):
            return self.cards.route(name, parse_version(rest[1]))
        return None

    def _predict(self, parts: list[str]) -> Route | None:
        version = LATEST
        if len(parts) == 4:
            if parts[2] != "versions":
                return None
            version = parse_version(parts[3])
        name = _name(parts[1])
        return Route("predict", error_reply, decode=self._decode, model=name, version=version)

    def _get(self, operation: str, answer: Callable[[Head], Reply]) -> Route:
        return Route(operation, error_reply, answer=lambda head, body, caller: answer(head))

    def _model(self, name: str) -> Route:
        return Route(
            "predict",
            error_reply,
            answer=lambda head, body, caller: _json(described(self._registry, name)),
            model=name,
        )

    def _exposition(self, head: Head) -> Reply:
        openmetrics = "application/openmetrics-text" in head.headers.get("accept", "")
        text = self._metrics(openmetrics).encode()
        return Reply(200, text, _OPENMETRICS if openmetrics else _PROMETHEUS)

    def _list(self, head: Head, body: bytes, caller: Caller) -> Reply:
        listed = [
            {
                "name": name,
                "versions": versions_of(self._registry, name),
                "address": f"/models/{name}",
            }
            for name in known_models(self._registry, caller)
        ]
        return _json({"models": listed})


def _name(text: str) -> str:
    """The model's name in an address, percent-encoding undone once."""
    name = unquote(text)
    if not is_name(name):
        raise ModelNotFound("no such model is served here", fix="GET /models lists them")
    return name


def _alive() -> Reply:
    return _json({"status": "alive"})


def _json(value: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode())
