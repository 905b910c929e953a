"""Latencies and answers fall into bins that are the same everywhere."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.rollout.bins import (
    LATENCY_BINS,
    MOST_CLASSES,
    Bins,
    bins_of_numbers,
    bins_within,
    latency_edge,
    latency_places,
)

NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)
EDGES = st.lists(NUMBERS, min_size=1, max_size=30, unique=True).map(sorted).map(tuple)
BINS = st.one_of(
    st.integers(1, 500).map(lambda n: Bins(classes=n)), EDGES.map(lambda e: Bins(edges=e))
)


@given(st.floats(2e-5, 500.0))
def test_a_latency_lies_in_its_bin_which_is_five_percent_wide(seconds):
    place = int(latency_places([seconds])[0])
    assert latency_edge(place) <= seconds * (1 + 1e-9)
    assert seconds <= latency_edge(place + 1) * (1 + 1e-9)
    assert latency_edge(place + 1) / latency_edge(place) == pytest.approx(1.05)


@pytest.mark.parametrize(
    ("seconds", "place"), [(0.0, 0), (-1.0, 0), (1e9, -1), (float("inf"), -1), (float("nan"), -1)]
)
def test_what_is_no_latency_is_in_an_outer_bin(seconds, place):
    assert int(latency_places([seconds])[0]) == place % LATENCY_BINS


@pytest.mark.parametrize("factor", [1.2, 1.5, 2.0, 10.0])
def test_a_factor_moves_a_latency_by_as_many_bins_as_are_within_it(factor):
    assert 1.05 ** bins_within(factor) <= factor < 1.05 ** (bins_within(factor) + 1)


@given(BINS, st.lists(st.floats(), max_size=50))
def test_every_answer_is_counted_once(bins, answers):
    counted = bins.count(answers)
    assert len(counted) == bins.size
    assert counted.sum() == len(answers)


@given(BINS)
def test_bins_are_the_same_after_a_journey(bins):
    assert Bins.from_json(json.loads(json.dumps(bins.to_json()))) == bins


@given(EDGES, NUMBERS)
def test_a_number_lies_between_the_edges_of_its_bin(edges, number):
    place = int(Bins(edges=edges).places([number])[0])
    low, high = (float("-inf"), *edges)[place], (*edges, float("inf"))[place]
    assert low <= number < high


def test_what_is_missing_or_no_class_is_in_the_last_bin():
    nan = float("nan")
    assert Bins(edges=(1.0, 2.0)).places([nan]).tolist() == [3]
    assert Bins(classes=3).places([-1, 3, nan, 2]).tolist() == [3, 3, 3, 2]


def test_of_many_classes_those_far_apart_are_one():
    bins = Bins(classes=1000)
    assert bins.size == MOST_CLASSES + 1
    assert bins.places([0, MOST_CLASSES, 999]).tolist() == [0, 0, 999 % MOST_CLASSES]


@pytest.mark.parametrize(
    "wrong",
    [
        {"classes": 0, "edges": []},
        {"classes": -1, "edges": []},
        {"classes": 2, "edges": [1.0]},
        {"classes": 0, "edges": [1.0, 1.0]},
        {"classes": 0, "edges": [2.0, 1.0]},
        {"classes": 0, "edges": [float("inf")]},
        {"classes": 0, "edges": [float(i) for i in range(600)]},
    ],
)
def test_bins_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match=r"no bins|classes or numbers"):
        Bins.from_json(wrong)


def test_bins_of_numbers_hold_about_equally_many_of_them():
    numbers = np.random.default_rng(0).standard_normal(10_000)
    bins = bins_of_numbers(numbers)
    assert bins is not None
    counted = bins.count(numbers)[:-1]
    assert counted.min() > 0.5 * counted.mean()
    assert counted.max() < 2 * counted.mean()


def test_a_constant_answer_has_bins_and_missing_ones_have_none():
    bins = bins_of_numbers([3.0] * 100)
    assert bins is not None
    assert len({*bins.places([2.9, 3.0, 3.1]).tolist()}) == 3
    assert bins_of_numbers([float("nan")] * 5) is None
    assert bins_of_numbers([]) is None
