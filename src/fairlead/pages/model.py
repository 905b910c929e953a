"""The page of a model: what it is for, takes and gives, who may, which versions there are."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from fairlead.core.access import Caller
from fairlead.core.call import ErrorReply, Head, Reply, Route
from fairlead.documents.card_html import sections
from fairlead.documents.card_text import figure, name_of, share, span
from fairlead.documents.card_words import said as stated
from fairlead.pages.controls import MOST_CONTROLS, controls, values_of
from fairlead.pages.frame import page
from fairlead.pages.home import task_of
from fairlead.pages.snippets import snippets
from fairlead.pages.visit import Known, Visitor, base_of, may_see_rows, visitor
from fairlead.serving.registry import LATEST
from fairlead.serving.served import Served

_SAID = (
    ("licence", "Licence"),
    ("owners", "Owners"),
    ("contact", "Contact"),
    ("citation", "Citation"),
)
_OWN = ("/predict/", "/models/", "/feedback/")
_FOR_OPERATORS = ("/repository/", "/trace/")
"""What comes first among the addresses of a model, and what is left out."""

_GUARDS = {
    "reject": "Rows unlike the training rows are refused",
    "abstain": "Rows unlike the training rows are not answered",
    "warn": "Rows unlike the training rows are answered with a warning",
    "shadow": "Rows unlike the training rows are only counted",
    "off": "Rows unlike the training rows are answered like others",
}


class ModelPage:
    """The page of one model, for who may know of it.

    described: what our own protocol tells of it. example: gives a row that works.
    """

    def __init__(
        self,
        known: Known,
        described: Callable[..., dict[str, Any]],
        example: Callable[[Served], Any],
    ) -> None:
        self._known = known
        self._described = described
        self._example = example

    def route(self, name: str, error: ErrorReply) -> Route:
        """The page's route."""
        return Route(
            "predict",
            error,
            answer=lambda head, body, caller: self._look(head, caller, name),
            page=True,
            model=name,
        )

    def card(self, name: str, version: int, error: ErrorReply) -> Route:
        """The route of its card within the frame of pages."""

        def answer(head: Head, body: bytes, caller: Caller) -> Reply:
            card = self._known.card(name, version, caller)
            facts: dict[str, Any] = {
                "title": f"Model card of {name}",
                "who": visitor(self._known, head, caller),
                "here": "card",
                "model": name,
                "number": card["version"],
                "card": sections(card),
            }
            return page("card.html", head.path, facts)

        return Route("predict", error, answer=answer, page=True, model=name, version=version)

    def _look(self, head: Head, caller: Caller, name: str) -> Reply:
        registry = self._known.registry
        about = self._described(registry, name)
        served = registry.get(name, LATEST)
        who = visitor(self._known, head, caller)
        facts: dict[str, Any] = {
            "title": name,
            "who": who,
            "here": "model",
            "model": name,
            "about": about,
            "versions": list(reversed(about["versions"])),
            "served": served is not None,
            "measured": [],
            "base": base_of(self._known, head),
        }
        if served is not None:
            facts |= self._of_version(served, facts["base"], who)
            facts["measured"] = _measured(self._known.card(name, LATEST, caller))
            # The document of thousands of columns takes longer than a page may.
            few = values_of(served) <= MOST_CONTROLS
            facts["addresses"] = self._addresses(head, caller, name) if few else ()
        return page("model.html", head.path, facts)

    def _addresses(self, head: Head, caller: Caller, name: str) -> list[tuple[str, str, str]]:
        """How programs ask the model: method, address and what it is for, as its OpenAPI says."""
        route = self._known.api("GET", f"/models/{name}/openapi.json")
        assert route is not None
        assert route.answer is not None
        told: dict[str, Any] = json.loads(route.answer(head, b"", caller).body)
        found = [
            (method.upper(), path, str(about.get("summary", "")))
            for path, methods in told["paths"].items()
            for method, about in methods.items()
            if method in ("get", "post") and not any(part in path for part in _FOR_OPERATORS)
        ]
        own = [
            next((n for n, p in enumerate(_OWN) if path.startswith(p)), 9) for _, path, _ in found
        ]
        return [one for _, one in sorted(zip(own, found, strict=True), key=lambda pair: pair[0])]

    def _of_version(self, served: Served, base: str, who: Visitor) -> dict[str, Any]:
        package = served.package
        words: Mapping[str, Any] = package.words.get("words", {})
        batched = package.signature.batched
        example = self._example(served) if batched else None
        takes = controls(served, example, whole=may_see_rows(served, who.caller))
        return {
            "number": package.version,
            "task": task_of(served),
            "words": words,
            "said": [(title, text) for key, title in _SAID if (text := stated(words.get(key)))],
            "takes": takes,
            "more": max(0, values_of(served) - len(takes)) if takes else 0,
            "units": any(control.unit for control in takes),
            "inputs": [s.to_json() for s in package.signature.inputs],
            "outputs": [s.to_json() for s in package.signature.outputs],
            "guards": _guards(served),
            "limits": package.limits,
            "trained": package.trained,
            "runtime": package.runtime,
            "isolated": package.isolated,
            "snippets": snippets(base, package.name, example, keyed=who.keyed) if batched else (),
        }


def _measured(card: Mapping[str, Any]) -> list[dict[str, str]]:
    """The figures of its card that say most: how right, how fast, how much its owner has said."""
    one, live, said = card["headline"], card["live"], card["completeness"]
    told = [("performance", "unknown", "no labelled rows have judged it")]
    if one is not None:
        more = f"{span(one['name'], one)}, of {one['n']:,} rows"
        told = [(name_of(one["name"]), figure(one["name"], one["value"]), more)]
    fast: Mapping[str, Any] = live["latency"] if live is not None else {}
    if fast.get("p50_ms") is not None:
        told.append(("half within", f"{fast['p50_ms']:.3g} ms", f"99 % in {fast['p99_ms']:.3g} ms"))
    if live is not None:
        told.append(("requests", f"{live['requests']:,}", "since the server started"))
    whole = len(said["stated"]) + len(said["missing"])
    told.append(("owner's words", f"{len(said['stated'])} of {whole}", "said on its card"))
    return [{"name": name, "value": value, "more": more} for name, value, more in told]


def _guards(served: Served) -> list[str]:
    """What is done about rows and answers that should not be trusted, in words."""
    guarding, choice = served.guarding, served.package.guards
    if guarding is None:
        return []
    about = guarding.about
    said: list[str] = []
    if "contract" in about:
        said.append("Values are held against what training rows held")
    if "novelty" in about:
        mistaken = f"at most {share(choice.false_alarm_rate)} of good ones by mistake"
        said.append(f"{_GUARDS[choice.novelty]} ({mistaken})")
    if choice.error_goal is not None:
        wrong = share(choice.error_goal)
        said.append(f"Of the answers given at most {wrong} are wrong, by its goal")
    elif "confidence" in about:
        said.append("Every answer says how sure it is, by held-out rows")
    if guarding.radius is not None:
        said.append("Every answer comes with an interval that holds in 90 % of cases")
    return said
