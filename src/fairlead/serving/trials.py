"""The rollouts of one worker: begun and ended as it is on record, reported once a second."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fairlead.core.model_record import CANDIDATE, ModelRecord
from fairlead.serving.registry import Registry
from fairlead.serving.rollouts import SEEN

if TYPE_CHECKING:
    from fairlead.serving.trial import Trial

UNFIT = "it takes other inputs than the version that answers, so callers have to know of it"


class Trials:
    """send: to the bookkeeper. worker: this worker's own id, another one in each of its lives."""

    def __init__(
        self, registry: Registry, send: Callable[[Mapping[str, Any]], object], worker: str
    ) -> None:
        self._registry = registry
        self._send = send
        self._worker = worker
        self._wanted: dict[str, ModelRecord] = {}
        self._running: dict[str, Trial] = {}
        self._unfit: list[ModelRecord] = []

    def adopt(self, records: Iterable[ModelRecord]) -> None:
        """These rollouts are on record, and no others."""
        self._wanted = {r.name: r for r in records if r.rollout and CANDIDATE in r.labels}
        for model, trial in [*self._running.items()]:
            wanted = self._wanted.get(model)
            if wanted is None or wanted.rollout != trial.rollout:
                self._end(model)
        self.beat()

    def beat(self) -> None:
        """Begins rollouts of which both versions answer, ends those of which one does not."""
        self._unfit = []
        for model, record in self._wanted.items():
            stable = self._registry.get(model, record.stable)
            candidate = self._registry.get(model, record.labels[CANDIDATE])
            trial = self._running.get(model)
            if trial is not None and (stable, candidate) != (trial.stable, trial.candidate):
                self._end(model)
                trial = None
            if trial is not None or stable is None or candidate is None:
                continue
            if stable.package.signature.inputs != candidate.package.signature.inputs:
                self._unfit.append(record)
                continue
            from fairlead.serving.trial import Trial

            made = Trial(record.rollout, stable, candidate, self._worker)
            self._running[model] = stable.trial = candidate.trial = made

    def report(self) -> None:
        """Once a second: what was seen goes to the bookkeeper, and that two versions cannot be
        compared, until it is heard: no call could be answered by either."""
        for record in self._unfit:
            about = {"model": record.name, "rollout": record.rollout, "bins": None}
            self._send({"kind": SEEN, **about, "unfit": UNFIT})
        for trial in self._running.values():
            self._send({"kind": SEEN, **trial.drain()})

    def _end(self, model: str) -> None:
        trial = self._running.pop(model)
        self._send({"kind": SEEN, **trial.drain()})
        trial.end()
