"""Intervals hold the truth as often as they say, and are the same for the same rows."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.packing.uncertainty import (
    around_mean,
    bootstrapped,
    drawn_tables,
    interval_of,
    plain,
    wilson,
    z_of,
)


def test_the_interval_of_a_share_is_wilsons():
    # Newcombe 1998, table I: 81 of 263.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


@given(st.integers(1, 500), st.data())
def test_a_share_lies_within_its_interval_which_lies_between_0_and_1(count, data):
    hits = data.draw(st.integers(0, count))
    low, high = wilson(hits, count)
    assert 0.0 <= low <= hits / count + 1e-12
    assert hits / count - 1e-12 <= high <= 1.0


def test_the_interval_of_a_share_holds_the_truth_in_95_of_100():
    hits = np.random.default_rng(1).binomial(80, 0.9, 2000)
    held = np.mean([low <= 0.9 <= high for low, high in (wilson(int(h), 80) for h in hits)])
    assert 0.93 <= held <= 0.97


def test_one_among_many_has_a_wider_interval():
    assert z_of() == pytest.approx(1.96, abs=1e-3)
    assert z_of(20) == pytest.approx(3.02, abs=1e-2)
    narrow, wide = wilson(70, 100), wilson(70, 100, 50)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_values_of_0_and_1_are_a_share_and_others_a_mean():
    shares = np.array([1.0, 0.0, 1.0, 1.0])
    assert interval_of(shares) == wilson(3, 4)
    values = np.array([1.0, 2.0, 4.0])
    assert interval_of(values) == around_mean(values)
    assert around_mean(np.array([3.0])) == (-np.inf, np.inf)


def test_resampled_intervals_hold_the_truth_and_never_change():
    random = np.random.default_rng(3)
    held = 0
    for _ in range(200):
        values = random.exponential(2.0, (150, 1))
        ((low, high),) = bootstrapped(values, lambda means: means)
        assert bootstrapped(values, lambda means: means) == [(low, high)]
        held += low <= 2.0 <= high
    assert 178 <= held <= 198


def test_tables_are_drawn_as_a_whole():
    table = np.array([[40.0, 10.0], [5.0, 45.0]])

    def accuracy(tables):
        return tables[:, [0, 1], [0, 1]].sum(axis=1)[:, None] / tables.sum(axis=(1, 2))[:, None]

    ((low, high),) = drawn_tables(table, accuracy)
    assert (low, high) == pytest.approx(wilson(85, 100), abs=0.03)
    assert drawn_tables(table, accuracy) == [(low, high)]


def test_a_plain_value_is_json_with_six_digits_and_no_nan():
    told = plain({"a": np.float32(1 / 3), "b": [np.nan, np.inf, np.int64(3)], "c": np.zeros(2)})
    assert told == {"a": 0.333333, "b": [None, None, 3], "c": [0.0, 0.0]}
    json.dumps(told, allow_nan=False)
    assert plain({1: (True, None, "x")}) == {"1": [True, None, "x"]}
