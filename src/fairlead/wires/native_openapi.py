"""What machines read of us: OpenAPI of the server and of each model, and .proto files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from fairlead.core.access import Caller
from fairlead.core.call import ErrorReply, Head, Reply, Route
from fairlead.core.errors import AddressNotFound
from fairlead.core.version import __version__
from fairlead.documents.openapi import ModelFacts, document
from fairlead.protos.pool import source, sources
from fairlead.serving.admission import known_models
from fairlead.serving.registry import LATEST, Registry, Served

Addresses = Callable[[], Sequence[str]]
"""All addresses of a listener, as its wires list them."""


class Descriptions:
    """The routes of one wire for descriptions. example: a row of a version that works."""

    def __init__(
        self,
        registry: Registry,
        error: ErrorReply,
        addresses: Addresses,
        example: Callable[[Served], Any],
    ) -> None:
        self._registry = registry
        self._error = error
        self._addresses = addresses
        self._example = example

    def server(self) -> Route:
        """Of everything that the caller may know of."""

        def answer(head: Head, body: bytes, caller: Caller) -> Reply:
            served = (self._registry.get(n, LATEST) for n in known_models(self._registry, caller))
            facts = [self._facts(one) for one in served if one is not None]
            return _json(document(self._addresses(), facts, __version__))

        return Route("predict", self._error, answer=answer)

    def model(self, name: str) -> Route:
        """Of one model."""

        def answer(head: Head, body: bytes, caller: Caller) -> Reply:
            served = self._registry.get(name, LATEST)
            if served is None:
                raise self._registry.absence(name, LATEST)
            return _json(document(self._addresses(), [self._facts(served)], __version__, one=True))

        return Route("predict", self._error, answer=answer, model=name)

    def protos(self) -> Route:
        """The names of the .proto files."""
        return Route(
            "predict",
            self._error,
            answer=lambda head, body, caller: _json({"protos": sources()}),
        )

    def proto(self, name: str) -> Route:
        """The text of one of them."""

        def answer(head: Head, body: bytes, caller: Caller) -> Reply:
            if name not in sources():
                raise AddressNotFound("there is no such file", fix="GET /protos lists them")
            return Reply(200, source(name).encode(), "text/plain; charset=utf-8")

        return Route("predict", self._error, answer=answer)

    def _facts(self, served: Served) -> ModelFacts:
        package = served.package
        example = self._example(served) if package.signature.batched else None
        preparing = served.preparing
        media = [m for one in preparing.described for m in one["media"]] if preparing else []
        return ModelFacts(
            package.name,
            package.version,
            package.signature,
            package.limits.max_rows,
            example,
            preparing.public if preparing else None,
            media,
        )


def _json(value: Any) -> Reply:
    return Reply(200, json.dumps(value).encode())
