"""The simulated worker does what our batcher does; test_queues.py has what is known exactly."""

from __future__ import annotations

import numpy as np
import pytest
from tests.costs.samples import profile, service

from fairlead.costs.arrivals import drawn
from fairlead.costs.profile import QUANTILES, Way
from fairlead.costs.simulation import Bounds, Outcome, Seconds, Worker, simulate, worker_of
from fairlead.costs.waking import steady

FOREVER = 1e9


def endless(seconds: Seconds, slots: int, **more) -> Worker:
    """A queue as books have it: nobody is refused, and the loop costs nothing."""
    bounds = {"queue_calls": 10**9, "queue_wait_s": FOREVER, "timeout_s": FOREVER} | more
    return Worker(seconds, 0.0, steady(0.0), inline=False, slots=slots, max_rows=1, **bounds)


def run(worker: Worker, per_s: float, calls: int = 150_000, seed: int = 1) -> Outcome:
    lasts = calls / per_s
    times = drawn(per_s, lasts, 1.0, np.random.default_rng(seed))
    return simulate(times, lasts, worker, np.random.default_rng(seed + 100))


def test_measured_times_wait_as_their_variance_says():
    """Pollaczek and Khinchine again: the wait of M/G/1 grows with the second moment."""
    measured = Seconds([service(1, 0.1, spread=0.9)])
    outcome = run(endless(measured, 1), 7.0)
    drawn_s = [measured.take(1, 1, chance) for chance in np.linspace(0, 1, 20_001)[:-1]]
    second = float(np.mean(np.square(drawn_s)))
    assert np.mean(outcome.took) - 0.1 == pytest.approx(7.0 * second / (2 * (1 - 0.7)), rel=0.05)


def test_calls_are_joined_where_others_wait_and_only_there():
    lone = run(worker_of(profile(), cores=1), 1.0, 2000)
    crowd = run(worker_of(profile(), cores=1), 50.0, 20_000)
    assert lone.joined < 1.1
    assert crowd.joined > 3
    assert crowd.refused_share == 0


def test_beyond_what_it_can_do_a_worker_refuses_and_answers_the_others_in_time():
    worker = worker_of(profile(), cores=1)
    most = 1 / worker.call_each_s
    outcome = run(worker, 3 * most, 30_000)
    answered = len(outcome.took) / outcome.seconds
    assert answered == pytest.approx(most, rel=0.1)
    assert outcome.quantile(0.99) < worker.queue_wait_s + 0.3


def test_a_cheap_model_is_bounded_by_the_loop():
    worker = worker_of(profile(1e-4, 1e-6))
    assert worker.inline
    outcome = run(worker, 2 / worker.call_each_s, 50_000)
    assert outcome.loop_s / outcome.seconds > 0.95
    work = len(outcome.took) * worker.call_each_s + outcome.refused * worker.call_s / 2
    assert work / outcome.seconds == pytest.approx(1, rel=0.15), "refusals cost the loop, too"


def test_calls_of_more_rows_than_are_joined_go_alone():
    worker = worker_of(profile(), rows=16)
    assert worker.most_calls == 1
    assert run(worker, 1.0, 500).joined == 1


def test_a_caller_who_cannot_wait_so_long_is_late_and_not_answered():
    worker = worker_of(profile(), bounds=Bounds(timeout_s=0.02))
    outcome = run(worker, 5.0, 500)
    assert outcome.took == []
    assert outcome.late > 0
    assert outcome.quantile(0.5) == float("inf")


def test_a_size_between_two_that_were_measured_takes_between_what_they_took():
    seconds = Seconds([service(1, 0.1), service(4, 0.4)])
    assert seconds.mean(2) == pytest.approx(0.2)
    assert seconds.mean(8) == pytest.approx(0.8)
    assert Seconds([service(1, 0.1), service(4, 0.4)], 2.0).mean(1) == pytest.approx(0.05)
    assert Seconds([service(1, 0.1)]).mean(3) == pytest.approx(0.3)


def test_more_at_once_take_what_was_measured_of_as_many():
    seconds = Seconds([service(1, 0.1, threads=1), service(1, 0.15, threads=2)])
    assert [seconds.mean(1, busy) for busy in (1, 2, 4)] == pytest.approx([0.1, 0.15, 0.15])


def test_who_comes_to_a_server_that_sleeps_waits_until_it_is_awake():
    ways = (Way(0.0, (3e-4,) * QUANTILES), Way(1.0, (0.02,) * QUANTILES))
    sleepy = worker_of(profile(ways=ways))
    late = run(sleepy, 0.5, 500).quantile(0.5) - run(worker_of(profile()), 0.5, 500).quantile(0.5)
    assert late == pytest.approx(0.02 - 3e-4, rel=0.05)
    busy = [run(worker, 30.0, 5000).quantile(0.5) for worker in (sleepy, worker_of(profile()))]
    assert busy[0] == pytest.approx(busy[1], rel=0.1), "a busy server does not sleep"


def test_a_lone_call_takes_what_a_lone_caller_was_measured_to_wait():
    worker = worker_of(profile(call_s=1e-4, turn_s=5e-5, path_s=3e-4))
    assert run(worker, 0.1, 200).quantile(0.5) == pytest.approx(0.05 + 3e-4, rel=0.02)
    assert worker.alone_s(0.5) == pytest.approx(0.05 + 3e-4)


def test_on_one_core_the_loop_takes_its_time_from_the_executions():
    def mean_s(call_s: float, cores: int) -> float:
        worker = worker_of(profile(0.01, 0.01, call_s=call_s, max_rows=1), cores=cores)
        return float(np.mean(run(worker, 40.0, 10_000).took))

    assert mean_s(0.0, 1) == mean_s(0.0, 2)
    # Who comes while others are executed holds them up by half of the loop's work for a call.
    assert mean_s(0.004, 1) > mean_s(0.004, 2) + 0.4 * 0.002
    one, two = (worker_of(profile(0.01, 0.01, call_s=0.004), cores=c).call_each_s for c in (1, 2))
    assert one == pytest.approx(two + 0.004)


def test_the_loop_s_work_for_an_execution_is_shared_by_those_who_are_joined():
    lean, fat = (worker_of(profile(1e-4, 1e-6, turn_s=t)) for t in (0.0, 1e-4))
    alone = [run(worker, 10.0, 1000).loop_s for worker in (lean, fat)]
    crowd = [run(worker, 20_000.0, 40_000).loop_s for worker in (lean, fat)]
    assert alone[1] > 1.6 * alone[0]
    assert crowd[1] == pytest.approx(crowd[0], rel=0.2)


def test_the_same_seed_gives_the_same_outcome():
    worker = worker_of(profile(), cores=2)
    assert run(worker, 20.0, 3000).took == run(worker, 20.0, 3000).took
    assert run(worker, 20.0, 3000, seed=2).took != run(worker, 20.0, 3000).took
