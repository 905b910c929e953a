"""Machines come when they are needed, go when they are not, and are paid for meanwhile."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.costs.samples import profile

from fairlead.costs.arrivals import drawn
from fairlead.costs.fleet import Autoscale, machines, simulate_fleet
from fairlead.costs.simulation import Bounds, worker_of


def scale(least: int = 1, **more: float) -> Autoscale:
    return Autoscale(**({"least": least, "most": 50, "target": 10.0, "start_s": 20.0} | more))


def random() -> np.random.Generator:
    return np.random.default_rng(4)


def test_a_fleet_without_calls_is_as_small_as_may_be():
    assert machines(np.empty(0), 3600.0, scale(0)) == []
    (one,) = machines(np.empty(0), 3600.0, scale(1))
    assert (one.ordered, one.ready, one.ends) == (0, 0, 3600)


def test_a_machine_is_ordered_once_calls_need_it_and_answers_once_it_has_started():
    times = np.concatenate([drawn(5.0, 600.0, 1, random()), 600 + drawn(35.0, 600.0, 1, random())])
    fleet = machines(times, 1200.0, scale(1))
    assert len(fleet) in (4, 5)
    assert all(one.ordered > 600 and one.ready == one.ordered + 20 for one in fleet[1:])


def test_a_machine_goes_once_fewer_have_been_enough_for_long():
    times = np.concatenate([drawn(35.0, 300.0, 1, random()), [3000.0]])
    ends = sorted(one.ends for one in machines(times, 3600.0, scale(1)))
    assert ends[-1] == 3600
    assert all(300 + 300 <= end < 800 for end in ends[:-1])


def test_the_first_call_after_a_silence_waits_for_a_machine():
    run = simulate_fleet(
        np.array([1000.0, 1001.0]), 2000.0, worker_of(profile()), scale(0), random()
    )
    first, second = sorted(run.outcome.took, reverse=True)
    assert 20 < first < 20.2
    assert 19 < second < 19.2
    assert run.cold == 2
    assert run.cold_share == 1


def test_who_cannot_wait_for_a_machine_is_late():
    worker = worker_of(profile(), bounds=Bounds(timeout_s=5.0))
    run = simulate_fleet(np.array([1000.0]), 2000.0, worker, scale(0), random())
    assert (run.outcome.late, run.outcome.took) == (1, [])


@given(st.integers(0, 3), st.floats(0.01, 60), st.floats(1, 30), st.integers(0, 1000))
@example(0, 0.01171875, 9.0, 0)  # nobody calls
@settings(max_examples=25, deadline=None)
def test_every_call_comes_to_something_and_nobody_pays_for_less_than_the_fleet_that_must_be(
    least, rate, dispersion, seed
):
    times = drawn(rate, 900.0, dispersion, np.random.default_rng(seed))
    run = simulate_fleet(times, 900.0, worker_of(profile(0.001, 0.0001)), scale(least), random())
    assert run.outcome.calls == len(times)
    assert run.paid_s >= least * 900.0 - 1e-6
    assert run.most <= 50


def test_paying_from_the_order_on_is_at_least_the_busy_time():
    times = drawn(40.0, 1800.0, 1.0, random())
    run = simulate_fleet(times, 1800.0, worker_of(profile(0.02)), scale(0), random(), workers=2)
    assert run.paid_s > run.outcome.busy_s / 2
    assert run.outcome.quantile(0.5) < 1
    assert run.most == pytest.approx(5, abs=1)
