"""A version's guards at work on the joined rows of one execution.

Contract and novelty look at the rows before the model, confidence at its scores after. A guard
never raises: what it cannot judge it says nothing about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fairlead.core.decision import (
    SERVED,
    WARNED,
    Verdicts,
)
from fairlead.core.package import GuardChoice, Package
from fairlead.core.signature import Signature
from fairlead.core.tensor import Array
from fairlead.guards.confidence import Confidence
from fairlead.guards.contract import CLIP, REFUSE, Breach, Contract
from fairlead.guards.drift import PREDICTED, Drift, answer_columns
from fairlead.guards.files import (
    CONFIDENCE,
    CONTRACT,
    DRIFT,
    EMBEDDING,
    INTERVALS,
    MISUSE,
    NOVELTY,
    SEEN,
)
from fairlead.guards.intervals import Intervals
from fairlead.guards.misuse import Misuse
from fairlead.guards.novelty import Novelty
from fairlead.guards.screen import screens
from fairlead.guards.seen import Seen, UnseenShape, explain, seen_of
from fairlead.guards.witnesses import Witnesses
from fairlead.serving.deciding import CODES
from fairlead.serving.embedding import Embedding
from fairlead.serving.log import log
from fairlead.serving.sureness import COVERAGE, Sureness

MOST_EXPLAINED = 16
"""Rows of one execution whose strangeness is explained: each costs as much as judging hundreds."""

UNEXPLAINED = "the row is unlike the training rows"


class Guarding:
    """The guards of one loaded version.

    scores: position of the output that confidence and drift need; None when neither does.
    drift, misuse: what many rows are held against, None where it has not been learnt.
    radius: half the width of the interval around a regression's answer, None without one.
    rules: of the contract, by column. private: columns whose values are told to nobody.
    about:  what was learnt and what becomes of doubtful rows, for people.
    """

    def __init__(
        self,
        signature: Signature,
        choice: GuardChoice,
        contract: Contract | None,
        novelty: Novelty | None,
        confidence: Confidence | None,
        intervals: Intervals | None,
        drift: Drift | None = None,
        misuse: Misuse | None = None,
        seen: Seen | None = None,
        embedding: Novelty | None = None,
    ) -> None:
        self._signature = signature
        self._seen = seen or seen_of(signature)
        self.drift, self.misuse = drift, misuse if choice.misuse != "off" else None
        self.choice = choice
        self._contract = contract if contract is not None and contract.bites else None
        self._screens = screens(contract, signature) if contract is not None else []
        rules = contract.rules if contract is not None else []
        self.rules = {rule.name: rule for rule in rules}
        self.private = frozenset(rule.name for rule in rules if rule.private)
        self._clips = contract is not None and any(r.otherwise == CLIP for r in contract.rules)
        self._novelty = novelty if choice.novelty != "off" else None
        self._confidence = confidence
        self._plain = self._seen.plain and _plain_table(signature, self._novelty)
        self._limit, self._code = np.inf, SERVED
        # Both are calibrated on the same scores, and so have one threshold.
        self._decides = self._novelty or (embedding if choice.novelty != "off" else None)
        if self._decides is not None:
            self._decides.false_alarm_rate = choice.false_alarm_rate
            self._limit = self._decides.threshold(assured=choice.assured)
            self._code = CODES[choice.novelty]
            if not np.isfinite(self._limit):
                # Too few rows for the owner's rate: nothing is refused that it would not cover.
                self._decides.false_alarm_rate = self._decides.smallest_rate
                self._limit = self._decides.threshold()
                self._code = min(self._code, WARNED)
        self._embedding: Embedding | None = None
        if embedding is not None and self._decides is not None:
            self._embedding = Embedding(embedding, signature, self._limit, self._code)
        self._witnesses: Witnesses | None = None
        if self._novelty is not None and self._plain and self._embedding is None:
            self._witnesses = self._novelty.witnesses(self._limit)
        asked = confidence is not None or (drift is not None and drift.watches(PREDICTED))
        self.scores = signature.answer if asked else None
        answer = signature.outputs[self.scores] if self.scores is not None else None
        self._classes = answer.classes if answer is not None else ()
        self._sureness: Sureness | None = None
        if confidence is not None:
            confidence.aim(choice.error_goal, choice.assurance)
            self._sureness = Sureness(confidence, answer, CODES[choice.unsure])
        looked_at = self._embedding.place if self._embedding is not None else None
        self._needs = [place for place in (self.scores, looked_at) if place is not None]
        radius = intervals.radius(COVERAGE) if intervals is not None else np.inf
        self.radius = radius if np.isfinite(radius) else None
        self.about = self._described(contract, intervals)

    def _described(self, contract: Contract | None, intervals: Intervals | None) -> dict[str, Any]:
        about: dict[str, Any] = {}
        if contract is not None:
            about["contract"] = {"columns": len(contract.rules), "rows": contract.rows}
        if self._decides is not None:
            novelty: dict[str, Any] = {
                "unlike_rows": self.choice.novelty,
                "false_alarm_rate": self.choice.false_alarm_rate,
                "smallest_rate": round(self._decides.smallest_rate, 6),
                "assured": self.choice.assured,
            }
            if not self._seen.plain:
                novelty["sees"] = self._seen.described()
            if self._embedding is not None:
                novelty["embedding"] = self._embedding.name
            about["novelty"] = novelty
        if self._confidence is not None:
            guard = self._confidence
            about["confidence"] = {"calibration": guard.method, "rows": guard.rows}
            if guard.error_goal is not None:
                kept = guard.threshold is not None and np.isfinite(guard.threshold)
                about["confidence"] |= {
                    "error_goal": guard.error_goal,
                    "assurance": guard.assurance,
                    "threshold": round(guard.threshold or 0.0, 6) if kept else None,
                    "coverage": round(guard.coverage, 6),
                    "unsure_answers": self.choice.unsure,
                } | ({"reason": guard.reason} if guard.reason else {})
        if intervals is not None:
            about["intervals"] = {"coverage": COVERAGE, "rows": intervals.rows}
        return about

    @property
    def promised(self) -> float | None:
        """The share of right answers among those given; None where no goal is kept."""
        guard = self._confidence
        if guard is None or guard.error_goal is None or self.choice.unsure != "abstain":
            return None
        kept = guard.threshold is not None and bool(np.isfinite(guard.threshold))
        return 1.0 - guard.error_goal if kept else None

    def breaches(self, inputs: list[Array]) -> list[Breach]:
        """What breaks the contract, by row. Clipped values are changed in `inputs`."""
        if self._contract is None:
            return []
        doubtful = [i for i, s in enumerate(self._screens) if not s.passes(inputs[i])]
        if not doubtful:
            return []
        if self._clips:
            inputs[:] = [array.copy() for array in inputs]
        asked: dict[str, Any] = {}
        for column in self._signature.columns:
            if column.input in doubtful:
                array, place = inputs[column.input], column.position
                found = array.reshape(len(array)) if place is None else array[:, place]
                asked[column.name] = found
        return self._contract.check(asked)

    def before(
        self,
        inputs: Sequence[Array],
        rows: int,
        breaches: Sequence[Breach],
        *,
        told: bool = True,
    ) -> Verdicts:
        """The verdicts on rows that the model is about to see.

        told: callers are told how strange each row is. Where they are not, it is enough to know
        which rows are too strange, and `p_novel` is left for whoever asks later.
        """
        verdicts = Verdicts(np.zeros(rows, np.uint8))
        for breach in breaches:
            if breach.action != REFUSE:
                verdicts.set(breach.row, WARNED, [breach.words])
        if self._novelty is not None and rows:
            try:
                if told or self._witnesses is None:
                    self._judge(self._novelty, inputs, verdicts)
                else:
                    self._screen(self._witnesses, self._novelty, inputs, verdicts)
            except Exception as error:
                self._failed(verdicts, error)
        return verdicts

    def _screen(
        self, witnesses: Witnesses, novelty: Novelty, inputs: Sequence[Array], verdicts: Verdicts
    ) -> None:
        """As `_judge`, where all but a few rows are plainly like the training rows."""
        verdicts.later = lambda: self.strangeness(inputs)
        shown = witnesses.show(inputs[0])
        if shown.item(shown.argmin()):
            return
        rest = np.flatnonzero(~shown)
        scores = novelty.scores_of(novelty.space.place_numbers(inputs[0][rest]))
        rows = rest[scores > self._limit]
        if len(rows):
            verdicts.novel = np.zeros(len(shown), bool)
            verdicts.novel[rows] = True
            self._call_novel(novelty, inputs, rows.tolist(), verdicts)

    @property
    def screens(self) -> bool:
        """Whether it may be left for later how strange rows are; `strangeness` then says it."""
        return self._witnesses is not None

    def strangeness(self, inputs: Sequence[Array]) -> tuple[Array, Array]:
        """The coordinates and the p-values of rows of the guard's own table."""
        novelty = self._novelty
        if novelty is None or not self._plain:
            raise ValueError("the guard has no table of numbers")
        placed = novelty.space.place_numbers(inputs[0])
        return placed, novelty.p_of(novelty.scores_of(placed))

    def _failed(self, verdicts: Verdicts, error: Exception) -> None:
        """A guard that fails is our fault, not the caller's: rows are served, and it is said."""
        log("guard_failed", error=repr(error))
        # What was left for later would fail once more, where nobody expects it.
        verdicts.later = verdicts.weigh = verdicts.likely = None
        for row in range(len(verdicts.codes)):
            verdicts.set(row, WARNED, ["a guard failed on this row"])

    def _judge(self, novelty: Novelty, inputs: Sequence[Array], verdicts: Verdicts) -> None:
        if self._plain:
            placed = novelty.space.place_numbers(inputs[0])
        else:
            try:
                placed = novelty.space.place(self._seen.columns(inputs))
            except UnseenShape as error:
                self._refuse(str(error), novelty.smallest_rate, verdicts)
                return
        scores = novelty.scores_of(placed)
        verdicts.placed = placed
        verdicts.p_novel = novelty.p_of(scores)
        # The place of the largest is found several times faster than numpy's `any`.
        if scores.item(scores.argmax()) <= self._limit:
            return
        verdicts.novel = scores > self._limit
        self._call_novel(novelty, inputs, np.flatnonzero(verdicts.novel).tolist(), verdicts)

    def _call_novel(
        self, novelty: Novelty, inputs: Sequence[Array], rows: list[int], verdicts: Verdicts
    ) -> None:
        """Says of these rows that they are beyond the limit, and of the first ones why."""
        first = rows[:MOST_EXPLAINED]
        some = [array[first] for array in inputs]
        full = self.choice.disclosure == "full"
        explained = explain(novelty, self._seen, some, limits=full, hidden=self.private)
        for row, words in zip(first, explained, strict=True):
            # What training rows held is not for a suspect, who is given less than others.
            verdicts.set(row, self._code, words, [UNEXPLAINED] if full else None)
        for row in rows[MOST_EXPLAINED:]:
            verdicts.set(row, self._code, [UNEXPLAINED])

    def _refuse(self, words: str, p_novel: float, verdicts: Verdicts) -> None:
        """Rows that no training row can be held against are as strange as can be."""
        rows = len(verdicts.codes)
        verdicts.p_novel, verdicts.novel = np.full(rows, p_novel), np.ones(rows, bool)
        for row in range(rows):
            verdicts.set(row, self._code, [words])

    def wanted(self, asked: tuple[int, ...]) -> tuple[int, ...]:
        """The outputs to compute: those asked for, and those that guards look at."""
        return asked + tuple([place for place in self._needs if place not in asked])

    def after(
        self, verdicts: Verdicts, asked: Sequence[int], outputs: Sequence[Array]
    ) -> list[Array]:
        """Adds what the model's scores say, and gives the outputs that were asked for."""
        if not self._needs or not len(verdicts.codes):
            return list(outputs[: len(asked)])
        given = dict(zip(self.wanted(tuple(asked)), outputs, strict=False))
        try:
            if self.scores in given:
                verdicts.scores = given[self.scores]
                if self._sureness is not None:
                    self._sureness.judge(verdicts.scores, verdicts)
            if self._embedding is not None and self._embedding.place in given:
                self._embedding.judge(given[self._embedding.place], verdicts)
        except Exception as error:
            self._failed(verdicts, error)
        return list(outputs[: len(asked)])

    @property
    def calibrated(self) -> int:
        """Rows behind the novelty p-values, 0 when there are none."""
        return self._decides.calibrated if self._decides is not None else 0

    def counted(self, inputs: Sequence[Array], scores: Array | None) -> Array | None:
        """How these rows fill all bins of what is watched for drift; None when nothing is."""
        if self.drift is None:
            return None
        try:
            columns = self._seen.columns(inputs)
        except UnseenShape:
            return None  # of another shape than all training rows: rejected, and no part of drift
        if scores is not None:
            columns |= answer_columns(scores, self._classes)
        return self.drift.count_all(columns)

    def by_column(self, counts: Array) -> list[list[int]]:
        """What was counted, column by column, as plain numbers."""
        return [] if self.drift is None else [c.tolist() for c in self.drift.by_column(counts)]


def _plain_table(signature: Signature, novelty: Novelty | None) -> bool:
    """Whether the one input is the guard's table as it is."""
    if novelty is None or not novelty.space.plain or len(signature.inputs) != 1:
        return False
    return len(signature.inputs[0].shape) == 2


def _contract(raw: bytes) -> Contract:
    return Contract.from_toml(raw.decode())


def load_guards(package: Package, read: Callable[[str], bytes]) -> Guarding | None:
    """The guards that the package has learnt, None when it has none.

    Raises ValueError or KeyError for a file that is no guard of ours.
    """
    found: dict[str, Callable[[bytes], Any]] = {
        CONTRACT: _contract,
        NOVELTY: Novelty.from_bytes,
        CONFIDENCE: Confidence.from_bytes,
        INTERVALS: Intervals.from_bytes,
        DRIFT: Drift.from_bytes,
        MISUSE: Misuse.from_bytes,
        SEEN: Seen.from_bytes,
        EMBEDDING: Novelty.from_bytes,
    }
    loaded = [make(read(n)) if n in package.files else None for n, make in found.items()]
    if not any(guard is not None for guard in loaded):
        return None
    return Guarding(package.signature, package.guards, *loaded)
