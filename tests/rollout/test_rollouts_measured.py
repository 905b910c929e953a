"""The short form of `python -m benchmarks.reliability.rollouts`: verdicts are rarely wrong."""

from __future__ import annotations

import pytest
from benchmarks.reliability.rollouts import (
    Line,
    best,
    caught,
    false_alarms,
    interval,
    kept_callers,
)
from benchmarks.reliability.traffic import worse

from fairlead.rollout import verdict

WORSE = {world.name: world for world in worse()}


def test_candidates_that_are_no_different_are_rarely_rolled_back_and_peeking_is_caught():
    wrong, _, control = false_alarms(20, 0.5, 1)
    assert wrong.kept
    assert control.kept
    assert control.happened > wrong.happened


@pytest.mark.parametrize("name", [name for name in WORSE if "from 5.0%" not in name])
def test_candidates_that_are_worse_are_caught_within_five_thousand_requests(name):
    in_all, of_it = caught(WORSE[name], 4, 0.5, 1)
    assert (in_all.happened, of_it.happened) == (4, 4)
    assert in_all.kept
    assert of_it.kept


def test_at_a_tenth_of_the_traffic_it_takes_as_many_of_the_candidate():
    _, of_it = caught(WORSE["+2 points of errors, from 0.5%"], 3, 0.1, 1)
    assert of_it.kept


def test_no_test_finds_two_points_beside_five_in_five_thousand_requests_often_enough():
    """What is not promised cannot be had: 2,500 calls of each version tell too little."""
    hard = WORSE["+2 points of errors, from 5.0%"]
    assert best(hard, 2500) == pytest.approx(0.909, abs=0.001)
    assert best(hard, 5000) > 0.95


def test_callers_who_keep_their_version_are_not_taken_for_the_versions(monkeypatch):
    """The negative control counts their calls as if they were independent."""
    tempered = kept_callers(30, 10, 0.5, 1)
    monkeypatch.setattr(verdict, "design_effect", lambda *_: 1.0)
    counted_whole = kept_callers(30, 10, 0.5, 1)
    assert tempered.happened <= 1 < 3 <= counted_whole.happened


def test_a_broken_promise_is_said():
    line = Line("no difference", 0.5, 200, 30, "", False)
    assert line.text().endswith("BROKEN")
    assert interval(0, 200)[0] == pytest.approx(0.0, abs=1e-9)
    assert 0.05 < interval(20, 200)[0] < 0.1 < interval(20, 200)[1]
