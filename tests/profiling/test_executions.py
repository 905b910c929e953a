"""Callers in process are answered as a server answers them: joined, in turn, by so many threads."""

from __future__ import annotations

from threading import get_ident

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.costs.profile import Service
from fairlead.profiling import executions
from fairlead.profiling.executions import execute, quantiles_of


@pytest.fixture
def clock(monkeypatch):
    made = [0.0]
    monkeypatch.setattr(executions, "now", lambda: made[0])
    return made


def model(clock, once=1.0, row=0.5):
    """Takes `once` seconds and `row` for each row; remembers how many there were."""

    def ask(rows):
        sizes.append(rows)
        clock[0] += once + row * rows

    sizes: list[int] = []
    ask.sizes = sizes
    return ask


def test_one_thread_joins_all_who_wait_up_to_the_batch(clock):
    ask = model(clock)
    found = execute(ask, (4, 1, 6), 50)
    assert set(ask.sizes) == {4}, "who asks again waits behind the two who did before"
    assert found.rows == 4
    assert found.quantiles == pytest.approx((3.0,) * 101)
    assert found.rows_per_s == pytest.approx(4 / 3)
    assert (found.p50_s, found.p99_s) == (pytest.approx(3.0), pytest.approx(6.0))
    assert found.whole


def test_a_lone_caller_waits_for_its_own_execution_only(clock):
    found = execute(model(clock), (256, 1, 1), 50)
    assert (found.rows, found.p50_s, found.p99_s) == (1, 1.5, 1.5)
    assert found.rows_per_s == pytest.approx(1 / 1.5)


def test_a_hopeless_trial_ends_early(clock):
    ask = model(clock)
    found = execute(ask, (1, 1, 1), 100, bar=10.0)
    assert not found.whole
    assert len(ask.sizes) < 25
    assert execute(model(clock), (1, 1, 1), 100, bar=0.1).whole


def test_even_a_slow_model_is_asked_some_times(clock):
    ask = model(clock, once=1000.0)
    execute(ask, (1, 1, 1), 0.1)
    assert len(ask.sizes) == 1 + 3, "the first is not counted"


def test_the_processor_time_is_that_of_one_execution(clock):
    spent = iter((10.0, 22.0))
    ask = model(clock)
    found = execute(ask, (2, 1, 2), 10, spent=lambda: next(spent))
    assert found.cpu_s == pytest.approx(12 / (len(ask.sizes) - 1))


def test_several_threads_share_those_who_wait():
    asked, begun = set(), []

    def ask(rows):
        asked.add((get_ident(), rows))

    found = execute(ask, (8, 2, 16), 0.05, begin=lambda: begun.append(get_ident()))
    assert len(begun) == 2
    assert max(rows for _, rows in asked) == 8
    assert found.rows_per_s > 0
    assert len(found.quantiles) == 101


@pytest.mark.parametrize("threads", [1, 3])
def test_what_the_model_raises_ends_the_trial(threads):
    calls = []

    def ask(rows):
        calls.append(rows)
        if len(calls) > 5:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        execute(ask, (1, threads, 8), 10)


@given(st.lists(st.floats(1e-6, 10), min_size=1, max_size=2000))
def test_quantiles_grow_and_keep_to_what_was_measured(times):
    found = quantiles_of(times)
    assert len(found) == 101
    assert list(found) == sorted(found)
    assert min(times) == found[0]
    assert found[-1] <= max(times)


def test_one_stall_of_many_runs_does_not_move_the_mean():
    times = [1e-4] * 9_999 + [1.0]
    found = Service(1, 1, quantiles_of(times), 0.0)
    assert found.mean_s == pytest.approx(2e-4, rel=0.02)
    few = Service(1, 1, quantiles_of([1.0, 3.0]), 0.0)
    assert few.quantiles[-1] == 3.0
