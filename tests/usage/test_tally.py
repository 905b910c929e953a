"""What labelled rows add up to, and when they say that a model is worse than it was."""

from __future__ import annotations

import json
import math
import random

import pytest

from fairlead.usage.outcomes import Outcome
from fairlead.usage.tally import RECENT, Tally, truth_of

NAN = math.nan
CLASSES = {"kind": "classes", "classes": ["a", "b"], "evaluation": {"rows": 500, "accuracy": 0.9}}
NUMBERS = {"kind": "numbers", "radius": 1.0, "coverage": 0.9, "interval_rows": 300}


def outcome(predicted, decision=None, confidence=None) -> Outcome:
    count = len(predicted)
    return Outcome(predicted, confidence or [NAN] * count, decision or [0] * count)


def test_right_and_wrong_are_counted_by_decision():
    tally = Tally(CLASSES)
    tally.add(outcome([0.0, 1.0, 1.0, 0.0], decision=[0, 0, 1, 1]), [0.0, 0.0, 1.0, NAN])
    facts = tally.facts()
    assert (facts["labelled"], facts["correct"]) == (3, 2)
    assert facts["accuracy"] == pytest.approx(2 / 3)
    assert facts["interval"][0] < 2 / 3 < facts["interval"][1]
    serve, warn = facts["by_decision"]["serve"], facts["by_decision"]["warn"]
    assert (serve["labelled"], serve["accuracy"]) == (2, 0.5)
    assert (warn["labelled"], warn["accuracy"]) == (1, 1.0)


def test_a_label_of_a_row_that_was_not_served_counts_apart():
    tally = Tally(CLASSES)
    given = outcome([0.0, NAN, 0.0, 0.0], decision=[0, 0, 2, 3])
    assert tally.add(given, [0.0, 0.0, 0.0, 0.0]) == (1, 3)
    assert tally.facts()["labelled"] == 1


def test_without_a_label_there_is_no_accuracy_and_no_alarm():
    facts = Tally(CLASSES).facts()
    assert facts["labelled"] == 0
    assert "accuracy" not in facts
    assert facts["alarm"] is None


def test_the_newest_rows_are_shown_apart():
    tally = Tally(CLASSES)
    tally.add(outcome([0.0] * RECENT), [1.0] * RECENT)
    tally.add(outcome([0.0] * RECENT), [0.0] * RECENT)
    facts = tally.facts()
    assert facts["accuracy"] == 0.5
    assert facts["recent"]["labelled"] == RECENT
    assert facts["recent"]["accuracy"] == 1.0


def test_confidence_is_held_against_what_was_right():
    tally = Tally(CLASSES)
    rows = 1000
    truth = [0.0] * 700 + [1.0] * 300
    tally.add(outcome([0.0] * rows, confidence=[0.9] * rows), truth)
    tally.add(outcome([0.0]), [1.0])
    found = tally.facts()["confidence"]
    assert (found["labelled"], found["accuracy"]) == (rows, 0.7)
    assert found["mean"] == pytest.approx(0.9)
    low, high = found["gap_interval"]
    assert found["gap"] == pytest.approx(0.2)
    assert 0.0 < low < found["gap"] < high


def test_errors_of_numbers_have_a_mean_an_interval_and_a_share_within():
    tally = Tally(NUMBERS)
    tally.add(outcome([1.0, 2.0, 3.0, 4.0]), [1.5, 2.0, 5.0, 4.5])
    facts = tally.facts()
    assert facts["mean_absolute_error"] == pytest.approx(0.75)
    assert facts["interval"][0] < 0.75 < facts["interval"][1]
    assert (facts["inside"]["rows"], facts["inside"]["share"]) == (3, 0.75)
    assert "accuracy" not in facts
    assert facts["recent"]["mean_absolute_error"] == pytest.approx(0.75)


def test_a_model_that_has_become_worse_is_told_and_one_that_has_not_is_not():
    chance = random.Random(1)
    for rate, alarms in ((0.9, False), (0.87, False), (0.7, True)):
        tally = Tally(CLASSES)
        truth = [float(chance.random() >= rate) for _ in range(2000)]
        tally.add(outcome([0.0] * 2000), truth)
        assert (tally.facts()["alarm"] is not None) == alarms
    assert "below the 0.900 that 500 evaluation rows showed" in str(tally.facts()["alarm"])


def test_where_only_sure_answers_are_given_the_goal_is_what_is_promised():
    """They are right more often than the average evaluation row, and may hide behind it no more."""
    chance = random.Random(2)
    for rate, alarms in ((0.99, False), (0.93, True)):
        tally = Tally({**CLASSES, "promised": 0.98})
        truth = [float(chance.random() >= rate) for _ in range(2000)]
        tally.add(outcome([0.0] * 2000), truth)
        assert (tally.facts()["alarm"] is not None) == alarms
    assert "below the 0.980 that the error goal promises" in str(tally.facts()["alarm"])


def test_intervals_that_hold_the_truth_too_seldom_are_told():
    for error, alarms in ((0.5, False), (2.0, True)):
        tally = Tally(NUMBERS)
        tally.add(outcome([0.0] * 1000), [0.5] * 700 + [error] * 300)
        assert (tally.facts()["alarm"] is not None) == alarms


def test_sums_and_facts_are_plain_json():
    tally = Tally(CLASSES)
    tally.add(outcome([0.0, 1.0], confidence=[0.5, 0.75]), [0.0, 0.0])
    again = Tally(CLASSES, json.loads(json.dumps(tally.sums)), json.loads(json.dumps(tally.recent)))
    assert json.loads(json.dumps(again.facts(), allow_nan=False)) == tally.facts()


def test_a_class_that_this_version_does_not_know_is_no_label():
    assert truth_of(CLASSES, ["b", "a"]) == [1.0, 0.0]
    assert all(math.isnan(v) for v in truth_of(CLASSES, [None, "c", 1.0]))
    found = truth_of({"kind": "labels"}, [3, 4.0, None, "x"])
    assert found[:2] == [3.0, 4.0]
    assert all(math.isnan(v) for v in found[2:])
