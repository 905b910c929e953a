"""Calls come as often and as bursty as was said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.costs.arrivals import dispersion_of, drawn, peak, share_on
from fairlead.costs.traffic import Flash, traffic_of


@pytest.mark.parametrize(("rate", "dispersion"), [(10, 4), (10, 70), (2, 13), (100, 1), (300, 20)])
def test_drawn_calls_have_the_rate_and_the_bursts_that_were_asked_for(rate, dispersion):
    times = drawn(rate, 86400.0, dispersion, np.random.default_rng(3))
    assert len(times) / 86400 == pytest.approx(rate, rel=0.05)
    assert dispersion_of(times) == pytest.approx(dispersion, rel=0.2)


@given(st.floats(0.001, 1e4), st.floats(1.0, 1e4))
def test_there_is_always_a_share_of_time_that_gives_the_bursts(rate, dispersion):
    assert 0 < share_on(rate, dispersion) <= 1


@given(st.floats(0.01, 50), st.floats(1, 100), st.integers(0, 1 << 32))
@settings(max_examples=30)
def test_calls_come_in_order_within_their_time_and_the_same_for_a_seed(rate, dispersion, seed):
    one, other = (drawn(rate, 600.0, dispersion, np.random.default_rng(seed)) for _ in range(2))
    assert (one == other).all()
    assert (np.diff(one) >= 0).all()
    assert not len(one) or 0 <= one[0] <= one[-1] <= 600


def test_a_crowd_comes_at_once_and_goes():
    random = np.random.default_rng(1)
    times = drawn(10.0, 900.0, 1.0, random, Flash(20.0, 60.0))
    counts = np.bincount((times / 60).astype(int))
    assert counts[5] > 10 * counts[4]
    assert counts[7] < 2 * counts[4]


def test_independent_calls_are_not_bursty_and_those_of_one_moment_are():
    assert dispersion_of(np.arange(1000) / 10) == pytest.approx(0, abs=1e-9)
    assert dispersion_of(np.repeat(np.arange(50) * 60.0, 40)) > 30


@pytest.mark.parametrize("times", [[], [5.0], [0.0, 1.0, 2.0]])
def test_too_few_calls_tell_nothing_of_bursts(times):
    assert dispersion_of(times) == 1


def test_a_worker_of_many_sees_its_part_of_the_calls_and_of_the_bursts():
    traffic = traffic_of("1000/s, bursty 101")
    times, seconds = peak(traffic, 0.01, np.random.default_rng(2), calls=20_000)
    assert len(times) / seconds == pytest.approx(10, rel=0.1)
    assert dispersion_of(times) == pytest.approx(2, rel=0.4)


def test_few_calls_are_drawn_where_many_would_come():
    times, _ = peak(traffic_of("1m/s, bursty"), 1.0, np.random.default_rng(2), calls=1000)
    assert len(times) < 5000
