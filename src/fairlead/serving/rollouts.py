"""The desk of rollouts: begins one when a version appears whose owner asks for it, adds up what the
workers see, and carries out the verdict.

What it knows is kept in the state folder, so that a verdict outlives its process.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from fairlead.core.audit import By
from fairlead.core.clock import wall_ns
from fairlead.core.errors import FairleadError
from fairlead.core.model_record import CANDIDATE, ModelRecord
from fairlead.serving.clerk import Outcome
from fairlead.serving.exchange import Line, Message
from fairlead.serving.finding import Sighting
from fairlead.serving.log import log
from fairlead.serving.steering import Steering
from fairlead.serving.whole_file import write_whole

if TYPE_CHECKING:
    from fairlead.core.package import RolloutChoice
    from fairlead.rollout.verdict import Judge

SEEN = "rollout.seen"
FILE = "rollouts.json"
"""In the state folder."""
_BY = By("", "rollout")
_MODE = "mode"
_GOING_ON = "going on"
_MOST_RULES = 4096
_ANY = 100.0
"""So many times the latency is too much of a version whose latency is not judged."""


@dataclass(slots=True)
class _Rollout:
    """One under way. begun: wall clock. told: the verdict as it was said last."""

    rollout: str
    model: str
    judge: Judge
    begun_s: float
    told: Mapping[str, Any] = field(default_factory=dict[str, Any])
    waiting: list[Message] = field(default_factory=list[Message])
    over: bool = False


class Rollouts:
    """folder: of the state. steering: knows what is on record, and changes it."""

    kinds: frozenset[str] = frozenset((SEEN,))

    def __init__(self, folder: Path, steering: Steering) -> None:
        self._file = folder / FILE
        self._steering = steering
        self._rules: dict[str, Mapping[str, Any]] = {}
        self._folders: dict[tuple[str, int], Path] = {}
        self._running: dict[str, _Rollout] = {}
        self._asked: set[tuple[str, int]] = set()
        kept = _read(self._file)
        self._kept: dict[str, Any] = dict(kept.get("rollouts", {}))
        self._answered: dict[str, int] = {m: int(v) for m, v in kept.get("answered", {}).items()}
        self._saved = ""

    # --- beginning --------------------------------------------------------------------------

    def admits(self, sightings: Sequence[Sighting]) -> list[Sighting]:
        """What workers may know of: not yet a version whose rollout is not on record."""
        self._folders = {(s.found.name, s.found.version): s.found.folder for s in sightings}
        held: set[tuple[str, int]] = set()
        answers = self._steering.answers({name for name, _ in self._folders})
        for sighting in sightings:
            name, version = sighting.found.name, sighting.found.version
            record = self._steering.recorded(name)
            base = answers[name] or self._answered.get(name, 0)
            fresh = version > max(record.tried, base) and (name, base) in self._folders
            if fresh and self._mode(sighting) in ("canary", "shadow"):
                held.add((name, version))
                self._begin(name, version, base)
        self._steering.release()
        return [s for s in sightings if (s.found.name, s.found.version) not in held]

    def _mode(self, sighting: Sighting) -> str:
        known = self._rules.get(sighting.stamp)
        if known is None:
            known = _words(sighting.found.folder)
            if len(self._rules) >= _MOST_RULES:
                self._rules.clear()  # they are read again, each once
            self._rules[sighting.stamp] = known
        return str(known.get(_MODE, "none"))

    def _begin(self, model: str, version: int, base: int) -> None:
        if (model, version) in self._asked:
            return
        self._asked.add((model, version))

        def done(outcome: Outcome) -> None:
            self._asked.discard((model, version))
            if isinstance(outcome, FairleadError):
                log("rollout_failed", model=f"{model}/{version}", reason=outcome.line())
            else:
                log("rollout_begun", model=f"{model}/{version}", stable=base)

        given = {"model": model, "version": version, "answering": base}
        self._steering.begin(given, _BY, done)

    # --- judging ----------------------------------------------------------------------------

    def take(self, line: Line, message: Message) -> None:
        """A worker has seen something."""
        model = str(message["model"])
        record = self._steering.recorded(model)
        if message["rollout"] != record.rollout:
            return  # of one that is over
        running = self._running.get(model)
        if running is None or running.rollout != record.rollout:
            running = self._opened(record, message)
            if running is None:
                return
            self._running[model] = running
        if "unfit" not in message:
            running.waiting.append(message)
        elif not running.over:
            running.told = {"outcome": "roll back", "reasons": [str(message["unfit"])]}
            self._settle(running)

    def _opened(self, record: ModelRecord, message: Message) -> _Rollout | None:
        from fairlead.rollout.bins import Bins
        from fairlead.rollout.verdict import Judge

        rule = self._rule(record)
        if rule is None:
            return None
        kept = self._kept.pop(record.name, None)
        if kept is not None and kept["rollout"] == record.rollout:
            try:
                judge = Judge.from_json(rule, kept["judge"])
                return _Rollout(record.rollout, record.name, judge, float(kept["begun_s"]))
            except (ValueError, KeyError, TypeError) as error:
                log("rollout_failed", model=record.name, reason=f"begun anew: {error!r}")
        bins = None if message["bins"] is None else Bins.from_json(message["bins"])
        return _Rollout(record.rollout, record.name, Judge(rule, bins), wall_ns() / 1e9)

    def _rule(self, record: ModelRecord) -> RolloutChoice | None:
        from fairlead.packages.rollout import rollout_of

        folder = self._folders.get((record.name, record.labels.get(CANDIDATE, 0)))
        if folder is None:
            return None
        try:
            rule = rollout_of({"rollout": _words(folder)}, str(folder))
        except FairleadError as error:
            log("rollout_failed", model=record.name, reason=error.line())
            return None
        # Nobody waits for a shadow: how long it takes says nothing of how long it would.
        return replace(rule, latency_factor=_ANY) if rule.mode == "shadow" else rule

    def _look(self, running: _Rollout) -> None:
        """Adds up what has come, and asks for the verdict."""
        from fairlead.rollout.evidence import Evidence
        from fairlead.rollout.pairs import Pairs

        judge, grouped = running.judge, running.judge.rule.assignment == "caller"
        stable = Evidence(judge.bins, grouped=grouped)
        candidate = Evidence(judge.bins, grouped=grouped)
        pairs: Pairs | None = None
        messages, running.waiting = running.waiting, []
        for message in messages:
            try:
                stable.merge(Evidence.from_json(message["stable"]))
                candidate.merge(Evidence.from_json(message["candidate"]))
                if message.get("pairs") is not None:
                    more = Pairs.from_json(message["pairs"])
                    pairs = more if pairs is None else _added(pairs, more)
            except (ValueError, KeyError, TypeError) as error:
                log("rollout_failed", model=running.model, reason=f"a report is wrong: {error!r}")
        elapsed = wall_ns() / 1e9 - running.begun_s
        verdict = judge.look(stable, candidate, max(0.0, elapsed), pairs)
        running.told = verdict.to_json()

    def _settle(self, running: _Rollout) -> None:
        """Carries out the verdict, once there is one."""
        if not running.over and running.told.get("outcome", _GOING_ON) != _GOING_ON:
            running.over = True
            self._carry_out(running)

    def _carry_out(self, running: _Rollout) -> None:
        """Promotes or rolls back, where the owner leaves it to the verdict."""
        outcome, reasons = running.told["outcome"], [*running.told["reasons"]]
        candidate = self._steering.recorded(running.model).labels.get(CANDIDATE, 0)
        log("rollout_decided", model=f"{running.model}/{candidate}", verdict=outcome, why=reasons)
        if not running.judge.rule.automatic:
            return
        kind = "models.promote" if outcome == "promote" else "models.rollback"
        given = {"model": running.model, "rollout": running.rollout, "why": reasons}

        def done(outcome: Outcome) -> None:
            if isinstance(outcome, FairleadError):
                log("rollout_failed", model=running.model, reason=outcome.line())
                running.over = False  # it is tried again at the next look

        self._steering.decide(kind, given, _BY, done)

    def told(self, model: str) -> Mapping[str, Any] | None:
        """How the rollout of a model stands, None where there is none."""
        running = self._running.get(model)
        return None if running is None else running.told

    # --- as every desk ----------------------------------------------------------------------

    def joined(self, line: Line) -> None:
        """Workers are told by the desk of models."""

    def lost(self, line: Line) -> None:
        """What a worker has seen and not told is lost, and no verdict the worse for it."""

    def beat(self) -> None:
        """Everything is looked at once a second."""

    def save(self) -> None:
        """Once a second: looks, and keeps what it knows."""
        for model, running in [*self._running.items()]:
            if self._steering.recorded(model).rollout != running.rollout:
                del self._running[model]
                continue
            if running.waiting:
                self._look(running)
            self._settle(running)
        answers = self._steering.answers({model for model, _ in self._folders})
        self._answered |= {model: version for model, version in answers.items() if version}
        told = {
            "answered": self._answered,
            "rollouts": {
                **self._kept,
                **{
                    model: {
                        "rollout": running.rollout,
                        "begun_s": running.begun_s,
                        "judge": running.judge.to_json(),
                    }
                    for model, running in self._running.items()
                },
            },
        }
        text = json.dumps(told)
        if text != self._saved:
            write_whole(self._file, text)
            self._saved = text

    def close(self) -> None:
        """Nothing is held open."""


def _added(one: Any, more: Any) -> Any:
    one.merge(more)
    return one


def _words(folder: Path) -> dict[str, Any]:
    """[rollout] of a version's model.toml; {} where there is none."""
    try:
        words = tomllib.loads((folder / "model.toml").read_text(encoding="utf-8"))
        found: Any = words.get("rollout", {})
        return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}  # the worker that loads it says what is wrong


def _read(file: Path) -> dict[str, Any]:
    try:
        found: Any = json.loads(file.read_text())
        return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}
