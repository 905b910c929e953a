"""A version's guards at work on the joined rows of one execution.

Contract and novelty look at the rows before the model, confidence at its scores after. A guard
never raises: what it cannot judge it says nothing about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fairlead.core.call import Call
from fairlead.core.decision import (
    ABSTAINED,
    OUTCOMES,
    REJECTED,
    SERVED,
    WARNED,
    Verdicts,
)
from fairlead.core.errors import AnswerUnsure, FairleadError, InputNovel
from fairlead.core.package import GuardChoice, Package
from fairlead.core.signature import Signature
from fairlead.core.tensor import Array
from fairlead.guards.confidence import Confidence
from fairlead.guards.contract import CLIP, REFUSE, Breach, Contract
from fairlead.guards.files import CONFIDENCE, CONTRACT, INTERVALS, NOVELTY
from fairlead.guards.intervals import Intervals
from fairlead.guards.novelty import Novelty
from fairlead.serving.log import log

_CODES = {"reject": REJECTED, "abstain": ABSTAINED, "warn": WARNED, "shadow": SERVED}
MOST_EXPLAINED = 16
"""Rows of one execution whose strangeness is explained: each costs as much as judging hundreds."""

UNEXPLAINED = "the row is unlike the training rows"
COVERAGE = 0.9
"""Of the prediction set and the interval that an answer carries."""


class Guarding:
    """The guards of one loaded version.

    scores: position of the output whose scores confidence needs, None without confidence.
    radius: half the width of the interval around a regression's answer, None without one.
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
    ) -> None:
        self._signature = signature
        self.choice = choice
        self._contract = contract if contract is not None and contract.bites else None
        self._clips = contract is not None and any(r.otherwise == CLIP for r in contract.rules)
        self._novelty = novelty if choice.novelty != "off" else None
        self._confidence = confidence
        self._plain = _plain_table(signature, self._novelty)
        self._limit, self._code = np.inf, SERVED
        if self._novelty is not None:
            self._novelty.false_alarm_rate = choice.false_alarm_rate
            self._limit = self._novelty.threshold(assured=choice.assured)
            self._code = _CODES[choice.novelty]
            if not np.isfinite(self._limit):
                # Too few rows for the owner's rate: nothing is refused that it would not cover.
                self._novelty.false_alarm_rate = self._novelty.smallest_rate
                self._limit = self._novelty.threshold()
                self._code = min(self._code, WARNED)
        if confidence is not None:
            confidence.aim(choice.error_goal, choice.assurance)
        self.scores = _scores_of(signature) if confidence is not None else None
        self._classes = signature.outputs[self.scores].classes if self.scores is not None else ()
        radius = intervals.radius(COVERAGE) if intervals is not None else np.inf
        self.radius = radius if np.isfinite(radius) else None
        self.about = self._described(contract, intervals)

    def _described(self, contract: Contract | None, intervals: Intervals | None) -> dict[str, Any]:
        about: dict[str, Any] = {}
        if contract is not None:
            about["contract"] = {"columns": len(contract.rules), "rows": contract.rows}
        if self._novelty is not None:
            about["novelty"] = {
                "unlike_rows": self.choice.novelty,
                "false_alarm_rate": self.choice.false_alarm_rate,
                "smallest_rate": round(self._novelty.smallest_rate, 6),
                "assured": self.choice.assured,
            }
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

    def breaches(self, inputs: list[Array]) -> list[Breach]:
        """What breaks the contract, by row. Clipped values are changed in `inputs`."""
        if self._contract is None:
            return []
        if self._clips:
            inputs[:] = [array.copy() for array in inputs]
        return self._contract.check(self._columns(inputs))

    def before(self, inputs: Sequence[Array], rows: int, breaches: Sequence[Breach]) -> Verdicts:
        """The verdicts on rows that the model is about to see."""
        verdicts = Verdicts(np.zeros(rows, np.uint8))
        for breach in breaches:
            if breach.action != REFUSE:
                verdicts.set(breach.row, WARNED, [breach.words])
        if self._novelty is not None:
            try:
                self._judge(self._novelty, inputs, verdicts)
            except Exception as error:
                self._failed(verdicts, error)
        return verdicts

    def _failed(self, verdicts: Verdicts, error: Exception) -> None:
        """A guard that fails is our fault, not the caller's: rows are served, and it is said."""
        log("guard_failed", error=repr(error))
        for row in range(len(verdicts.codes)):
            verdicts.set(row, WARNED, ["a guard failed on this row"])

    def _judge(self, novelty: Novelty, inputs: Sequence[Array], verdicts: Verdicts) -> None:
        if self._plain:
            placed = novelty.space.place_numbers(inputs[0])
        else:
            placed = novelty.space.place(self._columns(inputs))
        scores = novelty.scores_of(placed)
        verdicts.p_novel = novelty.p_of(scores)
        verdicts.novel = scores > self._limit
        rows: list[int] = np.flatnonzero(verdicts.novel).tolist()
        if not rows:
            return
        first = rows[:MOST_EXPLAINED]
        columns = {name: values[first] for name, values in self._columns(inputs).items()}
        explained = novelty.explain(columns, limits=self.choice.disclosure == "full")
        for row, words in zip(first, explained, strict=True):
            verdicts.set(row, self._code, words)
        for row in rows[MOST_EXPLAINED:]:
            verdicts.set(row, self._code, [UNEXPLAINED])

    def after(
        self, verdicts: Verdicts, asked: Sequence[int], outputs: Sequence[Array]
    ) -> list[Array]:
        """Adds what the model's scores say, and gives the outputs that were asked for."""
        if self.scores is not None and len(outputs) >= len(asked):
            place = asked.index(self.scores) if self.scores in asked else len(asked)
            try:
                self._weigh(outputs[place], verdicts)
            except Exception as error:
                self._failed(verdicts, error)
        return list(outputs[: len(asked)])

    def _weigh(self, scores: Array, verdicts: Verdicts) -> None:
        guard = self._confidence
        rows = len(verdicts.codes)
        if guard is None or scores.ndim != 2 or len(scores) != rows or scores.dtype.kind != "f":
            return
        sure = verdicts.confidence = guard.calibrate(scores, trusted=True).max(axis=1)
        inside = guard.sets(scores, COVERAGE, trusted=True)
        verdicts.likely = lambda row: [self._classes[i] for i in np.flatnonzero(inside[row])]
        if guard.threshold is None:
            return
        code = _CODES[self.choice.unsure]
        for row in np.flatnonzero(sure < guard.threshold).tolist():
            words = f"confidence {sure[row]:.3f} is below {guard.threshold:.3f}"
            goal = f"which keeps the goal of at most {guard.error_goal:.1%} errors"
            verdicts.set(row, code, [f"{words}, {goal}"])

    def _columns(self, inputs: Sequence[Array]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for column in self._signature.columns:
            array = inputs[column.input]
            found[column.name] = (
                array[:, column.position]
                if column.position is not None
                else array.reshape(len(array))
            )
        return found


def _plain_table(signature: Signature, novelty: Novelty | None) -> bool:
    """Whether the one input is the guard's table as it is."""
    return novelty is not None and novelty.space.plain and len(signature.inputs) == 1


def _scores_of(signature: Signature) -> int | None:
    return next((i for i, s in enumerate(signature.outputs) if s.role == "scores"), None)


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
    }
    loaded = [make(read(n)) if n in package.files else None for n, make in found.items()]
    if not any(guard is not None for guard in loaded):
        return None
    return Guarding(package.signature, package.guards, *loaded)


def decide(
    calls: Sequence[Call], outputs: list[Array], verdicts: Verdicts, spoken: bool
) -> list[Array]:
    """Gives each call the severest decision on its rows, and withholds what must not be served.

    spoken: the answer says the decision of each row. Where it does not, a call with a row that
    must not be served gets an error, or its rows are masked if the owner chose so.
    """
    start = 0
    for call in calls:
        stop = start + call.rows
        call.decision = int(verdicts.codes[start:stop].max(initial=0))
        if call.decision >= ABSTAINED and not spoken:
            choice: GuardChoice = call.lease.package.guards
            if call.rows == 1 or choice.rows == "refuse":
                call.error = _declined(call, verdicts, start)
        start = stop
    if verdicts.worst < ABSTAINED:
        return outputs
    withheld = verdicts.codes >= ABSTAINED
    if verdicts.confidence is not None:
        verdicts.confidence = np.where(withheld, 0.0, verdicts.confidence)
    return [_masked(array, withheld) for array in outputs]


def _declined(call: Call, verdicts: Verdicts, start: int) -> FairleadError:
    """The error for the first row of a call that must not be served."""
    row = next(r for r in range(call.rows) if verdicts.codes[start + r] == call.decision)
    words = "; ".join(verdicts.reasons.get(start + row, [])) or "the row is declined"
    novel = verdicts.novel is not None and verdicts.novel[start + row]
    kind = InputNovel if novel else AnswerUnsure
    return kind(words, where=f"row {row}", row=row)


def _masked(array: Array, rows: Array) -> Array:
    """The outputs with nothing in these rows: 0, false or no text."""
    masked = array.copy()
    masked[rows] = "" if array.dtype.kind in "OUST" else 0
    return masked


def said(name: str, verdicts: Verdicts) -> Array:
    """`decision` (text), `p_novel` or `confidence` of every row, 0 where it is not known."""
    count = len(verdicts.codes)
    if name == "decision":
        words: Array = np.empty(count, dtype=object)
        words[:] = [OUTCOMES[int(code)] for code in verdicts.codes]
        return words
    known = verdicts.p_novel if name == "p_novel" else verdicts.confidence
    return np.zeros(count, np.float32) if known is None else known.astype(np.float32)
