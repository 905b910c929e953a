"""What is promised of faults, each in its short form; `make soak` runs the long one."""

from __future__ import annotations

import pytest
from benchmarks.reliability import crossed, hang, kills, poison, restarts


def check(parts) -> None:
    for part in parts:
        assert [p.text for p in part.promises if not p.kept] == [], part.lines


def test_renewing_a_server_under_load_fails_no_call():
    check([restarts.renewals(2, 80.0, seed=1)])


def test_a_server_that_ends_and_its_successor_on_the_same_socket_refuse_nobody():
    check([restarts.ends(1, 80.0, seed=2)])


def test_a_server_that_is_killed_is_seen_to_fail():
    check([restarts.dropping(100.0, seed=3)])


def test_runners_that_are_killed_fail_no_call():
    check([kills.of_runners(3, 60.0, seed=4)])


def test_a_client_that_tries_again_once_sees_no_worker_die():
    check([kills.of_workers(3, 80.0, seed=5)])


def test_readiness_follows_when_all_workers_die_at_once():
    check([kills.at_once(1)])


@pytest.mark.parametrize("isolated", [False, True])
def test_no_answer_is_given_to_another_request(isolated):
    check([crossed.crossed(6.0, 150.0, 2, seed=6, isolated=isolated)])


def test_answers_that_are_exchanged_are_found():
    check([crossed.control(300.0, seed=7)])


def test_a_model_that_hangs_is_stopped_in_time_and_its_neighbour_goes_on():
    check(hang.run(1, 60.0, seed=8))


def test_a_bad_row_fails_no_neighbour():
    check(poison.run(60, 0.01, seed=9))
