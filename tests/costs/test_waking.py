"""What a call waits beyond its execution lies between what was measured before and after it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.costs.profile import QUANTILES, Way
from fairlead.costs.waking import Ways, steady


def way(pause_s: float, least_s: float, most_s: float) -> Way:
    steps = [i / (QUANTILES - 1) for i in range(QUANTILES)]
    return Way(pause_s, tuple(least_s + (most_s - least_s) * step for step in steps))


MEASURED = [way(0.0, 1e-4, 3e-4), way(0.001, 3e-4, 7e-4), way(0.1, 1e-3, 2e-3)]


def test_who_comes_to_a_server_that_is_awake_waits_as_after_the_least_pause():
    assert Ways(MEASURED).awake(0.5) == pytest.approx(2e-4)
    assert Ways(MEASURED, less_s=5e-5).awake(0.5) == pytest.approx(1.5e-4)
    assert Ways(MEASURED, less_s=1.0).awake(0.5) == 0
    assert Ways(MEASURED).waking(1e-5, 0.5) == 0


def test_the_longest_sleep_that_was_measured_stands_for_any_longer_one():
    assert Ways(MEASURED).waking(1.0, 0.5) == pytest.approx(1.5e-3 - 2e-4)
    assert Ways(MEASURED).waking(3600.0, 1.0) == pytest.approx(2e-3 - 3e-4)


def test_a_faster_machine_wakes_faster():
    assert Ways(MEASURED, 2.0).waking(1.0, 0.5) == pytest.approx((1.5e-3 - 2e-4) / 2)


@given(st.floats(0, 1), st.floats(0, 10), st.floats(0, 10))
def test_a_longer_sleep_never_ends_sooner(chance, one, other):
    ways = Ways(MEASURED)
    shorter, longer = sorted((one, other))
    assert 0 <= ways.waking(shorter, chance) <= ways.waking(longer, chance) <= 2e-3


@given(st.floats(0, 1), st.floats(0, 10))
def test_where_nothing_is_known_of_sleep_it_makes_no_difference(chance, slept):
    assert steady(3e-4).waking(slept, chance) == 0
    assert steady(3e-4).awake(chance) == pytest.approx(3e-4)
