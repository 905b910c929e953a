"""The desk of models: what operators do to them, checked against what is there, put on record, and
told to every worker.

What is said of a model is kept in the database (model_acts.py); loading and ending hold while the
server runs (control.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fairlead.core.audit import By
from fairlead.core.clock import now
from fairlead.core.errors import BadUsage, FairleadError, ModelNotFound, ModelNotReady
from fairlead.core.model_record import CANDIDATE, ModelRecord
from fairlead.serving.act_fields import Fields
from fairlead.serving.clerk import Outcome
from fairlead.serving.control import END, LOAD, Controlling
from fairlead.serving.exchange import Line, Message
from fairlead.serving.keeping import Keeping, answer_to, by_of
from fairlead.serving.states import FAILED, READY, UNLOADED

CHOSEN = "chosen"
"""The kind of message by which workers are told what is on record."""
_PATIENCE_S = 50.0
"""A little less than the command line waits: it is told why it is not so yet."""
_LATE = (
    "The version before goes on answering until it can; fairlead models list shows how it stands"
)

Done = Callable[[Outcome], None]
Pages = Callable[[], Sequence[Mapping[str, Any]]]
"""The status pages of the workers that live (status.py)."""


@dataclass(slots=True)
class _Promotion:
    """A version that is to answer: whoever asked is told once it does, everywhere."""

    model: str
    version: int
    done: Done
    outcome: Outcome
    due: float


class Steering:
    """Acts on models, for the command line and the administration.

    rollouts: says how the rollout of a model stands.
    """

    kinds = frozenset(
        f"models.{act}"
        for act in ("list", "load", "unload", "choose", "label", "promote", "rollback")
    )

    def __init__(
        self, keeping: Keeping, controlling: Controlling, pages: Pages, *, held: bool = False
    ) -> None:
        """held: workers are told what is on record only once `release` was called: something else
        may have to be put on record first."""
        self._keeping = keeping
        self._controlling = controlling
        self._pages = pages
        self._lines: set[Line] = set()
        self._records: Mapping[str, ModelRecord] | None = None
        self._promotions: list[_Promotion] = []
        self._held = held
        self.rollouts: Callable[[str], Mapping[str, Any] | None] = lambda model: None

    # --- what is asked ----------------------------------------------------------------------

    def take(self, line: Line, message: Message) -> None:
        """An act that the command line asks for."""
        done = answer_to(line, message)
        self.ask(str(message["kind"]), message.get("given") or {}, by_of(line, message), done)

    def ask(self, kind: str, given: Mapping[str, Any], by: By, done: Done) -> None:
        """Does an act; `done` gets what came of it, in the loop. May raise an error too."""
        act = kind.partition(".")[2]
        if act == "list":
            done(self._listed(Fields(given, "model").text("model", "")))
        elif act in (LOAD, "unload"):
            self._load(act, Fields(given, "model").text("model"), by, done)
        elif act in ("promote", "rollback"):
            self._move(kind, given, by, done)
        else:
            if act == "label":
                self._check(str(given.get("model")), given.get("version"))
            self._keeping.ask(kind, given, by, done)

    def _load(self, act: str, model: str, by: By, done: Done) -> None:
        def told(error: FairleadError | None) -> None:
            done(error if error is not None else {"model": model})

        self._keeping.note(by, f"models.{act}", model)
        self._controlling.ask(LOAD if act == LOAD else END, model, told)

    def _move(self, kind: str, given: Mapping[str, Any], by: By, done: Done) -> None:
        """Makes another version the stable one, and answers once it does."""
        fields = Fields(given, "model", "version")
        model, version = fields.text("model"), fields.whole("version", 0, 0, 10**18)
        known, answering = self._known(model), self.answering(model)
        full: dict[str, Any] = {"model": model, "version": version, "answering": answering}
        if kind == "models.rollback":
            full["below"] = max((v for v in known if v < answering and _sound(known[v])), default=0)
        elif not version:
            full["version"] = self._to_promote(model, known, answering)
        if kind == "models.promote":
            full["newest"] = max(known, default=0)
        self._check(model, full["version"])

        def moved(outcome: Outcome) -> None:
            if isinstance(outcome, FairleadError) or not known:
                done(outcome)
                return
            due = now() + _PATIENCE_S
            self._promotions.append(_Promotion(model, outcome["answers"], done, outcome, due))

        self._keeping.ask(kind, full, by, moved)

    def begin(self, given: Mapping[str, Any], by: By, done: Done) -> None:
        """Puts the rollout of a version on record."""
        self._keeping.ask("models.rollout", given, by, done)

    def decide(self, kind: str, given: Mapping[str, Any], by: By, done: Done) -> None:
        """Promotes or rolls back the candidate of a rollout."""
        if kind == "models.promote":
            known = self._every().get(str(given["model"]), {})
            given = {**given, "newest": max(known, default=0)}
        self._keeping.ask(kind, given, by, done)

    def _to_promote(self, model: str, known: Mapping[int, Mapping[str, Any]], than: int) -> int:
        """The candidate (0: whatever the record says), or else the newest version that is ready."""
        record = self.recorded(model)
        if CANDIDATE in record.labels:
            return 0
        newer = [v for v, told in known.items() if v > than and told["state"] == READY]
        if not newer:
            raise BadUsage(
                f"model {model!r} has neither a candidate nor a newer version that is ready",
                fix="Name the version to promote",
            )
        return max(newer)

    def _check(self, model: str, version: Any) -> None:
        """Raises unless a version is there and could be loaded, as far as anybody knows."""
        known = self._known(model)
        if not known or type(version) is not int or not version:
            return
        told = known.get(version)
        if told is None:
            raise ModelNotFound(
                f"model {model!r} has no version {version}",
                fix=f"Known: {', '.join(map(str, sorted(known)))}",
            )
        if not _sound(told):
            raise ModelNotReady(f"version {version} of model {model!r} failed: {told['reason']}")

    # --- what is known ----------------------------------------------------------------------

    def _known(self, model: str) -> dict[int, dict[str, Any]]:
        """The versions of a model, each with the state that is worst in any worker.

        Raises ModelNotFound where workers live and none knows it.
        """
        every = self._every()
        if every and model not in every:
            raise ModelNotFound(
                f"no model {model[:80]!r} is served here", fix="fairlead models list shows them"
            )
        return every.get(model, {})

    def _every(self) -> dict[str, dict[int, dict[str, Any]]]:
        found: dict[str, dict[int, dict[str, Any]]] = {}
        for page in self._pages():
            for key, told in page.get("models", {}).items():
                name, _, number = key.rpartition("/")
                one = found.setdefault(name, {}).setdefault(
                    int(number), {"state": told["state"], "reason": "", "ready": 0, "answers": 0}
                )
                one["ready"] += told["state"] == READY
                one["answers"] += bool(told.get("answers"))
                if told["state"] != READY:
                    one["state"] = told["state"]
                one["reason"] = one["reason"] or told.get("reason", "")
        return found

    def recorded(self, model: str) -> ModelRecord:
        """What is on record of a model."""
        return (self._records or {}).get(model) or ModelRecord(model)

    def answering(self, model: str) -> int:
        """The version that answers when none is named, 0 when none does."""
        return self.answers((model,))[model]

    def answers(self, models: Iterable[str]) -> dict[str, int]:
        """`answering` of each of these models: the pages of the workers are read once."""
        every = self._every()
        return {model: _answers(self.recorded(model), every.get(model, {})) for model in models}

    def labels(self, model: str) -> dict[int, list[str]]:
        """The labels of each version of a model, "answers" among them for the one that does."""
        told = self._told(model, self._every().get(model, {}))
        return {
            one["version"]: ["answers"] * (one["version"] == told["answers"]) + one["labels"]
            for one in told["versions"]
        }

    def _listed(self, model: str) -> dict[str, Any]:
        every = {model: self._known(model)} if model else self._every()
        return {"models": [self._told(name, versions) for name, versions in sorted(every.items())]}

    def _told(self, name: str, versions: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
        record = self.recorded(name)
        labels = record.every_label
        listed: list[dict[str, Any]] = []
        for number, told in sorted(versions.items(), reverse=True):
            own = sorted(label for label, at in labels.items() if at == number)
            listed.append({"version": number, **told, "labels": own})
        about: dict[str, Any] = {
            "wanted": record.versions, "stable": record.stable, "previous": record.previous,
            "rollout": self.rollouts(name) if record.rollout else None,
        }  # fmt: skip
        return {"name": name, "answers": _answers(record, versions), "versions": listed, **about}

    # --- the record -------------------------------------------------------------------------

    def learn(self, records: Mapping[str, ModelRecord]) -> None:
        """What is on record, all of it; workers are told."""
        if records != self._records:
            self._records = records
            self._tell()

    def release(self) -> None:
        """What had to be put on record first was, or is on its way."""
        if self._held:
            self._held = False
            self._tell()

    def _tell(self) -> None:
        if self._records is not None and not self._held:
            for line in self._lines:
                line.press(self._message())

    def _message(self) -> Message:
        records = (self._records or {}).values()
        return {"kind": CHOSEN, "records": [record.to_json() for record in records]}

    # --- as every desk ----------------------------------------------------------------------

    def joined(self, line: Line) -> None:
        """A worker that starts is told what is on record."""
        self._lines.add(line)
        if self._records is not None and not self._held:
            line.press(self._message())

    def lost(self, line: Line) -> None:
        """A worker that is gone is told no more."""
        self._lines.discard(line)

    def beat(self) -> None:
        """Tells those who wait for a version once it answers everywhere, or will not."""
        for one in [*self._promotions]:
            told = self._every().get(one.model, {}).get(one.version)
            pages = self._pages()
            if pages and all(_is_so(page, one.model, one.version) for page in pages):
                self._end(one, one.outcome)
            elif told is not None and told["state"] == FAILED:
                reason = f"version {one.version} of model {one.model!r} failed: {told['reason']}"
                self._end(one, ModelNotReady(reason, fix="The version before goes on answering"))
            elif now() > one.due:
                late = f"version {one.version} of model {one.model!r} does not answer yet"
                self._end(one, ModelNotReady(late, fix=_LATE))

    def _end(self, one: _Promotion, outcome: Outcome) -> None:
        self._promotions.remove(one)
        one.done(outcome)

    def save(self) -> None:
        """What is on record is in the database."""

    def close(self) -> None:
        """Nothing is held open."""


def _is_so(page: Mapping[str, Any], model: str, version: int) -> bool:
    """Whether a version answers in a worker, or will, once somebody asks: none is in memory."""
    mine = {
        int(number): told
        for key, told in page.get("models", {}).items()
        for name, _, number in (key.rpartition("/"),)
        if name == model
    }
    answers = version in mine and bool(mine[version].get("answers"))
    return answers or (bool(mine) and all(told["state"] == UNLOADED for told in mine.values()))


def _answers(record: ModelRecord, versions: Mapping[int, Mapping[str, Any]]) -> int:
    ready = [version for version, told in versions.items() if told["state"] == READY]
    return record.stable or max(ready, default=0)


def _sound(told: Mapping[str, Any]) -> bool:
    return told["state"] != FAILED
