"""How sure answers are is weighed for whoever asks; whether they may be given is known before."""

from __future__ import annotations

import numpy as np
import pytest
from tests.models import spec

from fairlead.core.decision import ABSTAINED, SERVED, WARNED, Verdicts
from fairlead.core.package import GuardChoice
from fairlead.core.signature import Signature
from fairlead.guards import learn_confidence
from fairlead.guards.confidence import Confidence
from fairlead.serving import guarding as guarding_module
from fairlead.serving import sureness
from fairlead.serving.guarding import Guarding

CLASSES = ("a", "b", "c")


@pytest.fixture(scope="module")
def scored():
    random = np.random.default_rng(0)
    scores = random.dirichlet([0.2] * 3, 3000)
    labels = np.array([random.choice(3, p=p) for p in scores])
    return scores.astype(np.float32), labels


def guarding(scored, **choice) -> Guarding:
    scores, labels = scored
    signature = Signature(
        (spec("x", "FP32", (-1, 1)),),
        (spec("scores", "FP32", (-1, 3), role="scores", classes=CLASSES),),
    )
    confidence = learn_confidence(scores[:1000], labels[:1000])
    return Guarding(signature, GuardChoice(**choice), None, None, confidence, None)


def decide(guards: Guarding, scores) -> Verdicts:
    verdicts = Verdicts(np.zeros(len(scores), np.uint8))
    guards.after(verdicts, (0,), [scores])
    return verdicts


def asked(guards: Guarding, monkeypatch) -> list[int]:
    """By execution the rows that are weighed from now on."""
    weigh, found = Confidence.weigh, []
    monkeypatch.setattr(
        Confidence, "weigh", lambda self, scores, *more: found.append(len(scores)) or
        weigh(self, scores, *more)
    )  # fmt: skip
    return found


def test_without_a_goal_nothing_is_weighed_until_somebody_asks(scored, monkeypatch):
    guards = guarding(scored)
    weighed = asked(guards, monkeypatch)
    verdicts = decide(guards, scored[0][:5])
    assert (weighed, verdicts.codes.tolist()) == ([], [SERVED] * 5)
    assert verdicts.confidences() is verdicts.confidences()
    assert [verdicts.likely(row) for row in range(5)]
    assert verdicts.part(1, 3).confidences().tolist() == verdicts.confidences()[1:3].tolist()
    assert weighed == [5], "once for all who ask"


def test_answers_that_are_surely_sure_enough_are_not_weighed(scored, monkeypatch):
    guards = guarding(scored, error_goal=0.1)
    weighed = asked(guards, monkeypatch)
    sure = np.float32([[0.9999, 0.0001, 0.0], [0.0, 0.00005, 0.99995]])
    assert decide(guards, sure).worst == SERVED
    assert weighed == []
    assert decide(guards, np.float32([[0.4, 0.3, 0.3]])).worst == ABSTAINED
    assert weighed == [1]


def test_decisions_are_those_of_weighing_each(scored):
    guards = guarding(scored, error_goal=0.1)
    surely, rows = guards._sureness._surely, scored[0][1000:]
    assert surely is not None
    for size in (1, 2, 7, 64):
        for start in range(0, 1000, size):
            part = rows[start : start + size]
            guards._sureness._surely = surely
            quick = decide(guards, part)
            guards._sureness._surely = None
            whole = decide(guards, part)
            assert quick.codes.tolist() == whole.codes.tolist()
            assert (quick.reasons, quick.less) == (whole.reasons, whole.less)
            assert quick.confidences().tolist() == whole.confidences().tolist()


def test_scores_that_are_no_number_are_never_surely_enough(scored):
    guards = guarding(scored, error_goal=0.1)
    verdicts = decide(guards, np.float32([[np.nan, 0.0, 1.0], [0.0, 0.0, 1.0]]))
    assert np.isnan(verdicts.confidences()[0])


@pytest.mark.parametrize(
    "scores",
    [np.float16([[1.0, 5e-5, 2e-5]]), np.float32([[1.0, 4e-4, 4e-4]])],
    ids=["half precision", "uneven"],
)
def test_scores_that_are_rounded_more_than_is_allowed_for_are_weighed(scored, monkeypatch, scores):
    guards = guarding(scored, error_goal=0.1)
    weighed = asked(guards, monkeypatch)
    decide(guards, scores)
    assert weighed == [1]


@pytest.mark.parametrize(("goal", "code"), [(None, SERVED), (0.1, WARNED)])
def test_a_guard_that_fails_is_told_to_nobody_who_asks_later(scored, monkeypatch, goal, code):
    guards = guarding(scored, error_goal=goal)
    logged = []
    for module in (guarding_module, sureness):
        monkeypatch.setattr(module, "log", lambda event, **_: logged.append(event))

    def fail(self, *_: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr(Confidence, "weigh", fail)
    verdicts = decide(guards, np.float32([[0.5, 0.3, 0.2], [0.2, 0.3, 0.5]]))
    assert verdicts.codes.tolist() == [code] * 2
    assert verdicts.confidences() is None
    assert verdicts.likely is None or verdicts.likely(0) is None
    assert verdicts.part(0, 1).confidences() is None
    assert logged == ["guard_failed"]
