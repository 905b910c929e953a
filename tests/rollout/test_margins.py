"""Promotion needs bounds that leave no room for what would be too much."""

from __future__ import annotations

from math import inf

import pytest
from tests.rollout.test_questions import RULE, seen

from fairlead.core.package import RolloutChoice
from fairlead.rollout.margins import slower_at_most, within
from fairlead.rollout.questions import QUESTIONS


@pytest.mark.parametrize("question", QUESTIONS)
def test_many_calls_without_a_difference_show_it_and_few_do_not(question):
    assert within(question, RULE, seen(20_000, failed=100), seen(20_000, failed=100), 0.05)
    assert not within(question, RULE, seen(20, failed=1), seen(20, failed=1), 0.05)


@pytest.mark.parametrize(
    ("question", "candidate"),
    [
        ("errors", seen(20_000, failed=520)),
        ("latency", seen(20_000, slower=1.5)),
        ("decisions", seen(20_000, decisions=(0.9, 0.1, 0, 0))),
        ("decisions", seen(20_000, decisions=(0.9, 0, 0, 0.1))),
        ("predictions", seen(20_000, answers=(0.4, 0.4, 0.2))),
    ],
)
def test_a_candidate_at_its_margin_is_not_shown_to_be_within(question, candidate):
    assert not within(question, RULE, seen(20_000, failed=100), candidate, 0.05)


def test_a_service_that_never_fails_can_be_promoted():
    assert within("errors", RULE, seen(1000), seen(1000), 0.05)


def test_a_wider_margin_is_shown_sooner():
    wide = RolloutChoice("canary", error_points=20, latency_factor=5)
    for question in ("errors", "latency"):
        assert within(question, wide, seen(1500), seen(1500), 0.05)
    assert not within("errors", RULE, seen(150), seen(150), 0.05)


def test_how_much_slower_it_may_be_encloses_how_much_it_is():
    stable = seen(20_000).latencies
    assert slower_at_most(seen(20_000).latencies, stable, 0.05) < 1.3
    assert 1.9 < slower_at_most(seen(20_000, slower=2).latencies, stable, 0.05) < 2.6
    assert slower_at_most(seen(50).latencies, stable, 0.05) == inf
    assert slower_at_most(seen(0).latencies, seen(0).latencies, 0.05) == inf
    assert slower_at_most(seen(20_000, slower=1e6).latencies, stable, 0.05) == inf
