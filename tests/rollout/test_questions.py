"""What is counted for each question, and which differences are bet on."""

from __future__ import annotations

import numpy as np
import pytest

from fairlead.core.package import RolloutChoice
from fairlead.rollout.bins import Bins, latency_edge
from fairlead.rollout.evidence import Evidence
from fairlead.rollout.questions import (
    LEAST_KNOWN,
    MOST_AT_ONCE,
    QUESTIONS,
    asked,
    gains,
    marked,
    percentile,
    tail,
    weights,
)

RULE = RolloutChoice("canary")
CLASSES = Bins(classes=3)


def seen(
    calls: int = 1000,
    failed: int = 0,
    slower: float = 1.0,
    decisions: tuple[float, ...] = (1, 0, 0, 0),
    answers: tuple[float, ...] = (0.5, 0.3, 0.2),
    bins: Bins | None = CLASSES,
) -> Evidence:
    """Evidence in which everything is as often as it says, and latencies are 1 to 100 ms."""
    made = Evidence(bins)
    places = np.arange(calls)
    made.add(
        (slower * (1 + places % 100) / 1000).tolist(),
        _spread(calls, decisions),
        _spread(calls, answers),
    )
    for _ in range(failed):
        made.fail("MODEL_ERROR")
    made.settle()
    return made


def _spread(calls: int, shares: tuple[float, ...]) -> list[int]:
    return np.searchsorted(np.cumsum(shares), (np.arange(calls) + 0.5) / calls).tolist()


def worth(
    question: str, candidate: Evidence, stable: Evidence, rule: RolloutChoice = RULE
) -> float:
    """The most that a bet of a question wins on a window."""
    return float(gains(question, rule, seen(2000, failed=20), stable, candidate).max())


@pytest.mark.parametrize(
    ("question", "worse"),
    [
        ("errors", seen(failed=40)),
        ("latency", seen(slower=1.5)),
        ("decisions", seen(decisions=(0.8, 0, 0.2, 0))),
        ("predictions", seen(answers=(0.3, 0.5, 0.2))),
    ],
)
def test_a_candidate_that_is_worse_in_one_way_wins_the_bets_of_that_question_alone(question, worse):
    won = {each: worth(each, worse, seen(failed=10)) for each in QUESTIONS}
    assert won.pop(question) > 3
    assert max(won.values()) < 0.5


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_candidate_that_is_the_same_loses_every_bet_it_can_lose(question):
    assert worth(question, seen(failed=10), seen(failed=10)) <= 0.0


@pytest.mark.parametrize("question", ["errors", "latency"])
def test_a_better_candidate_wins_nothing(question):
    assert worth(question, seen(slower=0.5), seen(failed=30)) <= 0.0


@pytest.mark.parametrize("question", ["decisions", "predictions"])
def test_a_shift_counts_either_way(question):
    one = seen(decisions=(0.5, 0.5, 0, 0), answers=(0.5, 0.4, 0.1))
    other = seen(decisions=(0.3, 0.7, 0, 0), answers=(0.3, 0.4, 0.3))
    for candidate, stable in ((one, other), (other, one)):
        assert float(gains(question, RULE, stable, stable, candidate).max()) > 3


def test_a_trifle_wins_nothing_however_many_calls_show_it():
    """+0.3 points where 2 are too much: sure with so many calls, and no reason to roll back."""
    many, known = 50_000, seen(2000, failed=20)
    stable, candidate = seen(many, failed=500), seen(many, failed=650)
    assert float(gains("errors", RULE, known, stable, candidate).max()) < 0


@pytest.mark.parametrize("question", QUESTIONS[1:])
def test_nothing_is_bet_before_the_stable_version_is_known(question):
    few, worse = seen(LEAST_KNOWN - 1), seen(slower=9, decisions=(0, 0, 0, 1), answers=(0, 0, 1))
    assert not gains(question, RULE, few, seen(), worse).any()
    assert gains(question, RULE, seen(LEAST_KNOWN), seen(), worse).any()


def test_failures_are_bet_on_from_the_first_call():
    """A candidate that always fails is seen at once."""
    found = gains("errors", RULE, Evidence(CLASSES), seen(45), seen(0, failed=5))
    assert float(found.max()) > 3


def test_on_more_calls_than_can_be_worked_out_nothing_is_bet():
    huge = seen(10)
    huge.calls = MOST_AT_ONCE
    assert not gains("errors", RULE, seen(), huge, seen(failed=500)).any()


@pytest.mark.parametrize("bins", [None, CLASSES, Bins(edges=(0.0, 1.0, 2.0))])
@pytest.mark.parametrize("question", QUESTIONS)
def test_every_bet_has_its_part_of_the_stake(question, bins):
    parts = weights(question, bins)
    if asked(question, RULE, bins):
        assert parts.sum() == pytest.approx(1.0)
        assert len(gains(question, RULE, seen(bins=bins), seen(bins=bins), seen(bins=bins))) == len(
            parts
        )


def test_a_question_whose_margin_is_everything_is_not_asked():
    rule = RolloutChoice("canary", decision_points=100, prediction_points=100)
    assert [each for each in QUESTIONS if asked(each, rule, CLASSES)] == ["errors", "latency"]
    assert not asked("predictions", RULE, None)


def test_numbers_are_marked_beyond_their_own_quantiles_and_missing_ones_apart():
    bins = Bins(edges=tuple(float(i) for i in range(1, 64)))
    made = Evidence(bins)
    made.add([0.01] * 66, [0] * 66, [i + 0.5 for i in range(64)] + [float("nan")] * 2)
    made.settle()
    found = marked("predictions", made)
    assert found.calls == 66
    assert len(found.marked) == 10
    assert found.marked[-1] == 2
    assert found.marked.tolist() == sorted(found.marked, reverse=True)


def test_the_tail_is_what_took_at_least_so_long():
    held = seen(1000).latencies
    assert tail(held)[0] == 1000
    assert tail(held)[-1] == 0
    assert latency_edge(percentile(held)) == pytest.approx(0.099, rel=0.05)
    assert percentile(np.zeros_like(held)) == 0
