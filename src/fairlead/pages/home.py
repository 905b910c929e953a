"""The first page: what is served here, as far as whoever looks may know of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qs

from fairlead.core.access import Caller
from fairlead.core.call import Head, Peer, Reply
from fairlead.core.errors import Unauthenticated
from fairlead.pages.frame import page
from fairlead.pages.visit import Known, visitor
from fairlead.serving.admission import known_models
from fairlead.serving.registry import LATEST, Registry

_MOST, _FEW = 60, 12
"""Models of one page, and as many as are found without searching."""

_TASKS = {"scores": "Classification", "label": "Classification", "value": "Regression"}


class Home:
    """The list of models; whoever is not known is asked to sign in."""

    def __init__(self, known: Known) -> None:
        self._known = known

    def ask(
        self, head: Head, body: bytes, caller: Caller, peer: Peer, later: Callable[[Reply], None]
    ) -> None:
        """The page. Its address is open to all, so who looks is found out here."""
        known = self._known
        try:
            caller = known.whose(head, peer)
        except Unauthenticated:
            facts = {"title": "Sign in", "who": None, "here": "", "issuers": known.issuers}
            later(page("welcome.html", head.path, facts))
            return
        asked = {name: values[0] for name, values in parse_qs(head.query).items()}
        names = known_models(known.registry, caller)
        found = _found(known.registry, names, asked.get("find", "").strip()[:100].casefold())
        left = [name for name in found if name > asked.get("after", "")]
        cards = [card_of(known.registry, name) for name in left[:_MOST]]
        facts: dict[str, Any] = {
            "title": "Models",
            "who": visitor(known, head, caller),
            "here": "models",
            "cards": cards,
            "count": len(names),
            "found": len(found),
            "find": asked.get("find", ""),
            "searched": len(names) > _FEW,
            "next": cards[-1]["name"] if len(left) > _MOST else "",
            "below": "" if head.path == "/models" else "models/",
        }
        later(page("home.html", head.path, facts))


def _found(registry: Registry, names: Sequence[str], wanted: str) -> Sequence[str]:
    """The models whose name or purpose holds a text; all of them for none."""
    if not wanted:
        return names
    return [
        name
        for name in names
        if wanted in f"{name} {card_of(registry, name)['purpose']}".casefold()
    ]


def card_of(registry: Registry, name: str) -> dict[str, Any]:
    """What the list says of one model."""
    served = registry.get(name, LATEST)
    states = registry.versions[name]
    newest = max(states) if states else 0
    about: dict[str, Any] = {"name": name, "version": newest, "ready": served is not None}
    if served is None:
        state = states[newest].state if states else "unknown"
        return about | {"state": state, "task": "", "purpose": "", "takes": ""}
    package = served.package
    words = package.words.get("words", {})
    signature = served.preparing.public if served.preparing else package.signature
    columns = len(signature.columns)
    takes = f"{columns} columns" if columns > 1 else ", ".join(s.name for s in signature.inputs[:4])
    return about | {
        "version": package.version,
        "state": "ready",
        "task": task_of(served),
        "purpose": str(words.get("purpose", "")),
        "takes": takes,
    }


def task_of(served: Any) -> str:
    """What kind of answer a model gives, in a word."""
    outputs = served.package.signature.outputs
    return next((_TASKS[spec.role] for spec in outputs if spec.role in _TASKS), "Model")
