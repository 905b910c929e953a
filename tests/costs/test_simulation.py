"""The simulated worker agrees with what is known exactly, and does what our batcher does."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from tests.costs.queues import erlang_c, mean_wait, wait_quantile
from tests.costs.samples import profile, service

from fairlead.costs.arrivals import drawn
from fairlead.costs.simulation import Outcome, Seconds, Worker, simulate, worker_of

FOREVER = 1e9


class Exactly(Seconds):
    """Execution times of a known distribution."""

    def __init__(self, mean_s: float, *, exponential: bool) -> None:
        self.mean_s, self.exponential = mean_s, exponential

    def take(self, rows, busy, chance):
        return -log(1 - chance) * self.mean_s if self.exponential else self.mean_s

    def mean(self, rows, busy=1):
        return self.mean_s


def endless(seconds: Seconds, slots: int, **more) -> Worker:
    """A queue as books have it: nobody is refused, and the loop costs nothing."""
    bounds = {"queue_calls": 10**9, "queue_wait_s": FOREVER, "timeout_s": FOREVER} | more
    return Worker(seconds, 0.0, 0.0, inline=False, slots=slots, max_rows=1, **bounds)


def run(worker: Worker, per_s: float, calls: int = 150_000, seed: int = 1) -> Outcome:
    lasts = calls / per_s
    times = drawn(per_s, lasts, 1.0, np.random.default_rng(seed))
    return simulate(times, lasts, worker, np.random.default_rng(seed + 100))


@pytest.mark.parametrize(("slots", "load"), [(1, 0.5), (1, 0.7), (2, 0.7), (4, 0.8), (8, 0.8)])
def test_waits_of_exponential_executions_are_those_of_erlang_c(slots, load):
    outcome = run(endless(Exactly(0.1, exponential=True), slots), slots * load / 0.1)
    waits = np.mean(outcome.took) - 0.1
    assert waits == pytest.approx(mean_wait(slots, load, 0.1), rel=0.05)
    waiting = sum(took > 0.1 for took in outcome.took)
    assert waiting
    assert outcome.busy_s / outcome.seconds / slots == pytest.approx(load, rel=0.02)


def test_99_of_100_waits_are_as_short_as_erlang_c_says():
    slots, load = 4, 0.8

    class Unit(Exactly):
        def take(self, rows, busy, chance):
            self.last = super().take(rows, busy, chance)
            return self.last

    outcome = run(endless(Unit(0.1, exponential=True), slots), slots * load / 0.1, 300_000)
    # The wait alone: what a call takes less a service that is independent of it, in the mean.
    exact = wait_quantile(slots, load, 0.1, 0.99)
    assert erlang_c(slots, slots * load) > 0.01
    assert outcome.quantile(0.99) == pytest.approx(_sojourn(slots, load, 0.1, 0.99), rel=0.05)
    assert exact < outcome.quantile(0.99)


def _sojourn(slots: int, load: float, mean_s: float, part: float) -> float:
    """The quantile of wait and service together, of M/M/c: by bisection of its distribution."""
    rate, waits = 1 / mean_s, erlang_c(slots, slots * load)
    drain = slots * rate * (1 - load)

    def beyond(at: float) -> float:
        own = np.exp(-rate * at)
        both = (drain * own - rate * np.exp(-drain * at)) / (drain - rate)
        return (1 - waits) * own + waits * both

    low, high = 0.0, 100 * mean_s
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if beyond(middle) > 1 - part else (low, middle)
    return high


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_fixed_executions_wait_half_as_long_as_exponential_ones(load):
    """Pollaczek and Khinchine: of M/D/1 exactly half of M/M/1."""
    outcome = run(endless(Exactly(0.1, exponential=False), 1), load / 0.1)
    assert np.mean(outcome.took) - 0.1 == pytest.approx(mean_wait(1, load, 0.1) / 2, rel=0.05)


def test_measured_times_wait_as_their_variance_says():
    """Pollaczek and Khinchine again: the wait of M/G/1 grows with the second moment."""
    measured = Seconds([service(1, 0.1, spread=0.9)])
    outcome = run(endless(measured, 1), 7.0)
    drawn_s = [measured.take(1, 1, chance) for chance in np.linspace(0, 1, 20_001)[:-1]]
    second = float(np.mean(np.square(drawn_s)))
    assert np.mean(outcome.took) - 0.1 == pytest.approx(7.0 * second / (2 * (1 - 0.7)), rel=0.05)


@pytest.mark.parametrize("room", [1, 5])
def test_a_full_queue_refuses_as_many_as_erlang_says(room):
    """M/M/1/K: a call finds K before it with probability (1 - r) r^K / (1 - r^(K + 1))."""
    load, most = 0.9, room + 1
    # So short that what a server does after a refusal, to let fewer wait, does not count.
    brief = endless(Exactly(0.01, exponential=True), 1, queue_calls=room)
    outcome = run(brief, load / 0.01)
    exact = (1 - load) * load**most / (1 - load ** (most + 1))
    assert outcome.refused_share == pytest.approx(exact, rel=0.05)


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
    worker = worker_of(profile(), timeout_s=0.02)
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


def test_the_same_seed_gives_the_same_outcome():
    worker = worker_of(profile(), cores=2)
    assert run(worker, 20.0, 3000).took == run(worker, 20.0, 3000).took
    assert run(worker, 20.0, 3000, seed=2).took != run(worker, 20.0, 3000).took
