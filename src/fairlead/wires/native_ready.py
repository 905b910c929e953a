"""Whether new calls are answered: by the server, and by one model."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol

from fairlead.core.call import PUBLIC, Reply, Route
from fairlead.serving.registry import LATEST, Registry
from fairlead.wires.problem import error_reply

ADDRESSES = ("GET /readyz", "GET /models/{model}/readyz")


class Readiness(Protocol):
    """What is known of it."""

    def why_not(self) -> str:
        """Why the server is not ready, without any name."""
        ...

    def of_model(self, model: str) -> dict[str, Any]:
        """Whether a model is ready, with the states of its versions and the reason."""
        ...


class Unknown:
    """Where nothing is known but whether the server is ready."""

    def why_not(self) -> str:
        return ""

    def of_model(self, model: str) -> dict[str, Any]:
        return {"model": model, "ready": False}


class ReadyPages:
    """The routes. ready: whether the server is."""

    def __init__(
        self, registry: Registry, ready: Callable[[], bool], readiness: Callable[[], Readiness]
    ) -> None:
        self._registry = registry
        self._ready = ready
        self._readiness = readiness

    def server(self) -> Route:
        """Of the server, for everybody: it names no model."""
        return Route(PUBLIC, error_reply, answer=lambda head, body, caller: self._of_server())

    def model(self, name: str) -> Route:
        """Of one model, for whoever may predict with it."""
        return Route(
            "predict", error_reply, answer=lambda head, body, caller: self._of(name), model=name
        )

    def _of_server(self) -> Reply:
        if self._ready():
            return _json({"ready": True}, 200)
        why = self._readiness().why_not()
        return _json({"ready": False, **({"why": why} if why else {})}, 503)

    def _of(self, name: str) -> Reply:
        if name not in self._registry.versions:
            raise self._registry.absence(name, LATEST)
        found = self._readiness().of_model(name)
        return _json(found, 200 if found["ready"] else 503)


def _json(value: Any, status: int) -> Reply:
    return Reply(status, json.dumps(value).encode())
