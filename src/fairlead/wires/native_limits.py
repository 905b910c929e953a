"""What a caller may use and what is left of it: `GET /limits`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fairlead.access.limits import SHARED, Left
from fairlead.core.access import Caller
from fairlead.core.call import Head, Peer, Reply, Route
from fairlead.core.errors import FairleadError
from fairlead.core.limits import BodyLimits
from fairlead.serving.admission import known_models
from fairlead.serving.rationing import left_to_json
from fairlead.serving.registry import LATEST, Registry
from fairlead.wires.problem import error_reply

LeftOf = Callable[[Caller, Iterable[str], Callable[[Mapping[str, Sequence[Left]]], None]], None]
"""Gives what is left of a caller's own limits, by model, now or soon."""


def nothing_left(
    caller: Caller, models: Iterable[str], done: Callable[[Mapping[str, Sequence[Left]]], None]
) -> None:
    """Stands where nobody has limits."""
    done({name: () for name in models})


class LimitsPage:
    """The route, over what is served."""

    def __init__(self, registry: Registry, left: LeftOf, limits: BodyLimits) -> None:
        self._registry = registry
        self._left = left
        self._limits = limits

    def route(self) -> Route:
        """Whoever may predict may ask."""
        return Route("predict", error_reply, ask=self._ask)

    def _ask(
        self, head: Head, body: bytes, caller: Caller, peer: Peer, later: Callable[[Reply], None]
    ) -> None:
        names = known_models(self._registry, caller)

        def told(left: Mapping[str, Sequence[Left]]) -> None:
            try:
                later(Reply(200, json.dumps(self._page(caller, left)).encode()))
            except FairleadError as error:
                later(error_reply(error))

        self._left(caller, names, told)

    def _page(self, caller: Caller, left: Mapping[str, Sequence[Left]]) -> dict[str, Any]:
        models: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for name, found in left.items():
            mine: list[dict[str, Any]] = []
            for one in found:
                if one.account.model:
                    mine.append(left_to_json(one))
                elif one.account.whose not in SHARED:
                    own[f"{one.account.whose} {one.limit.name}"] = left_to_json(one)
            models[name] = {**self._of_model(name), "limits": mine}
        return {
            "key": caller.key or None,
            "tenant": caller.tenant or None,
            "plan": caller.plan or None,
            "limits": [*own.values()],
            "request": {"body_bytes": self._limits.parsed, "json_depth": self._limits.depth},
            "answer": {"body_bytes": self._limits.answer},
            "models": models,
        }

    def _of_model(self, name: str) -> dict[str, Any]:
        """What the model's owner allows in one request."""
        served = self._registry.get(name, LATEST)
        if served is None:
            return {}
        limits = served.package.limits
        return {
            "rows": limits.max_rows,
            "compute_s": limits.time_budget_s,
            "content_types": ["application/json"],
        }
