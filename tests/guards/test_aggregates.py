"""Ten rows stand behind every value that is kept, and what is kept still lies where it was."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fairlead.guards.aggregates import LEAST, aggregated, frequent, groups, smoothed

NUMBERS = st.lists(
    st.one_of(st.integers(0, 4).map(float), st.floats(-1e6, 1e6), st.just(float("nan"))),
    max_size=120,
)


@given(NUMBERS)
def test_every_value_is_shared_by_ten_rows_or_there_is_none(values):
    given_ = np.array(values)
    found = aggregated(given_)
    there = np.isfinite(given_)
    assert np.isnan(found[~there]).all()
    if there.sum() < LEAST:
        assert np.isnan(found).all()
        return
    _, counts = np.unique(found[there], return_counts=True)
    assert counts.min() >= LEAST


@given(NUMBERS)
def test_the_order_of_rows_stays(values):
    given_ = np.array(values)
    found = aggregated(given_)
    there = np.isfinite(found)
    order = np.argsort(given_[there], kind="stable")
    rare = [i for i in order if (given_ == given_[there][i]).sum() < LEAST]
    assert (np.diff(found[there][rare]) >= 0).all()


def test_a_value_that_ten_rows_share_is_kept():
    found = aggregated(np.array([0.0] * 30 + [1.0] * 10 + [7.5]))
    assert found.tolist() == [0.0] * 30 + [1.0] * 11


def test_an_extreme_value_shows_in_no_average():
    usual = np.random.default_rng(0).normal(size=200)
    for extreme in (50.0, 1e9):
        found = aggregated(np.append(usual, extreme))
        assert found.max() < 2.0
    assert aggregated(np.append(usual, 50.0)).tolist() == aggregated(np.append(usual, 1e9)).tolist()


def test_averages_are_near_what_they_stand_for():
    values = np.random.default_rng(0).uniform(size=5000)
    apart = np.abs(aggregated(values) - values)
    assert np.median(apart) < 0.002
    assert apart.max() < 0.02


def test_groups_have_ten_or_more_and_smoothed_values_rise():
    for count in (1, 9, 10, 19, 20, 57):
        held = np.bincount(groups(count))
        assert held.sum() == count
        assert held.min() >= min(LEAST, count)
    found = smoothed(np.random.default_rng(0).exponential(size=57))
    assert (np.diff(found) >= 0).all()
    assert len(np.unique(found)) == 5


def test_texts_of_fewer_than_ten_rows_are_not_known():
    texts = np.array(["a"] * 9 + ["b"] * 10 + ["c"] * 30 + [""] * 40, dtype=object)
    assert frequent(texts) == {"c": 30, "b": 10}
