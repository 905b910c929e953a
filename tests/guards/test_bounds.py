"""Exact binomial bounds, held against scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fairlead.guards.bounds import assured_rank, at_least, shows, upper_bound


@given(st.integers(1, 3000), st.data(), st.floats(0.0001, 0.9999))
def test_a_tail_is_the_binomials_own(count, data, chance):
    least = data.draw(st.integers(0, count + 1))
    expected = stats.binom.sf(least - 1, count, chance)
    assert at_least(count, least, chance) == pytest.approx(expected, rel=1e-6, abs=1e-9)


@given(st.integers(1, 2000), st.data(), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_upper_bound_is_clopper_and_pearsons(count, data, confidence):
    seen = data.draw(st.integers(0, count))
    expected = 1.0 if seen == count else stats.beta.ppf(confidence, seen + 1, count - seen)
    assert upper_bound(count, seen, confidence) == pytest.approx(expected, rel=1e-6, abs=1e-9)


@given(st.integers(1, 2000), st.data(), st.floats(0.0, 1.0), st.sampled_from([0.8, 0.95, 0.99]))
def test_a_goal_is_shown_exactly_where_the_upper_bound_keeps_it(count, data, goal, confidence):
    seen = data.draw(st.integers(0, count))
    bound = upper_bound(count, seen, confidence)
    if abs(bound - goal) > 1e-9:
        assert shows(count, seen, goal, confidence) == (bound <= goal)


@pytest.mark.parametrize(
    ("count", "one", "five"),
    [(300, 1, 9), (500, 2, 17), (1000, 5, 39), (2000, 13, 84), (5000, 39, 225)],
)
def test_the_assured_rank_holds_its_rate_and_the_next_would_not(count, one, five):
    assert (assured_rank(count, 0.01), assured_rank(count, 0.05)) == (one, five)
    for rank, rate in ((one, 0.01), (five, 0.05)):
        assert stats.beta.cdf(rate, rank, count + 1 - rank) >= 0.95
        assert stats.beta.cdf(rate, rank + 1, count - rank) < 0.95


def test_too_few_rows_assure_no_rank():
    assert assured_rank(100, 0.01) == 0
    assert np.log(0.05) / np.log(0.99) > 298  # 299 rows are the least for 1 %
    assert assured_rank(298, 0.01) == 0
    assert assured_rank(299, 0.01) == 1
