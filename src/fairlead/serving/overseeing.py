"""The desk that tells how the server does: from the pages that its processes write of themselves.

Two readings, a moment apart, make rates; `figures` makes of them what people read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from fairlead.core.clock import now
from fairlead.serving.exchange import Line, Message
from fairlead.serving.observe import OK, quantile
from fairlead.serving.ready import has_every_model, why_not
from fairlead.serving.status import StatusPages

KIND = "status"
_EVERY = 5
"""Beats of the desk, twenty of which are a second, from one page of the bookkeeper to the next."""
_OF_A_WORKER = (
    "process", "pid", "began", "memory", "connections", "queued", "accepting", "settled",
    "limits_away",
)  # fmt: skip
_COUNTED = ("outcomes", "decisions", "seconds", "waits", "rows")


class Overseeing:
    """about: the server in words. myself: what the bookkeeper says of itself. stores: how the
    database of keys stands."""

    kinds: frozenset[str] = frozenset((KIND,))

    def __init__(
        self,
        pages: StatusPages,
        about: Mapping[str, Any],
        myself: Callable[[], Mapping[str, Any]],
        stores: Callable[[], Mapping[str, Any]],
        workers: int = 0,
    ) -> None:
        """workers: how many there should be."""
        self._pages = pages
        self._about = about
        self._myself = myself
        self._stores = stores
        self._workers = workers
        self._beats = 0

    def take(self, line: Line, message: Message) -> None:
        line.send({"kind": "answer", "id": message.get("id"), KIND: self.reading()})

    def reading(self) -> dict[str, Any]:
        """All that is known at this moment."""
        pages, counts = self._pages, self._pages.counts()
        workers: list[dict[str, Any]] = []
        ages = [pages.last(index) for index in range(pages.count)]
        missing = self._workers - sum(age_s is not None for age_s, _ in ages)
        for index, (age_s, page) in enumerate(ages):
            if age_s is None:
                missing -= 1
                if missing < 0:
                    continue  # the place of one that was replaced, or that nobody has had
            told = {name: page[name] for name in _OF_A_WORKER if name in page}
            workers.append({"process": f"worker {index}", **told, "age_s": age_s})
        fresh = pages.fresh()
        answering = [page for page in fresh if page["accepting"]]
        ready = bool(answering) and all(has_every_model(page["models"]) for page in answering)
        return {
            "server": self._about,
            "moment": now(),
            "ready": ready,
            "why": "" if ready else why_not(answering),
            "workers": workers,
            "states": [page["models"] for page in fresh],
            "stats": {
                key: {name: stats[name] for name in _COUNTED}
                for key, stats in counts["stats"].items()
            },
            "refusals": counts["refusals"],
            "lines_lost": counts["lines_lost"],
            "bookkeeper": {**self._myself(), **self._of_stores()},
        }

    def _of_stores(self) -> dict[str, Any]:
        found = dict(self._stores())
        age_s = found.pop("age_s", 0.0)
        return {**found, "keys_age_s": age_s}

    def beat(self) -> None:
        """Several times a second the bookkeeper says that it is there."""
        self._beats += 1
        if self._beats % _EVERY == 1:
            self._pages.publish(self._pages.bookkeeper, self._myself())

    def joined(self, line: Line) -> None:
        """Nothing is kept of workers but their pages."""

    def lost(self, line: Line) -> None:
        """Nothing is kept of workers but their pages."""

    def save(self) -> None:
        """Nothing outlives the server."""

    def close(self) -> None:
        """Nothing is held."""


def figures(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What two readings say: how everything stands, and what was done between them.

    Times are in seconds, memory in bytes. Shares and times of a version are of the requests between
    the readings; None without any.
    """
    spent = max(after["moment"] - before["moment"], 1e-3)
    refused = sum(after["refusals"].values()) - sum(before["refusals"].values())
    workers = [_worker(page) for page in after["workers"]]
    return {
        "server": after["server"],
        "ready": after["ready"],
        "why": after["why"],
        "seconds": round(spent, 3),
        "workers": workers,
        "bookkeeper": after["bookkeeper"],
        "models": _models(before, after, spent),
        "refused_per_s": round(refused / spent, 3),
        "limits_away": sum(page.get("limits_away", 0) for page in after["workers"]),
        "lines_lost": after["lines_lost"],
    }


def _worker(page: Mapping[str, Any]) -> dict[str, Any]:
    if page["age_s"] is None or "pid" not in page:
        state = "starting"
    elif page["age_s"] > 1.0:
        state = "silent"
    elif not page["settled"]:
        state = "loading"
    else:
        state = "ready" if page["accepting"] else "ending"
    names = ("process", "pid", "began", "memory", "connections", "queued", "age_s")
    return {"state": state, **{name: page.get(name) for name in names}}


def _models(
    before: Mapping[str, Any], after: Mapping[str, Any], spent: float
) -> list[dict[str, Any]]:
    """Every version that is known, the newest of each model first."""
    states: Sequence[Mapping[str, Any]] = after["states"]
    keys = {key for page in states for key in page} | set(after["stats"])
    found: list[dict[str, Any]] = []
    for key in sorted(keys, key=_place):
        model, _, version = key.rpartition("/")
        own = [page[key] for page in states if key in page]
        told: dict[str, Any] = {"model": model, "version": int(version)}
        told["ready_workers"] = sum(state["state"] == "ready" for state in own)
        behind = [state for state in own if state["state"] != "ready"] or own
        told["state"] = behind[0]["state"] if behind else "gone"
        told["reason"] = behind[0].get("reason", "") if behind else ""
        found.append(told | _done(before["stats"].get(key), after["stats"].get(key), spent))
    return found


def _place(key: str) -> tuple[str, int]:
    model, _, version = key.rpartition("/")
    return model, -int(version)


def _done(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, spent: float
) -> dict[str, Any]:
    """What a version did between two readings, and in all."""
    earlier, later = before or {}, after or {}
    outcomes, decisions = (_less(later, earlier, name) for name in ("outcomes", "decisions"))
    seconds, waits = (_grown(later, earlier, name) for name in ("seconds", "waits"))
    calls, rows = sum(outcomes.values()), sum(decisions.values())
    return {
        "requests": sum(later.get("outcomes", {}).values()),
        "requests_per_s": round(calls / spent, 3),
        "failed_share": (calls - outcomes.get(OK, 0)) / calls if calls else None,
        "p50_s": quantile(seconds, 0.5),
        "p99_s": quantile(seconds, 0.99),
        "queue_p99_s": quantile(waits, 0.99),
        "decisions": {name: n / rows for name, n in decisions.items() if n} if rows else {},
    }


def _less(after: Mapping[str, Any], before: Mapping[str, Any], name: str) -> dict[str, int]:
    """How much more there is under each word; none where less is known than was."""
    earlier: Mapping[str, int] = before.get(name, {})
    later: Mapping[str, int] = after.get(name, {})
    return {word: max(0, count - earlier.get(word, 0)) for word, count in later.items()}


def _grown(after: Mapping[str, Any], before: Mapping[str, Any], name: str) -> list[int]:
    """How much more there is in each bucket; none where less is known than was."""
    later: Sequence[int] = after.get(name) or ()
    earlier: Sequence[int] = before.get(name) or ()
    return [max(0, b - a) for a, b in zip_longest(earlier, later, fillvalue=0)]
