"""A sample of a stream: bounded, in order, each row with the same chance, the same every time."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from fairlead.packing.reservoir import Reservoir, sample


def kept(count: int, most: int) -> list[int]:
    reservoir: Reservoir[int] = Reservoir(most)
    for number in range(count):
        reservoir.add(number)
    assert reservoir.seen == count
    return reservoir.items()


@given(st.integers(0, 300), st.integers(1, 100))
def test_at_most_so_many_are_kept_in_order_and_all_of_them_if_they_fit(count, most):
    for found in (kept(count, most), sample(count, most).tolist()):
        assert len(found) == min(count, most)
        assert found == sorted(set(found))
        assert all(0 <= number < count for number in found)
    if count <= most:
        assert kept(count, most) == sample(count, most).tolist() == list(range(count))


def test_the_same_stream_gives_the_same_sample():
    assert kept(1000, 10) == kept(1000, 10)
    assert sample(1000, 10).tolist() == sample(1000, 10).tolist()


def test_no_part_of_the_stream_is_preferred():
    found = np.array(kept(200_000, 10_000)) // 20_000
    assert chisquare(np.bincount(found, minlength=10)).pvalue > 0.001
