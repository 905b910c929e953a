"""Excess: nothing inside, and units that fit each column."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.guards.ranges import Ranges, learn_ranges


def learn(rows, least=1e-3, fixed=None):
    width = rows.shape[1]
    given_ = np.full(width, np.nan) if fixed is None else np.array(fixed)
    return learn_ranges(rows, np.full(width, least), given_)


@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(14, 200))
def test_training_rows_have_no_excess_and_one_row_is_as_among_others(seed, width, count):
    random = np.random.default_rng(seed)
    rows = random.standard_t(2, size=(count, width))
    ranges, _ = learn(rows)
    assert ranges.excess(rows).max() <= 1e-9
    asked = 3 * random.standard_t(2, size=(20, width))
    alone = [ranges.excess_of_one(row) for row in asked]
    assert ranges.excess(asked).tolist() == alone
    each = [ranges.each(row).max() for row in asked]
    assert each == pytest.approx(alone, rel=1e-6, abs=1e-9)


def test_a_unit_is_how_far_the_largest_values_lie_above_those_below_them():
    """For an exponential that is its mean, wherever one looks."""
    rows = np.random.default_rng(0).exponential(3.0, size=(50_000, 1))
    ranges, _ = learn(rows)
    assert ranges.over[0] == pytest.approx(3.0, rel=0.25)


def test_a_bound_that_many_rows_share_is_no_tail():
    rows = np.random.default_rng(0).integers(1, 6, size=(2000, 1)).astype(float)
    ranges, _ = learn(rows)
    assert ranges.excess_of_one(np.array([6.0])) > 100
    heavy, _ = learn(np.random.default_rng(0).pareto(1.5, size=(2000, 1)))
    assert heavy.excess_of_one(heavy.high + 1.0) < 1


def test_a_given_unit_is_kept():
    ranges, _ = learn(np.zeros((100, 2)), fixed=[0.5, np.nan])
    assert ranges.excess_of_one(np.array([1.0, 0.0])) == 2.0


def test_each_training_row_is_held_against_all_others():
    rows = np.arange(100.0)[:, None]
    rows[-1] = 120.0
    ranges, excess = learn(rows)
    assert np.flatnonzero(excess).tolist() == [0, 99]
    assert excess[99] == pytest.approx(22.0 / ranges.over[0])


def test_ranges_read_from_their_table_are_the_same():
    ranges, _ = learn(np.random.default_rng(0).normal(size=(100, 3)))
    again = Ranges.of(*ranges.table())
    rows = np.random.default_rng(1).normal(size=(50, 3)) * 5
    assert np.array_equal(again.excess(rows), ranges.excess(rows))
