"""What machines read of us: OpenAPI of the server and of each model, and .proto files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from fairlead.core.access import Caller
from fairlead.core.call import ErrorReply, Head, Reply, Route
from fairlead.core.errors import AddressNotFound
from fairlead.core.limits import BodyLimits
from fairlead.core.signature import row_keys
from fairlead.core.version import __version__
from fairlead.documents.openapi import document
from fairlead.documents.openapi_facts import ModelFacts
from fairlead.protos.pool import source, sources
from fairlead.serving.admission import known_models
from fairlead.serving.registry import LATEST, Registry
from fairlead.serving.served import Served
from fairlead.wires.native_examples import example_row, example_tensors
from fairlead.wires.oip_decisions import added_by

Addresses = Callable[[], Sequence[str]]
"""All addresses of a listener, as its wires list them."""


class Descriptions:
    """The routes of one wire for descriptions."""

    def __init__(
        self,
        registry: Registry,
        error: ErrorReply,
        addresses: Addresses,
        limits: BodyLimits,
        default: str = "",
    ) -> None:
        """limits: of bodies. default: the model that is asked where an address names none."""
        self._registry = registry
        self._error = error
        self._addresses = addresses
        self._limits = limits
        self._default = default

    def server(self) -> Route:
        """Of everything that the caller may know of."""

        def answer(head: Head, body: bytes, caller: Caller) -> Reply:
            served = (self._registry.get(n, LATEST) for n in known_models(self._registry, caller))
            facts = [self._facts(one) for one in served if one is not None]
            unnamed = self._default or self._registry.sole
            told = document(
                self._addresses(), facts, __version__, unnamed=unnamed, protos=sources()
            )
            return _json(told)

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
        signature = package.signature
        guarding, preparing = served.guarding, served.preparing
        guarded = guarding is not None and signature.batched
        own = package.limits.max_body_mib << 20
        return ModelFacts(
            package.name,
            package.version,
            signature,
            package.limits.max_rows,
            len(self._registry.versions.get(package.name, ())) <= 1,
            own or self._limits.parsed,
            example_row(served) if signature.batched else None,
            example_tensors(served),
            preparing.public if preparing else None,
            [m for one in preparing.described for m in one["media"]] if preparing else [],
            guarding.rules if guarding is not None else {},
            package.words.get("units", {}),
            row_keys(signature.outputs),
            package.words.get("labels", {}),
            guarded,
            _said(served) if guarded else (),
            package.decoupled,
            [*added_by(served).values()],
        )


def _said(served: Served) -> list[str]:
    """What guards may add to a row of an answer."""
    guarding = served.guarding
    assert guarding is not None
    about = guarding.about
    there = {
        "confidence": "confidence" in about,
        "set": "confidence" in about,
        "p_novel": "novelty" in about,
        "interval": guarding.radius is not None,
    }
    return [name for name, is_there in there.items() if is_there]


def _json(value: Any) -> Reply:
    return Reply(200, json.dumps(value).encode())
