"""A version that is asked beside another: with the same inputs, and judged by its answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.models import spec
from tests.serving.parts import DOUBLE, Model, call, serve
from tests.serving.test_quarantine import POISON, Mortal

from fairlead.core.call import Call
from fairlead.core.decision import ABSTAINED, SERVED, Verdicts
from fairlead.core.errors import (
    DeadlineExceeded,
    Draining,
    InputQuarantined,
    Internal,
    NotFinite,
    Overloaded,
)
from fairlead.core.package import RolloutChoice
from fairlead.core.signature import Signature
from fairlead.serving.execute import execute
from fairlead.serving.quarantine import let_in
from fairlead.serving.record import refuse
from fairlead.serving.trial import Trial, settling

CLASSES = ("a", "b")
SCORES = Signature(DOUBLE.inputs, (replace(DOUBLE.outputs[0], role="scores", classes=CLASSES),))
ONE = Signature((spec("x", "FP32", (2,)),), (spec("y", "FP32", (2,)),))


class Pair:
    """A rollout of a version that is asked beside another; what it was asked."""

    def __init__(self, candidate: Any, signature: Signature = DOUBLE, **other: Any) -> None:
        self.stable = serve(Model(np.nan_to_num), signature)
        self.beside = serve(candidate, other.pop("its", signature))
        rule = RolloutChoice(other.pop("mode", "shadow"), 1.0)
        self.beside.package = replace(self.beside.package, version=2, rollout=rule, **other)
        self.beside.key = "m/2"
        self.asked: list[Call] = []
        self.beside.submit = self.asked.append
        self.trial = Trial("r", self.stable, self.beside, "w")
        self.stable.trial = self.beside.trial = self.trial

    def answer(self, *rows: Any, **more: Any) -> Call:
        """One call of the stable version, answered; what was asked beside it, if anything."""
        one = call(self.stable, *rows, **more)
        assert self.trial.of(one) is self.stable
        self.trial.note(self.stable, [one], execute(self.stable, [one]))
        return self.asked[-1]

    def settle(self, calls: list[Call], answers: Any = ()) -> list[Call]:
        """What is written down of these calls."""
        written: list[Call] = []
        settling(lambda served, calls, answers: written.extend(calls))(self.beside, calls, answers)
        return written

    @property
    def seen(self) -> dict[str, Any]:
        return self.trial.drain()["candidate"]


def failed(seen: dict[str, Any]) -> int:
    return sum(seen["errors"].values())


def test_inputs_a_shadow_died_of_are_refused_to_its_callers_and_others_are_not():
    pair = Pair(Mortal())
    shadow = pair.answer([POISON, 2])
    assert execute(pair.beside, [shadow]) == []
    assert shadow.crashes == 2
    same, other = call(pair.beside, [POISON, 2]), call(pair.beside, [3, 4])
    assert let_in(pair.beside, [same, other]) == [other]
    assert isinstance(same.error, InputQuarantined)


def test_a_refusal_of_inputs_that_kill_counts_as_a_failure():
    pair = Pair(Mortal())
    for _ in range(3):
        shadow = pair.answer([POISON, 2])
        for let in let_in(pair.beside, [shadow]):
            execute(pair.beside, [let])
        pair.settle([shadow])
    assert failed(pair.seen) == 3


def test_a_shadow_that_takes_no_gaps_says_so_of_the_row_that_has_one():
    gappy = replace(spec("x", "FP32", (-1, 2)), missing=True)
    pair = Pair(Model(), Signature((gappy,), DOUBLE.outputs), its=DOUBLE)
    shadow = pair.answer([1, np.nan])
    assert execute(pair.beside, [shadow]) == []
    assert isinstance(shadow.error, NotFinite)


def test_what_is_given_up_is_told_to_its_caller_or_compared():
    pair = Pair(Model())
    shadow, asked = pair.answer([1, 2]), call(pair.beside, [3, 4])
    for one in (asked, shadow):
        one.error = Overloaded("too many")
    assert pair.beside.leases == 2
    assert pair.settle([asked]) == [asked]
    assert pair.beside.leases == 2, "the caller's is given back by who writes it down"
    assert pair.settle([shadow]) == []
    assert pair.beside.leases == 1
    for _ in range(100):
        pair.settle([pair.answer([1, 2])])
    assert len(pair.asked) == 101, "as one that was settled is under way no more"


@pytest.mark.parametrize("error", [Overloaded, DeadlineExceeded, Draining])
def test_a_shadow_that_never_had_its_turn_is_no_evidence(error):
    pair = Pair(Model())
    shadow = pair.answer([1, 2])
    shadow.error = error("others went first")
    pair.settle([shadow])
    assert pair.seen["calls"] == 0


def test_what_the_guards_of_a_shadow_decide_is_evidence():
    pair = Pair(Model())
    shadow = pair.answer([1, 2], [3, 4])
    [answer] = execute(pair.beside, [shadow])
    verdicts = Verdicts(np.array([SERVED, ABSTAINED]), ABSTAINED)
    pair.settle([shadow], [answer._replace(verdicts=verdicts)])
    assert shadow.decision == ABSTAINED


def test_a_call_that_its_version_never_reached_is_evidence_when_the_version_is_at_fault():
    pair = Pair(Model(), mode="canary")
    one = call(pair.beside, [1, 2])
    one.trial = pair.trial
    refuse(one, Internal("it cannot be read"))
    assert failed(pair.seen) == 1


def test_a_shadow_that_is_not_batched_is_asked_the_whole_input():
    pair = Pair(Model(), ONE)
    shadow = pair.answer(1.0, 2.0)
    [answer] = execute(pair.beside, [shadow])
    assert answer.outputs[0].tolist() == [2.0, 4.0]


def test_what_is_told_more_than_tensors_is_not_asked_beside():
    pair = Pair(Model(), environment={"about": {"takes": ["parameters"]}})
    with pytest.raises(IndexError):
        pair.answer([1, 2])


def test_answers_that_mean_other_things_are_not_compared():
    other = Signature(SCORES.inputs, (replace(SCORES.outputs[0], classes=("b", "a")),))
    assert Pair(Model(), SCORES).trial.source == 0
    assert Pair(Model(), SCORES, its=other).trial.source is None
    assert Pair(Model(), SCORES, its=DOUBLE).trial.source is None


def test_a_rollout_that_ends_during_an_execution_changes_nothing_of_it():
    two = Signature(DOUBLE.inputs, (spec("other", "FP32", (-1, 2)), SCORES.outputs[0]))
    pair = Pair(Model(lambda x: [x, x]), two)

    def ends(x: Any) -> Any:
        pair.stable.trial = None
        return [x, x]

    pair.stable.model = Model(ends)
    one = call(pair.stable, [1, 2])
    one.encoder.outputs, one.encoder.specs = (0,), two.outputs[:1]
    [answer] = execute(pair.stable, [one])
    assert one.error is None
    assert len(answer.outputs) == 1
