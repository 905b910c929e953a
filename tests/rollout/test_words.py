"""A rollout in words: every sentence holds the figures that it is about."""

from __future__ import annotations

import json

from tests.rollout.test_questions import seen

from fairlead.rollout.bins import Bins
from fairlead.rollout.evidence import Evidence
from fairlead.rollout.questions import QUESTIONS
from fairlead.rollout.words import differs, figures_of, summary

STABLE, CANDIDATE = seen(990, failed=10), seen(950, failed=50, slower=2, answers=(0.3, 0.6, 0.1))


def test_failures_are_told_with_their_bounds():
    said = summary("errors", STABLE, CANDIDATE)
    assert said.startswith("errors: 5.00% of 1,000 calls (")
    assert "against 1.00% of 1,000 calls (" in said


def test_latency_is_told_at_the_ninety_ninth_percentile():
    assert summary("latency", STABLE, STABLE).endswith("at most 101 ms against 101 ms")


def test_the_decision_and_the_answer_that_moved_most_are_named():
    moved = seen(1000, decisions=(0.7, 0.1, 0.2, 0))
    assert summary("decisions", STABLE, moved) == "decisions: 70.00% are serve against 100.00%"
    assert "are class 1 against" in summary("predictions", STABLE, CANDIDATE)


def test_numbers_are_told_by_their_bin():
    bins = Bins(edges=(1.0, 2.0))

    def answered(*answers: float) -> Evidence:
        made = Evidence(bins)
        made.add([0.01] * len(answers), [0] * len(answers), answers)
        made.settle()
        return made

    spread = answered(0.0, 1.5, 5.0)
    for answer, name in (
        (0.0, "from -inf up to 1"),
        (1.5, "from 1 up to 2"),
        (5.0, "from 2 up to inf"),
        (float("nan"), "missing or unknown"),
    ):
        said = summary("predictions", spread, answered(*[answer] * 10))
        assert said.startswith(f"predictions: 100.00% are {name} against")


def test_how_sure_it_is_is_told_as_a_chance():
    assert differs("errors", STABLE, CANDIDATE, 3.0).endswith("in at most one of 20 rollouts")


def test_figures_are_plain_even_of_nothing():
    for question in QUESTIONS:
        for pair in ((STABLE, CANDIDATE), (Evidence(), Evidence())):
            told = figures_of(question, *pair)
            assert json.loads(json.dumps(told)) == told
    assert figures_of("errors", STABLE, CANDIDATE)["candidate"]["kinds"] == {"MODEL_ERROR": 50}
    assert summary("errors", Evidence(), Evidence()).startswith("errors: 0.00% of 0 calls")
