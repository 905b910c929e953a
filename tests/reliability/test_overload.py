"""The short form of what is promised under load; on a shared machine only wide bounds hold."""

from __future__ import annotations

import pytest
from benchmarks.reliability import dead, overload
from benchmarks.reliability.open_loop import Answers


@pytest.mark.alone
def test_under_five_times_the_peak_what_is_executed_is_in_time_and_refusing_costs_little():
    """By counts and processor time, which change least when others use the machine too: the share
    of the peak is for the long form, on a machine of its own. The better of two loads counts.
    """
    found = overload.run(step_s=1.0, seconds=3.0, seeds=[1, 2], times=[5], deadline_s=1.0)
    loads = [*found.loads.values()]
    assert [load.strange for load in loads] == [0, 0]
    assert all(load.answers.codes()[503] > 0 for load in loads), "it was more than can be done"
    executed = [load.answers.codes()[200] + load.answers.codes().get(504, 0) for load in loads]
    good = [load.good * load.answers.seconds for load in loads]
    assert max(g / e for g, e in zip(good, executed, strict=True)) > 0.7
    assert min(load.own_s / load.answers.seconds for load in loads) < 0.5, "the model has the rest"
    assert min(load.answers.quantile(0.99) for load in loads) < 3
    assert max(load.resident_mb for load in loads) < 1.2 * found.steps[0].resident_mb


def test_callers_who_left_while_they_waited_are_not_executed():
    every, mix = dead.run(callers=200, seconds=2.0, seed=1, heard_s=1.0)
    assert (every.asked, every.executed) == (200, 0)
    assert mix.executed > 20
    assert mix.dead == 0


def test_a_server_that_drops_no_dead_calls_is_found_out():
    (every,) = dead.run(callers=50, seconds=0.0, seed=1, without=True)
    assert (every.executed, every.share) == (50, 1.0)


def test_only_answers_within_the_deadline_count_as_good():
    answers = Answers(1.0, [0.0] * 4, [0.1, 0.3, 0.1, 0.1], [200, 200, 503, 0])
    assert answers.good(0.25) == 1
    assert answers.codes() == {0: 1, 200: 2, 503: 1}
    assert answers.quantile(1.0) == 0.3
