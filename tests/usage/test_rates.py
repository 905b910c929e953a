"""What hits prove about a rate: known values, and promises that hold when they are tried."""

from __future__ import annotations

import random
from math import exp, inf, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.usage.rates import against, is_below, lowest, mean_interval, wilson

COUNTS = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [(0, 10, 0.0, 0.277533), (10, 10, 0.722467, 1.0), (81, 263, 0.255296, 0.366190)],
)
def test_the_interval_is_wilsons(hits, count, low, high):
    """The last is the example of Newcombe, Statistics in Medicine 17 (1998), table I."""
    assert wilson(hits, count) == pytest.approx((low, high), abs=1e-4)


def test_of_nothing_nothing_is_known():
    assert wilson(0, 0) == (0.0, 1.0)
    assert mean_interval(3.0, 9.0, 1) == (-inf, inf)
    assert not is_below(0, 0, 0.9, 0.01)


def test_the_interval_of_a_mean_is_two_standard_errors_wide():
    values = [1.0, 2.0, 3.0, 4.0]
    low, high = mean_interval(sum(values), sum(v * v for v in values), 4)
    assert (low + high) / 2 == pytest.approx(2.5)
    assert (high - low) / 2 == pytest.approx(1.96 * (5 / 3 / 4) ** 0.5, rel=1e-3)


@given(COUNTS)
def test_the_lowest_rate_is_below_the_one_seen_and_just_possible(counted):
    hits, count = counted
    low = lowest(hits, count, 0.01)
    assert 0 <= low <= hits / count
    if hits:
        assert against(hits, count, low) == pytest.approx(log(100), abs=1e-3)


@given(st.integers(1, 60), st.floats(0.05, 0.95))
def test_the_evidence_against_the_true_rate_is_one_on_average(count, rate):
    """So its ever passing 1/a has a probability of a at most (Ville's inequality)."""
    from math import comb

    mean = sum(
        comb(count, k) * rate**k * (1 - rate) ** (count - k) * exp(against(k, count, rate))
        for k in range(count + 1)
    )
    assert mean == pytest.approx(1.0, rel=1e-6)


def test_looking_after_every_row_raises_no_more_false_alarms_than_promised():
    """300 models as good as promised, looked at 2,000 times each: 1 in 20 may alarm."""
    chance = random.Random(5)
    alarms = 0
    for _ in range(300):
        hits = 0
        for count in range(1, 2001):
            hits += chance.random() < 0.9
            if is_below(hits, count, 0.9, 0.05):
                alarms += 1
                break
    assert alarms <= 15 + 2 * 3.8


def test_a_rate_that_has_fallen_is_noticed():
    assert is_below(700, 1000, 0.8, 0.005)
    assert not is_below(790, 1000, 0.8, 0.005)
    assert not is_below(900, 1000, 0.8, 0.005)
