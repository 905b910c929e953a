"""A new version is tried by one worker of all: the others outlive it."""

from __future__ import annotations

import os
from threading import Event, Thread

import pytest

from fairlead.serving import trying
from fairlead.serving.crashes import LOADS, TRIED
from fairlead.serving.status import StatusPages, create, grow
from fairlead.serving.trying import Trying

KEY = "churn/2@aa"


@pytest.fixture
def pages():
    handle = create(2)
    yield StatusPages(handle)
    os.close(handle)


@pytest.fixture
def workers(pages, tmp_path):
    return [Trying(pages, index, tmp_path, lambda: True) for index in range(2)]


def load(worker: Trying) -> bool:
    """Whether it is loaded in the worker; False where that is known to be fatal."""
    with worker.loading(KEY) as tried:
        return not tried.fatal


def die_of(worker: Trying, key: str = KEY) -> None:
    """A process like this one ends while it tries the version."""
    child = os.fork()
    if not child:  # pragma: no cover - the child
        with worker.loading(key):
            os._exit(1)
    os.waitpid(child, 0)


def test_what_a_worker_has_loaded_the_next_loads_at_once(workers):
    assert [load(worker) for worker in workers] == [True, True]


def test_what_was_the_end_of_one_is_not_loaded_in_the_next(workers, pages):
    die_of(workers[0])
    pages.bury(0, pages.marks(0).blamed)
    assert (pages.crashed(), pages.counts()["crashes"]) == ({KEY: 1}, {KEY: 1})
    assert [load(worker) for worker in workers] == [False, False]
    assert pages.marks(0).told() == pages.marks(1).told() == [], "they have no marks of it"


def test_who_was_ended_by_another_does_not_speak_against_it(workers, pages):
    first, second = workers
    die_of(first)
    pages.bury(0)
    assert load(second)


def test_what_nobody_explains_speaks_against_it(workers, monkeypatch):
    monkeypatch.setattr(trying, "_VERDICT_S", 0.05)
    first, second = workers
    die_of(first)
    assert load(second) is False


def test_the_verdict_is_waited_for(workers, pages, monkeypatch):
    first, second = workers
    die_of(first)
    monkeypatch.setattr(trying, "sleep", lambda s: pages.bury(0))
    assert load(second)


def test_before_anybody_is_answered_all_load_at_once(pages, tmp_path):
    first, second = [Trying(pages, index, tmp_path, lambda: False) for index in range(2)]
    with first.loading(KEY):
        assert load(second)


def test_where_nothing_can_be_locked_it_is_loaded_all_the_same(pages, tmp_path):
    assert load(Trying(pages, 0, tmp_path / "not there" / "at all", lambda: True))


def test_other_versions_wait_for_nobody_also_where_one_never_ends(workers, pages):
    first, second = workers
    with first.loading("other/1@aa"), second.loading(KEY):
        assert pages.marks(1).told() == [(KEY, TRIED)]


def test_other_files_under_the_same_number_are_tried_anew(workers, pages):
    assert [load(worker) for worker in workers] == [True, True]
    die_of(workers[0], "churn/2@bb")
    pages.bury(0, pages.marks(0).blamed)
    with workers[1].loading("churn/2@bb") as tried:
        assert tried.fatal
    assert load(workers[1]), "those of before did no harm"


def test_what_another_only_loads_is_no_proof(pages, tmp_path):
    starting = Trying(pages, 0, tmp_path, lambda: False)
    answering = Trying(pages, 1, tmp_path, lambda: True)
    with starting.loading(KEY), answering.loading(KEY):
        assert pages.marks(0).told() == [(KEY, LOADS)]
        assert pages.marks(1).told() == [(KEY, TRIED)]


def test_workers_that_came_since_are_seen(pages, tmp_path):
    old = Trying(pages, 0, tmp_path, lambda: True)
    grow(pages._handle, 3)
    more = StatusPages(pages._handle)
    die_of(Trying(more, 2, tmp_path, lambda: True))
    more.bury(2, more.marks(2).blamed)
    assert load(old) is False


def test_who_does_not_end_is_not_waited_for_without_end(workers, pages, monkeypatch):
    """It hangs there, and may hang here; nobody has died of it."""
    monkeypatch.setattr(trying, "_TURN_S", 0.1)
    first, second = workers
    with first.loading(KEY), second.loading(KEY) as tried:
        assert not tried.fatal
        assert pages.marks(1).told() == [(KEY, LOADS)]


def test_what_cannot_be_loaded_is_tried_again_as_before(workers, pages):
    for worker in workers:
        with pytest.raises(ValueError, match="torn"), worker.loading(KEY):
            raise ValueError("torn")
        assert pages.marks(0).told() == pages.marks(1).told() == []
    assert [load(worker) for worker in workers] == [True, True]


def test_while_one_tries_it_the_other_waits_and_then_loads_it_too(workers):
    first, second = workers
    begun, end, seen = Event(), Event(), []

    def slowly() -> None:
        with first.loading(KEY):
            begun.set()
            end.wait(30)
            seen.append("first")

    def then() -> None:
        begun.wait(30)
        load(second)
        seen.append("second")

    threads = [Thread(target=slowly), Thread(target=then)]
    for thread in threads:
        thread.start()
    begun.wait(30)
    threads[1].join(0.2)
    assert seen == []
    end.set()
    for thread in threads:
        thread.join(30)
    assert seen == ["first", "second"]
