"""Marks of what a worker executes, which outlive it."""

from __future__ import annotations

import os
import signal
from mmap import mmap
from threading import Barrier, Thread

import pytest

from fairlead.serving.crashes import (
    LOADS,
    SIZE,
    SLOTS,
    STUCK,
    TRIED,
    Marks,
    crashed,
    key_of,
    label_of,
)

START = 4096


@pytest.fixture
def memory():
    with mmap(-1, START + SIZE) as made:
        yield made


@pytest.fixture
def marks(memory):
    return Marks(memory, START)


def test_what_executes_is_seen_and_what_has_ended_is_not(marks):
    first, second = marks.take("churn/1"), marks.take("prices/12")
    with first:
        assert marks.blamed == ["churn/1"]
        with second:
            assert marks.blamed == ["churn/1", "prices/12"]
    assert marks.blamed == []


def test_a_failed_execution_has_ended_too(marks):
    mark = marks.take("churn/1")
    with pytest.raises(ValueError, match="bad"), mark:
        raise ValueError("bad")
    assert marks.blamed == []


def test_a_version_executes_until_its_last_thread_has_ended(marks):
    mark, both, first_gone = marks.take("churn/1"), Barrier(2), Barrier(2)

    def execute() -> None:
        with mark:
            both.wait(30)
        first_gone.wait(30)

    thread = Thread(target=execute)
    with mark:
        thread.start()
        both.wait(30)
        first_gone.wait(30)
        thread.join(30)
        assert marks.blamed == ["churn/1"]
    assert marks.blamed == []


def test_the_slot_of_a_version_that_is_gone_is_another_ones(marks):
    taken = [marks.take(f"m/{number}") for number in range(SLOTS)]
    assert None not in taken
    assert marks.take("more/1") is None, "there is no room for it"
    taken[7].free()
    with marks.take("more/1"):
        assert marks.blamed == ["more/1"]


def test_a_name_that_does_not_fit_is_not_marked_rather_than_cut(marks):
    assert marks.take("n" * 300 + "/1") is None
    with marks.take("ü" * 100 + "/1"):
        assert marks.blamed == ["ü" * 100 + "/1"]


def test_what_is_loaded_executes_and_what_could_not_be_is_gone(marks):
    mark = marks.take("churn/1")
    with mark.loading(TRIED):
        assert (marks.blamed, marks.told()) == (["churn/1"], [("churn/1", TRIED)])
    assert (marks.blamed, marks.told()) == ([], [("churn/1", 0)])
    mark.free()
    assert marks.told() == []


def test_what_is_tried_is_blamed_rather_than_what_executes_beside_it(marks):
    with marks.take("churn/1"), marks.take("prices/1").loading(LOADS):
        assert marks.blamed == ["churn/1", "prices/1"]
        with marks.take("prices/2").loading(TRIED):
            assert marks.blamed == ["prices/2"]


def test_other_files_under_the_same_number_are_another_version():
    first, second = key_of("churn", 1, "aa"), key_of("churn", 1, "bb")
    assert first != second
    assert label_of(first) == label_of(second) == "churn/1"


def test_a_dead_worker_leaves_no_marks_to_the_next(marks):
    marks.take("churn/1").__enter__()
    marks.clear()
    assert marks.told() == []


def test_nothing_is_written_beyond_the_marks(memory, marks):
    for number in range(SLOTS):
        marks.take(f"{number:0250}/1").__enter__()
    assert memory[:START] == bytes(START)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGFPE, signal.SIGABRT, signal.SIGBUS])
def test_a_process_that_ended_itself_has_crashed(number):
    child = os.fork()
    if not child:  # pragma: no cover - the child
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert crashed(status)


@pytest.mark.parametrize("status", [0, 1, -signal.SIGKILL, -signal.SIGTERM])
def test_one_that_was_ended_or_had_no_memory_has_not(status):
    assert not crashed(status)
    assert crashed(STUCK)
