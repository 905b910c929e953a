"""Children that were started by this process, or by what it was before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from tests.processes import until

from fairlead.serving.children import (
    BOOKKEEPER,
    FIRST_BACKOFF_S,
    HURRY,
    LAST_BACKOFF_S,
    Adopted,
    Child,
)

_SLEEP = [sys.executable, "-c", "import time; time.sleep(1000)"]


def test_an_adopted_child_is_watched_as_one_that_was_started_here():
    pid = os.posix_spawn(sys.executable, _SLEEP, {})
    child = Adopted(pid)
    assert child.poll() is None
    child.kill()
    assert until(child.poll) == -signal.SIGKILL
    child.kill()  # it has ended: nobody else gets the signal
    assert child.poll() == -signal.SIGKILL


@pytest.mark.parametrize("status", [0, 3])
def test_the_status_of_an_adopted_child_is_its_own(status):
    pid = os.fork()
    if not pid:
        os._exit(status)
    child = Adopted(pid)
    until(lambda: child.poll() is not None)
    assert child.poll() == status


def test_who_is_hurried_hears_of_it_but_for_the_bookkeeper_which_would_die_of_it():
    sleeping = [subprocess.Popen(_SLEEP) for _ in range(2)]
    worker, bookkeeper = (
        Child(index, [], [], process, until=10.0**9)
        for index, process in zip((0, BOOKKEEPER), sleeping, strict=True)
    )
    for child in (worker, bookkeeper):
        child.hurry(0.0)
    assert until(worker.process.poll) == -HURRY
    assert not bookkeeper.gone
    assert bookkeeper.overdue()
    assert until(bookkeeper.process.poll) == -signal.SIGKILL


def test_a_process_that_is_nobodys_child_has_ended():
    assert Adopted(os.getpid()).poll() == 1


def test_a_child_survives_the_hand_over():
    child = Child(3, ["a", "{pipe}"], [4, 5], Adopted(77), 1.5, 0.8, 2.5, True, 4, 9.0)
    again = Child.from_json(child.to_json())
    assert again.process is not None
    assert again.process.pid == 77
    assert again.to_json() == child.to_json()
    assert Child.from_json(Child(BOOKKEEPER, [], []).to_json()).process is None


def test_each_death_costs_a_longer_wait_until_it_is_stable():
    child = Child(0, [], [])
    waits = []
    for _ in range(12):
        waits.append(child.backoff)
        child.later()
    assert waits[:4] == [0.1, 0.2, 0.4, 0.8]
    assert waits[-1] == LAST_BACKOFF_S
    assert child.deaths == 12
    child.stable()
    assert (child.backoff, child.deaths) == (FIRST_BACKOFF_S, 0)


def test_in_a_minute_a_process_that_cannot_live_is_started_ten_times_at_most():
    child = Child(0, [], [])
    moment, starts = 0.0, 0
    while moment < 60.0:
        starts += 1
        moment += child.backoff
        child.later()
    assert starts <= 10


def test_who_outstays_its_time_is_killed():
    child = Child(0, [], [], subprocess.Popen(_SLEEP))
    child.leave(0, 1000)
    assert not child.overdue()
    child.until = 0.0
    assert child.overdue()
    until(lambda: child.gone)
    assert not child.overdue()
