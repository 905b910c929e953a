"""What becomes of each call by the verdicts on its rows: served, masked, or declined."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fairlead.core.call import Call
from fairlead.core.decision import ABSTAINED, OUTCOMES, REJECTED, SERVED, WARNED, Verdicts
from fairlead.core.errors import AnswerUnsure, FairleadError, InputNovel
from fairlead.core.package import GuardChoice
from fairlead.core.tensor import Array
from fairlead.serving.disclosing import reasons_for

CODES = {"reject": REJECTED, "abstain": ABSTAINED, "warn": WARNED, "shadow": SERVED}
"""What an action makes of a row."""


def concerns(calls: Sequence[Call], verdicts: Verdicts) -> bool:
    """Whether any row is not simply served, or may not be because its caller's key says so."""
    if verdicts.worst:
        return True
    return verdicts.novel is not None and any([call.caller.novelty for call in calls])


def _choose(calls: Sequence[Call], verdicts: Verdicts) -> None:
    """Rows that are unlike the training rows become what their caller's key says, where it does."""
    if verdicts.novel is None or not any([call.caller.novelty for call in calls]):
        return
    start = 0
    for call in calls:
        rows = slice(start, start + call.rows)
        start += call.rows
        if call.caller.novelty:
            usual = CODES.get(call.lease.package.guards.novelty, SERVED)
            chosen = CODES[call.caller.novelty]
            codes, novel = verdicts.codes[rows], verdicts.novel[rows]
            # What is severer than the model's own action has another reason, and stays.
            least = np.where(codes > usual, codes, SERVED)
            verdicts.codes[rows] = np.where(novel, np.maximum(least, chosen), codes)
    verdicts.worst = int(verdicts.codes.max(initial=0))


def judge(calls: Sequence[Call], verdicts: Verdicts) -> None:
    """Notes on each call the severest decision on its rows, by what its caller's key says."""
    _choose(calls, verdicts)
    start = 0
    for call in calls:
        stop = start + call.rows
        call.decision = int(verdicts.codes[start:stop].max(initial=0))
        start = stop


def decide(
    calls: Sequence[Call], outputs: list[Array], verdicts: Verdicts, spoken: bool
) -> list[Array]:
    """Gives each call the severest decision on its rows, and withholds what must not be served.

    spoken: the answer says the decision of each row. Where it does not, a call with a row that
    must not be served gets an error, or its rows are masked if the owner chose so.
    """
    judge(calls, verdicts)
    start = 0
    for call in calls:
        stop = start + call.rows
        if call.decision >= ABSTAINED:
            call.withheld = int((verdicts.codes[start:stop] >= ABSTAINED).sum())
            choice: GuardChoice = call.lease.package.guards
            if not spoken and (call.rows == 1 or choice.rows == "refuse"):
                call.error = _declined(call, verdicts, start)
        start = stop
    if verdicts.worst < ABSTAINED:
        return outputs
    withheld = verdicts.codes >= ABSTAINED
    sure = verdicts.confidences()
    if sure is not None:
        verdicts.confidence = np.where(withheld, 0.0, sure)
    return [_masked(array, withheld) for array in outputs]


def _declined(call: Call, verdicts: Verdicts, start: int) -> FairleadError:
    """The error for the first row of a call that must not be served."""
    row = next(r for r in range(call.rows) if verdicts.codes[start + r] == call.decision)
    reasons = reasons_for(call, verdicts)
    words = "; ".join(reasons.get(start + row, [])) or "the row is declined"
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
    known = verdicts.p_values() if name == "p_novel" else verdicts.confidences()
    if known is None:
        return np.zeros(count, np.float32)
    return np.nan_to_num(known.astype(np.float32))
