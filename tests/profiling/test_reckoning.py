"""The loop's work is told apart from that of executions, by call and by execution."""

from __future__ import annotations

import pytest
from tests.costs.samples import service

from fairlead.profiling.reckoning import busy_times, loop_seconds, slowed, unsteady, way_of

CALL_S, TURN_S, ONE_S = 50e-6, 80e-6, 200e-6


def counted(calls: float, executions: float, **more: float) -> dict[str, float]:
    """What a server counts whose loop takes so long for a call and for an execution."""
    compute = executions * ONE_S
    loop = calls * CALL_S + executions * TURN_S + compute
    told = {"calls": calls, "executions": executions, "compute_s": compute, "loop_s": loop}
    return told | {"held_up_s": 0.0, "cpu_s": loop} | more


def reckoned(*points: dict[str, float], inline: bool = True) -> tuple[float, float]:
    return loop_seconds([service(1, ONE_S)], 1, points, inline=inline)


def test_the_work_for_a_call_and_for_an_execution_are_told_apart():
    points = [counted(1000, 1000), counted(3000, 1500), counted(8000, 500)]
    assert reckoned(*points) == pytest.approx((CALL_S, TURN_S))


def test_what_is_never_joined_is_all_the_call_s():
    points = [counted(1000, 1000), counted(3000, 3000)]
    assert reckoned(*points) == pytest.approx((CALL_S + TURN_S, 0))


def test_executions_elsewhere_are_none_of_the_loop_s_work():
    points = [counted(n, m, loop_s=n * CALL_S + m * TURN_S) for n, m in ((100, 100), (800, 100))]
    assert reckoned(*points, inline=False) == pytest.approx((CALL_S, TURN_S))


def test_an_execution_that_waited_for_a_processor_did_not_use_it():
    slow = [
        counted(n, m, compute_s=2 * m * ONE_S, held_up_s=n * CALL_S + m * (TURN_S + ONE_S))
        for n, m in ((1000, 1000), (8000, 1000))
    ]
    assert reckoned(*slow) == pytest.approx((CALL_S, TURN_S))


def test_where_nobody_tells_of_threads_it_is_the_process_less_its_executions():
    assert reckoned(counted(1000, 1000, loop_s=0.0)) == pytest.approx((CALL_S + TURN_S, 0))
    assert reckoned(counted(1000, 1000, loop_s=0.0, cpu_s=0.1)) == (0, 0)


def test_a_server_that_nobody_called_tells_nothing():
    assert reckoned() == (0, 0)
    assert reckoned(counted(0, 0)) == (0, 0)


def test_a_way_is_what_of_the_waits_is_not_the_execution_and_never_falls():
    one = service(1, 0.01, spread=0.5)
    waits = [own + 0.002 for own in one.quantiles]
    waits[50] -= 0.001
    way = way_of(0.1, waits, one)
    assert way.pause_s == 0.1
    assert way.quantiles == pytest.approx((0.002,) * 101)
    assert set(way_of(0.0, [0.0] * 101, one).quantiles) == {0.0}


SERVICES = [service(rows, 0.01 * rows, threads=threads) for threads in (1, 2) for rows in (1, 4)]


def times(*counts: dict[str, float], **more) -> float:
    told = {"inline": False, "slots": 2, "cores": 2} | more
    return slowed(busy_times(SERVICES, (0.001, 0.002), counts, **told))


def test_executions_in_a_busy_server_are_compared_with_those_of_as_many_rows():
    counts = counted(300, 100, compute_s=100 * 0.033)
    assert times(counts, cores=3) == pytest.approx(1.1)
    assert times(counts, inline=True) == pytest.approx(1.1)


def test_seconds_in_which_the_machine_itself_was_slow_or_fast_do_not_decide():
    points = [counted(300, 100, compute_s=100 * each) for each in (0.02, 0.033, 0.05)]
    assert times(*points, inline=True) == pytest.approx(1.1)
    loops = [counted(1000, 1000) | {"loop_s": took} for took in (0.21, 0.25, 0.9)]
    assert reckoned(*loops) == pytest.approx((CALL_S, 0.0))


def test_what_the_loop_takes_from_executions_on_its_core_does_not_make_them_slower():
    assert times(counted(300, 100, compute_s=100 * 0.035)) == pytest.approx(1.0)


def test_a_machine_that_has_changed_meanwhile_is_not_taken_for_a_busy_server():
    assert times(counted(100, 100, compute_s=100 * 0.9)) == 1.5
    assert times(counted(100, 100, compute_s=0.0)) == pytest.approx(1 / 1.5)
    assert times(counted(0, 0)) == 1.0


def test_an_execution_that_is_taken_for_longer_leaves_less_of_the_way():
    one = service(1, 0.01, spread=0.0)
    assert way_of(0.0, [0.013] * 101, one, 1.2).quantiles == pytest.approx((0.001,) * 101)


@pytest.mark.parametrize(
    ("seen", "found"),
    [([1.0, 1.2, 1.1], 1.2 / 1.1), ([1.0, 1.0, 9.0], 1.5), ([0.7], 1.0), ([], 1.0)],
)
def test_how_much_slower_than_usual_a_machine_was_at_times_is_told_within_reason(seen, found):
    assert unsteady(seen) == pytest.approx(found)
