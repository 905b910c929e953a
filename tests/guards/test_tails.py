"""Rarity: right inside, rising for ever, and one value at a time the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.guards.tails import Tail

numbers = st.lists(st.floats(0, 1e6), min_size=2, max_size=300)


@given(numbers, st.lists(st.floats(0, 1e9), min_size=1, max_size=20))
def test_rarity_never_falls_and_one_at_a_time_is_the_same(values, asked):
    tail = Tail.learn(np.array(values))
    ordered = np.sort(asked)
    found = tail.of(ordered)
    assert (np.diff(found) >= -1e-9).all()
    assert [tail.of_one(v) for v in ordered.tolist()] == found.tolist()


def test_rarity_is_minus_the_logarithm_of_the_share_that_reaches_it():
    values = np.random.default_rng(0).gamma(2.0, size=20_000)
    tail = Tail.learn(values)
    for share in (0.5, 0.1, 0.01, 0.001):
        assert tail.of_one(float(np.quantile(values, 1 - share))) == pytest.approx(
            -np.log(share), abs=0.1
        )


def test_beyond_the_last_value_rarity_goes_on():
    tail = Tail.learn(np.random.default_rng(0).exponential(size=5000))
    last = float(tail.knots[-1])
    assert tail.of_one(last + 10.0) - tail.of_one(last) == pytest.approx(10.0, rel=0.3)


@given(numbers, st.floats(-1.0, 30.0))
def test_the_most_of_a_rarity_is_no_rarer_and_all_beyond_it_are(values, rarity):
    tail = Tail.learn(np.array(values))
    most = tail.most(rarity)
    if most is None:
        assert tail.of_one(0.0) > rarity
        return
    near = 1e-6 * (1.0 + abs(most))
    assert tail.of_one(most - near) <= rarity + 1e-9
    assert tail.of_one(most + near) >= min(rarity, tail.of_one(most + near)) - 1e-9
    assert tail.of_one(most + near) > rarity - 1e-6 * (1.0 + abs(rarity))
