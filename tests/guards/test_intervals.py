"""Intervals hold the truth as often as they say."""

import numpy as np
import pytest

from fairlead.guards import Intervals, learn_intervals
from fairlead.guards.confidence import COVERAGES


@pytest.mark.parametrize("coverage", COVERAGES)
def test_intervals_hold_the_truth_as_often_as_they_say(coverage):
    held = []
    for seed in range(60):
        random = np.random.default_rng(seed)
        truths = random.normal(size=1500)
        values = truths + random.standard_t(3, size=1500)
        low, high = learn_intervals(values[:500], truths[:500]).around(values[500:], coverage)
        held.append(((low <= truths[500:]) & (truths[500:] <= high)).mean())
    assert np.mean(held) == pytest.approx(coverage, abs=0.01)


def test_answers_in_a_column_are_held_each_against_its_own_truth():
    truths = np.arange(100.0) * 1000
    guard = learn_intervals((truths + 1)[:, None], truths)
    assert (guard.rows, guard.radius(0.9)) == (100, 1.0)


def test_too_few_rows_for_a_coverage_give_no_end():
    guard = learn_intervals(np.arange(50.0), np.arange(50.0) + 1)
    assert guard.radius(0.9) == 1.0
    assert guard.radius(0.99) == np.inf


def test_a_guard_read_from_bytes_answers_the_same():
    guard = learn_intervals(np.arange(200.0), np.arange(200.0) ** 1.01)
    again = Intervals.from_bytes(guard.to_bytes())
    assert [again.radius(c) for c in COVERAGES] == [guard.radius(c) for c in COVERAGES]


def test_unknown_coverages_and_bad_rows_are_refused():
    guard = learn_intervals(np.arange(50.0), np.arange(50.0))
    with pytest.raises(ValueError, match="coverage must be one of"):
        guard.around([1.0], 0.5)
    with pytest.raises(ValueError, match="too few"):
        learn_intervals([1.0], [1.0])
    with pytest.raises(ValueError, match="finite"):
        learn_intervals(np.full(50, np.nan), np.zeros(50))
    with pytest.raises(ValueError, match="100 answers for 50 true values"):
        learn_intervals(np.zeros((50, 2)), np.zeros(50))
