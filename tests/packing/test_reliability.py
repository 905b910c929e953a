"""Confidence, withheld answers and prediction sets are judged on rows that did not teach them."""

from __future__ import annotations

import numpy as np
import pytest
from tests.packing.judgements import classified, regressed

from fairlead.guards.confidence import learn_confidence
from fairlead.packing.judged import Classified
from fairlead.packing.reliability import reliability_of, risk_coverage_of, sets_of, spans_of


def bold(made: Classified) -> Classified:
    """The same answers with scores that claim far too much."""
    assert made.scores is not None
    raised = made.scores**4
    scores = raised / raised.sum(axis=1, keepdims=True)
    return Classified(made.classes, made.truth, made.given, scores)


def test_honest_scores_lie_on_the_line_and_bold_ones_do_not():
    made = classified(4000)
    assert reliability_of(made, None)["raw"]["ece"] < 0.03
    assert reliability_of(bold(made), None)["raw"]["ece"] > 0.1


def test_calibration_brings_bold_scores_back_on_rows_it_was_not_learnt_from():
    made = bold(classified(4000))
    found = reliability_of(made, learn_confidence(made.scores, made.truth))
    assert found["calibrated"]["ece"] < 0.03 < found["raw"]["ece"]
    assert found["calibrated"]["method"] == "temperature"


def test_the_bins_hold_every_row_once_and_their_interval_holds_the_share():
    bins = reliability_of(classified(500), None)["raw"]["bins"]
    assert sum(one["n"] for one in bins) == 500
    for one in bins:
        assert one["low"] <= one["confidence"] <= one["high"]
        assert one["from"] <= one["accuracy"] <= one["to"]


def test_without_scores_nothing_is_said():
    made = Classified(("a", "b"), np.zeros(50, np.int64), np.zeros(50, np.int64), None)
    assert reliability_of(made, None) == risk_coverage_of(made, None) == {}
    assert sets_of(made) == []


def test_the_surest_answers_are_wrong_least_often():
    found = risk_coverage_of(classified(4000), None)
    risks = dict(map(tuple, found["points"]))
    assert min(risks.values()) < 0.1 < risks[1.0]
    assert found["augrc"] < found["at_random"]


def test_scores_that_say_nothing_are_as_good_as_chance():
    truth = np.random.default_rng(0).integers(0, 2, 1000)
    flat = np.tile([0.6, 0.4], (1000, 1))
    made = Classified(("a", "b"), truth, np.zeros(1000, np.int64), flat)
    found = risk_coverage_of(made, None)
    assert found["augrc"] == pytest.approx(found["at_random"])
    assert len(found["points"]) == 1


def test_the_area_is_that_of_wrong_and_given_over_all_coverages():
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    made = Classified(("a", "b"), np.array([0, 0, 1, 0]), np.zeros(4, np.int64), scores)
    joint = np.array([0, 0, 0, 0.25, 0.25])
    assert risk_coverage_of(made, None)["augrc"] == pytest.approx(np.trapezoid(joint, dx=0.25))


def test_sets_hold_the_truth_as_often_as_they_promise():
    for one in sets_of(classified(4000)):
        assert one["low"] - 0.01 <= one["promised"] <= one["high"] + 0.01
        assert 0 < one["mean_size"] <= 3


def test_intervals_hold_the_truth_as_often_as_they_promise():
    found = spans_of(regressed(4000, 2.0))
    for one in found:
        assert one["low"] - 0.01 <= one["promised"] <= one["high"] + 0.01
    widths = [one["mean_width"] for one in found]
    assert widths == sorted(widths)
    assert widths[1] == pytest.approx(2 * 1.645 * 2, rel=0.1)


def test_too_few_rows_promise_nothing():
    assert sets_of(classified(29)) == []
    assert spans_of(regressed(29)) == []
