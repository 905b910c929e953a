"""The model card of what is served, with what the server sees of it: JSON, HTML or Markdown."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fairlead.access.book import allows
from fairlead.core.access import Caller
from fairlead.core.call import Head, Reply, Route
from fairlead.documents.card_facts import Known, card_of, known_of
from fairlead.documents.card_html import html_page
from fairlead.documents.card_markdown import markdown
from fairlead.documents.page import POLICY
from fairlead.serving.observe import quantile
from fairlead.serving.registry import Registry
from fairlead.serving.served import Served
from fairlead.wires.native_facts import standing_of
from fairlead.wires.problem import error_reply

ADDRESSES = ("GET /models/{model}/card", "GET /models/{model}/versions/{version}/card")
_JSON, _HTML, _MARKDOWN = "application/json", "text/html", "text/markdown"
MEDIA = (_JSON, _HTML, _MARKDOWN)
_MOST_TOLD = 200

Counts = Callable[[], Mapping[str, Any]]
"""What all workers have counted of each version since the server started."""


def nothing_counted() -> Mapping[str, Any]:
    """Stands where nobody counts."""
    return {"stats": {}}


class CardPage:
    """The routes of cards. since: when the server started, as an ISO time."""

    def __init__(self, registry: Registry, counts: Counts, since: str) -> None:
        self._registry = registry
        self._counts = counts
        self._since = since

    def route(self, model: str, version: int) -> Route:
        """Whoever may know of the model may read its card."""

        def answer(head: Head, body: bytes, caller: Caller) -> Reply:
            return _reply(self.of(model, version, caller), wanted(head.headers.get("accept", "")))

        return Route("predict", error_reply, answer=answer, model=model, version=version)

    def of(self, model: str, version: int, caller: Caller) -> dict[str, Any]:
        """The card of a version as a caller may see it. Raises ModelNotFound, ModelNotReady."""
        served = self._registry.get(model, version)
        if served is None:
            raise self._registry.absence(model, version)
        return card_of(self._known(served, whole=allows(caller, "admin:models", "", 0)))

    def _known(self, served: Served, *, whole: bool) -> Known:
        """What the card is made of. What training rows held is told to callers at `full` alone."""
        kept = served.derived("card", lambda one: known_of(one.package, one.facts))
        told = whole or served.package.guards.disclosure == "full"
        return Known(
            kept.package,
            kept.statistics,
            kept.measured,
            kept.contract,
            kept.example,
            self._live(served),
            told,
        )

    def _live(self, served: Served) -> dict[str, Any]:
        stats: Mapping[str, Any] = self._counts()["stats"].get(served.key, {})
        outcomes: Mapping[str, int] = stats.get("outcomes", {})
        seconds: Sequence[int] = stats.get("seconds", ())
        return {
            "since": self._since,
            "requests": sum(outcomes.values()),
            "rows": stats.get("rows", 0),
            "outcomes": dict(outcomes),
            "decisions": dict(stats.get("decisions", {})),
            "latency": {
                "p50_ms": _milliseconds(seconds, 0.5),
                "p99_ms": _milliseconds(seconds, 0.99),
            },
            "drift": _drift(served),
        }


def _milliseconds(seconds: Sequence[int], share: float) -> float | None:
    found = quantile(seconds, share)
    return None if found is None else float(f"{1000 * found:.4g}")


def _drift(served: Served) -> dict[str, str]:
    """How the rows stand against the training rows, in words."""
    if served.guarding is None or served.guarding.drift is None:
        return {"verdict": "not watched", "more": "nothing was learnt that rows are held against"}
    told: Mapping[str, Any] | None = standing_of(served).get("drift")
    if told is None:
        return {"verdict": "none moved", "more": "no rows have been looked at yet"}
    alarms: Sequence[str] = told["alarms"]
    verdict = f"{len(alarms)} moved" if alarms else "none moved"
    more = "; ".join(alarms)[:_MOST_TOLD] or f"{told['rows']} rows looked at"
    return {"verdict": verdict, "more": more}


def wanted(accept: str) -> str:
    """The form that an Accept header likes best; JSON where it says nothing, or likes all alike."""
    best, most = _JSON, 0.0
    for part in accept.split(","):
        media, _, rest = part.strip().lower().partition(";")
        name = media.strip()
        found = _JSON if name in ("*/*", "application/*") else name
        weight = _weight(rest)
        if found in MEDIA and weight > most:
            best, most = found, weight
    return best


def _weight(parameters: str) -> float:
    for part in parameters.split(";"):
        name, _, value = part.strip().partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _reply(card: Mapping[str, Any], media: str) -> Reply:
    headers = (("vary", "accept"),)
    if media == _HTML:
        policy = ("content-security-policy", POLICY)
        safe = ("x-content-type-options", "nosniff")
        page = html_page(card).encode()
        return Reply(200, page, f"{_HTML}; charset=utf-8", (*headers, policy, safe))
    if media == _MARKDOWN:
        return Reply(200, markdown(card).encode(), f"{_MARKDOWN}; charset=utf-8", headers)
    return Reply(200, json.dumps(card).encode(), headers=headers)
