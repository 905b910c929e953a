"""A rollout under way in one worker: which version answers a call, and what is seen of both.

A canary answers a share of the calls that name no version. A shadow is asked beside the stable
version, with calls for which nobody waits: they cost their callers nothing and are in no journal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from fairlead.core.access import NOBODY, PRIORITIES
from fairlead.core.call import Call
from fairlead.core.clock import now
from fairlead.core.errors import (
    Code,
    DeadlineExceeded,
    Draining,
    FairleadError,
    InputQuarantined,
    Overloaded,
)
from fairlead.core.signature import Signature, TensorSpec
from fairlead.core.tensor import Array
from fairlead.guards.drift import PREDICTED
from fairlead.rollout.assign import Drawn, Kept
from fairlead.rollout.bins import Bins
from fairlead.rollout.evidence import Evidence, is_failure
from fairlead.rollout.pairs import Pairs
from fairlead.serving.answered import Answered
from fairlead.serving.deciding import judge
from fairlead.serving.log import log
from fairlead.serving.outcomes import source_of, word
from fairlead.serving.served import Served

_ASIDE = replace(NOBODY, rank=PRIORITIES.index("shadow"))
"""Who asks for calls beside others: whatever else waits goes first."""
_MOST_SHADOWS = 64
"""Calls beside others that may be under way; those beyond are not asked."""
_SHADOW_S = 10.0
_STARVED = (Overloaded, DeadlineExceeded, Draining)
"""Of a call beside others that was never executed: others went first, which is no fault of it."""


class Terms(NamedTuple):
    """What is on record of a rollout. rollout: its id."""

    rollout: str
    stable: int
    candidate: int


class _Beside(NamedTuple):
    """The call that was answered, and the answer on its first row; None where it is not counted."""

    asked: Call
    stable: float | None


class Trial:
    """One rollout. All of it is on the event loop.

    worker: this worker's own id, another one in each of its lives.
    source: position of the output whose answers are compared; None where they are not.
    """

    def __init__(self, rollout: str, stable: Served, candidate: Served, worker: str) -> None:
        self.rollout = rollout
        self.stable, self.candidate = stable, candidate
        rule = self.rule = candidate.package.rollout
        self._shadows = rule.mode == "shadow"
        self._drawn = Drawn(rollout, worker, rule.share)
        self._kept = Kept(rollout, rule.share) if rule.assignment == "caller" else None
        self.source = _common(stable.package.signature, candidate.package.signature)
        self._bins = None if self.source is None else bins_of(stable, self.source)
        self._seen = {each.key: self._nothing() for each in (stable, candidate)}
        self._pairs = Pairs(self._bins) if self._bins is not None and self._shadows else None
        self._under_way = 0
        self._batched = stable.package.signature.batched
        # What is told more than tensors would have to be told it too, and might remember.
        self._asks = self._shadows and not (stable.package.takes or candidate.package.takes)

    def _nothing(self) -> Evidence:
        return Evidence(self._bins, grouped=self._kept is not None)

    def _assigned(self, call: Call) -> bool:
        """Whether the candidate is to answer a call, or to be asked beside."""
        if self._kept is not None:
            return self._kept.candidate(call.caller.account)
        return self._drawn.candidate()

    # --- on the path ------------------------------------------------------------------------

    def of(self, call: Call) -> Served:
        """The version that answers a call which names none."""
        call.trial = self
        if self._shadows or not self._assigned(call):
            return self.stable
        return self.candidate

    def note(self, served: Served, calls: Sequence[Call], answers: Sequence[Answered]) -> None:
        """Takes in what one execution has made of its calls."""
        mine = [call for call in calls if call.trial is self]
        evidence = self._seen.get(served.key)
        if not mine or evidence is None:
            return
        predicted = self._predicted(answers) if self._bins is not None else {}
        self._count(evidence, mine, predicted)
        if self._asks and served is self.stable:
            for answer in answers:
                self._ask_beside(answer, predicted)

    def refused(self, call: Call, error: Exception) -> None:
        """Takes in that a call never reached the model of its version."""
        evidence = self._seen.get(call.lease.key)
        if evidence is not None and isinstance(error, FairleadError) and is_failure(error):
            evidence.fail(error.name, self._group(call))

    def _count(
        self, evidence: Evidence, calls: Sequence[Call], predicted: dict[int, float]
    ) -> None:
        moment = now()
        answered: list[Call] = []
        for call in calls:
            error = call.error
            if isinstance(error, InputQuarantined) or (error is not None and is_failure(error)):
                evidence.fail(error.name, self._group(call))
            elif error is None or error.code is Code.DECLINED:
                answered.append(call)
        evidence.add(
            self._seconds(answered, moment),
            [call.decision for call in answered],
            [predicted.get(id(call), np.nan) for call in answered],
            [self._group(call) for call in answered] if self._kept is not None else (),
        )

    def _seconds(self, calls: Sequence[Call], moment: float) -> list[float]:
        """How long each took. Beside others calls wait until nobody else does, so only what a
        version computes is told of them."""
        if self._shadows:
            return [call.compute_ns / 1e9 for call in calls]
        return [moment - call.received for call in calls]

    def _group(self, call: Call) -> int:
        return self._kept.group(call.caller.account) if self._kept is not None else 0

    def _predicted(self, answers: Sequence[Answered]) -> dict[int, float]:
        """The answer on the first row of each call."""
        found: dict[int, float] = {}
        for answer in answers:
            if answer.predicted is None or self.source is None:
                continue
            rows = [call.rows for call in answer.calls]
            starts = np.cumsum([0, *rows[:-1]])
            values = first_answers(
                self.stable.package.signature.outputs[self.source], answer.predicted, starts
            )
            found.update(zip(map(id, answer.calls), values, strict=True))
        return found

    # --- beside the path --------------------------------------------------------------------

    def _ask_beside(self, answer: Answered, predicted: dict[int, float]) -> None:
        """Asks the shadow what it makes of some of the calls that the stable version answered."""
        start = 0
        for call in answer.calls:
            stop = start + call.rows
            wanted = call.trial is self and call.error is None and self._assigned(call)
            if wanted and self._under_way < _MOST_SHADOWS:
                inputs = (
                    [one[start:stop] for one in answer.inputs] if self._batched else answer.inputs
                )
                self._submit(call, inputs, predicted.get(id(call)))
            start = stop

    def _submit(self, call: Call, inputs: list[Array], stable: float | None) -> None:
        moment = now()
        shadow = Call(call.route, moment, moment + _SHADOW_S, 0, True, _nothing_to_do)
        shadow.rows, shadow.caller = call.rows, _ASIDE
        shadow.inputs = call.inputs  # what is refused, and known again, if the process dies of it
        shadow.note, shadow.prepare = inputs, _joined  # so that it never runs on the loop
        shadow.lease, shadow.group = self.candidate, ("shadow", self.rollout)
        shadow.encoder = _Unsent(self.candidate, self.source)
        shadow.trial = self

        shadow.beside = _Beside(call, stable)
        self.candidate.leases += 1
        self._under_way += 1
        try:
            self.candidate.submit(shadow)
        except FairleadError:
            # Who is too busy is not asked; that is no fault of it.
            self.candidate.leases -= 1
            self._under_way -= 1

    def compare(self, shadows: Sequence[Call], answers: Sequence[Answered]) -> None:
        """Takes in what has become of calls beside others."""
        self._under_way -= len(shadows)
        for shadow in shadows:
            shadow.caller = shadow.beside.asked.caller  # whose group it is counted in
        mine = [one for one in answers if one.calls[0].beside and one.calls[0].trial is self]
        for answer in mine:
            if answer.verdicts is not None:
                judge(answer.calls, answer.verdicts)
        found = self._predicted(mine) if self._bins is not None else {}
        asked = [s for s in shadows if s.batch is not None or not isinstance(s.error, _STARVED)]
        self._count(self._seen[self.candidate.key], asked, found)
        for shadow in asked:
            stable = shadow.beside.stable
            if self._pairs is not None and stable is not None and id(shadow) in found:
                self._pairs.add([stable], [found[id(shadow)]])

    def end(self) -> None:
        """Nothing more is assigned by it."""
        self.stable.trial = self.candidate.trial = None

    # --- to the bookkeeper ------------------------------------------------------------------

    def drain(self) -> dict[str, Any]:
        """What was seen since this was asked last, as it travels."""
        told: dict[str, Any] = {"rollout": self.rollout, "model": self.stable.package.name}
        told["bins"] = self._bins.to_json() if self._bins is not None else None
        told["stable"] = self._seen[self.stable.key].drain().to_json()
        told["candidate"] = self._seen[self.candidate.key].drain().to_json()
        if self._pairs is not None and self._bins is not None:
            told["pairs"], self._pairs = self._pairs.to_json(), Pairs(self._bins)
        return told


class _Unsent:
    """The encoder of calls for which nobody waits."""

    decides = True

    def __init__(self, served: Served, source: int | None) -> None:
        outputs = served.package.signature.outputs
        self.outputs = (source,) if source is not None else tuple(range(len(outputs)))
        self.specs = [outputs[place] for place in self.outputs]
        self.most_rows = served.package.limits.max_rows

    def encode(self, calls: Sequence[Call], outputs: object, verdicts: object) -> None:
        """Nothing is sent."""


def _joined(calls: Sequence[Call], rows: int) -> list[Array]:
    """The inputs of calls beside others, which were prepared already."""
    if len(calls) == 1:
        return calls[0].note
    return [np.concatenate(parts) for parts in zip(*(call.note for call in calls), strict=True)]


def _nothing_to_do(call: Call) -> None:
    """Nobody waits for it."""


def _common(stable: Signature, candidate: Signature) -> int | None:
    """The output whose answers are compared; None where the two do not mean the same by it."""
    source = source_of(stable)
    if source is None or source != source_of(candidate):
        return None
    one, other = stable.outputs[source], candidate.outputs[source]
    return source if (one.role, one.classes) == (other.role, other.classes) else None


def bins_of(stable: Served, source: int) -> Bins | None:
    """How the answers are counted, the same in every worker: by class, or as the drift guard of the
    stable version counts numbers; None where that has not learnt any.
    """
    spec = stable.package.signature.outputs[source]
    if spec.role != "value":
        return Bins(classes=len(spec.classes)) if spec.classes else None
    drift = stable.guarding.drift if stable.guarding is not None else None
    for watched in drift.watched if drift is not None else ():
        if watched.name == PREDICTED and watched.edges is not None:
            kept = tuple(float(edge) for edge in watched.edges if np.isfinite(edge))
            return Bins(edges=kept) if kept else None
    return None


def first_answers(spec: TensorSpec, output: Array, starts: Any) -> list[float]:
    """What is counted of each call's first row: a class by its position, or a number."""
    rows = output[starts]
    if spec.role == "scores":
        return rows.argmax(axis=1).astype(float).tolist()
    flat = rows.reshape(-1)
    if not spec.classes:
        return flat.astype(float).tolist()
    places = {name: float(place) for place, name in enumerate(spec.classes)}
    return [places.get(word(value), float("nan")) for value in flat.tolist()]


Settle = Callable[[Served, Sequence[Call], Sequence[Answered]], None]


def settling(settle: Settle) -> Settle:
    """The same, but for calls for which nobody waits: they are compared, and not written down.

    What is settled together is of one group, so of one kind.
    """

    def settled(served: Served, calls: Sequence[Call], answers: Sequence[Answered]) -> None:
        if calls[0].beside is None:
            settle(served, calls, answers)
            return
        served.leases -= len(calls)
        for trial in {id(call.trial): call.trial for call in calls}.values():
            try:
                trial.compare([call for call in calls if call.trial is trial], answers)
            except Exception as error:
                log("rollout_failed", model=served.key, reason=f"not compared: {error!r}")

    return settled
