"""What a worker says of itself: its states and counts on its status page, and from all pages
readiness and metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from fairlead.access.leases import Leases
from fairlead.serving.admission import Admission
from fairlead.serving.memory import resident
from fairlead.serving.observe import exposition
from fairlead.serving.ready import ENDS, has_every_model, of_model, why_not
from fairlead.serving.registry import LATEST, Registry
from fairlead.serving.reporting import Reporting
from fairlead.serving.served import Served
from fairlead.serving.states import FAILED, READY, UNLOADED
from fairlead.serving.status import StatusPages, about_process, merge

_MOST_ENDED = 256
"""Versions of which it is kept what they counted, once they have ended."""


class Front(Protocol):
    """What is told of the listeners."""

    refusals: dict[str, int]

    @property
    def connections(self) -> int: ...


class Queue(Protocol):
    """What is told of a version's queue."""

    @property
    def waiting(self) -> int: ...


class Vitals:
    """One worker's.

    accepting: whether it takes calls; over: whether it drains. optional: whether nothing need be
    served, because a platform loads models while the server runs.
    """

    def __init__(
        self,
        pages: StatusPages,
        index: int,
        registry: Registry,
        front: Front,
        queues: Callable[[], Sequence[Queue]],
        admission: Admission,
        leases: Leases,
        reporting: Reporting,
        *,
        optional: bool,
        told: Callable[[], Mapping[str, Mapping[str, int]]] = dict,
    ) -> None:
        """told: counts of what is told of requests (assembly/requests.py)."""
        self._pages = pages
        self._index = index
        self._registry = registry
        self._front = front
        self._queues = queues
        self._admission = admission
        self._leases = leases
        self._reporting = reporting
        self._optional = optional
        self._told = told
        self._process = about_process(f"worker {index}")
        self.accepting = self.over = False
        self._counting: dict[Served, None] = {}
        self._ended: dict[str, Any] = {}

    def keep(self, served: Served) -> None:
        """A version has ended: what it has counted stays, so that no total ever falls."""
        self._counting.pop(served, None)
        one = {"stats": {served.key: served.stats.to_json()}}
        kept = (
            {"stats": {served.key: self._ended.pop(served.key)}}
            if served.key in self._ended
            else {}
        )
        self._ended |= merge([kept, one])["stats"]
        if len(self._ended) > _MOST_ENDED:
            del self._ended[next(iter(self._ended))]

    def publish(self) -> None:
        """Writes this worker's page, which is its heartbeat."""
        self._pages.publish(self._index, self._status())

    def counts(self) -> Mapping[str, Any]:
        """What all workers have counted, this one up to now."""
        self.publish()
        return self._pages.counts()

    @property
    def settled(self) -> bool:
        """Whether every version has reached a state that only a change leaves."""
        states = [v.state for vs in self._registry.versions.values() for v in vs.values()]
        return (bool(states) or self._optional) and all(
            s in (READY, FAILED, UNLOADED) for s in states
        )

    @property
    def others_answer(self) -> bool:
        """Whether another worker takes calls and has loaded what it will."""
        others = (page for page in self._pages.fresh() if page["accepting"])
        return any(page["settled"] for page in others)

    def ready(self) -> bool:
        """Computed from fresh heartbeats: whoever takes a new call has every model ready."""
        pages = self._answering()
        # Where the platform loads models, none is missed.
        return bool(pages) and (
            self._optional or all(has_every_model(page["models"]) for page in pages)
        )

    def why_not(self) -> str:
        """Why not every model is ready, naming none."""
        return ENDS if self.over else why_not(self._answering())

    def of_model(self, model: str) -> dict[str, Any]:
        """Whether a model is ready, with its versions, and why not."""
        found = of_model(self._answering(), model)
        return {**found, "why": ENDS} if self.over else found

    def _answering(self) -> list[dict[str, Any]]:
        """The pages of the workers that take calls, none once this one ends."""
        if self.over:
            return []
        self.publish()
        return [page for page in self._pages.fresh() if page["accepting"]]

    def metrics(self, openmetrics: bool) -> str:
        """The text that Prometheus reads, of all workers."""
        self.publish()
        standing = self._reporting.standing
        pages = self._pages
        return exposition(
            pages.fresh(),
            pages.counts(),
            standing,
            openmetrics=openmetrics,
            bookkeeper=pages.read(pages.bookkeeper),
        )

    def _status(self) -> dict[str, Any]:
        models = {
            f"{name}/{number}": {
                "state": version.state,
                "reason": version.reason,
                "promised": version.promised,
                "answers": self._registry.newest(name, LATEST) == number,
                "folder": str(version.package.folder) if version.package is not None else "",
            }
            for name, versions in self._registry.versions.items()
            for number, version in versions.items()
        }
        book = self._admission.book
        return {
            "models": models,
            "stats": self._stats(),
            "refusals": self._front.refusals,
            "settled": self.settled,
            "accepting": self.accepting and not self.over,
            "connections": self._front.connections,
            "queued": sum(queue.waiting for queue in self._queues()),
            **self._process,
            "memory": resident(),
            **self._told(),
            # What this worker knows of those who call.
            "keys": len(book) if book is not None else 0,
            "keys_age_seconds": round(self._admission.stale_s, 3) if book is not None else 0.0,
            "limits_away": int(self._leases.away),
        }

    def _stats(self) -> dict[str, Any]:
        """What every version has counted: those that answer, those that drain, those that ended."""
        self._counting |= dict.fromkeys(self._registry.served())
        each = [{"stats": {one.key: one.stats.to_json()}} for one in self._counting]
        return merge([{"stats": self._ended}, *each])["stats"]
