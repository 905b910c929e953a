"""A machine's cost in whole units: every part has its share, and nothing is left or made."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.usage.allotting import Paid, paid, parts, spread
from fairlead.usage.stores.machine import HourPrice, Stretch

HOUR = 3600 * 10**9
PRICE = HourPrice(72_300_000_000, "aws/c7g.large", "us-east-1", "list", "2026-07-20", "high", "v1")


@st.composite
def stretches(draw):
    began = draw(st.integers(0, 100 * HOUR))
    length, pico = draw(st.integers(0, 100 * HOUR)), draw(st.integers(1, 10**17))
    return Stretch(began, began + length, draw(st.integers(1, 64)), PRICE._replace(pico=pico))


def test_an_hour_costs_what_an_hour_costs():
    one = Stretch(0, HOUR, 2, PRICE)
    assert paid([one], 0, HOUR) == Paid(72_300_000_000, 2 * HOUR)
    assert paid([one], HOUR // 4, HOUR // 2) == Paid(18_075_000_000, HOUR // 2)
    assert paid([one], HOUR, 2 * HOUR) == Paid(0, 0)


@given(st.lists(stretches(), max_size=4), st.lists(st.integers(0, 200 * HOUR), max_size=8))
def test_times_side_by_side_cost_what_the_whole_of_them_costs(ran, cuts):
    edges = [0, *sorted(cuts), 200 * HOUR]
    pieces = [paid(ran, a, b) for a, b in pairwise(edges)]
    assert sum(piece.pico for piece in pieces) == paid(ran, 0, 200 * HOUR).pico
    exact = sum(one.price.pico * (one.until_ns - one.began_ns) // HOUR for one in ran)
    assert paid(ran, 0, 200 * HOUR).pico == exact


@given(stretches(), st.integers(0, 200 * HOUR), st.integers(0, 50 * HOUR))
def test_what_a_past_time_cost_stays_when_the_stretch_grows(one, end, more):
    end = min(end, one.until_ns)
    longer = one._replace(until_ns=one.until_ns + more)
    assert paid([one], 0, end) == paid([longer], 0, end)


@given(st.integers(0, 10**20), st.lists(st.integers(0, 10**15), min_size=1).filter(sum))
def test_parts_add_up_and_are_right_to_one_unit(amount, weights):
    found = spread(amount, weights)
    assert sum(found) == amount
    for part, weight in zip(found, weights, strict=True):
        assert abs(part * sum(weights) - amount * weight) < sum(weights)


@pytest.mark.parametrize("weights", [[], [0], [0, 0], [2, -1]])
def test_nothing_is_allotted_to_nobody(weights):
    with pytest.raises(ValueError, match="nobody"):
        spread(1, weights)


@given(st.integers(0, 10**18), st.integers(0, 10**15), st.integers(0, 10**16))
def test_busy_and_idle_add_up(pico, capacity, computed):
    busy, idle = parts(Paid(pico, capacity), computed)
    assert busy >= 0
    assert idle >= 0
    assert busy + idle == pico


def test_the_busy_share_is_the_time_of_all_workers_in_which_they_computed():
    assert parts(Paid(1000, 4 * HOUR), HOUR) == (250, 750)
    assert parts(Paid(1000, 4 * HOUR), 9 * HOUR) == (1000, 0)  # on more threads than workers
