"""Every worker gets the whole book once, and then what changes; none is piled up for it."""

from __future__ import annotations

import pytest
from tests.serving.test_book_messages import some

from fairlead.serving import telling
from fairlead.serving.book_messages import Book, Gathered
from fairlead.serving.telling import Telling


class End:
    """A line to a worker, which takes a message while it has room."""

    def __init__(self) -> None:
        self.book = Gathered()
        self.messages: list[dict] = []
        self.room = 10**6

    def send(self, message) -> bool:
        if self.room <= 0:
            return False
        self.room -= 1
        self.messages.append(message)
        self.book.take(message)
        return True


class Bookkeeper:
    """What is known, and who is told of it."""

    def __init__(self, count: int = 3) -> None:
        self.keys = {each.key.id: each for each in some(count)}
        self.revision = 1
        self.telling = Telling(self.whole)

    def whole(self) -> Book:
        return Book(self.revision, True, list(self.keys.values()), {"t": 1}, {"p": 1})

    def change(self, moment: int) -> None:
        self.revision += 1
        changed = some(1, revoked_ns=moment)
        self.keys |= {each.key.id: each for each in changed}
        self.telling.change(changed)

    def beat(self, age_s: float = 0.0) -> None:
        self.telling.beat(self.revision, age_s)


@pytest.fixture
def clock(monkeypatch):
    at = [1000.0]
    monkeypatch.setattr(telling, "now", lambda: at[0])
    return at


def test_a_worker_that_joins_gets_everything(clock):
    keeper, worker = Bookkeeper(), End()
    keeper.telling.joined(worker)
    keeper.beat()
    assert (worker.book.revision, worker.book.keys) == (1, keeper.keys)
    assert (worker.book.tenants, worker.book.plans) == ({"t": 1}, {"p": 1})


def test_then_it_gets_what_changes_and_only_once(clock):
    keeper, worker = Bookkeeper(), End()
    keeper.telling.joined(worker)
    keeper.beat()
    keeper.change(5)
    keeper.change(6)
    keeper.beat()
    keeper.beat()
    assert [len(message["keys"]) for message in worker.messages] == [3, 1]
    assert (worker.book.revision, worker.book.keys) == (3, keeper.keys)


def test_a_worker_that_joins_with_a_change_gets_both_as_one(clock):
    keeper, worker = Bookkeeper(), End()
    keeper.change(5)
    keeper.telling.joined(worker)
    keeper.beat()
    assert [message["full"] for message in worker.messages] == [True]
    assert worker.book.keys == keeper.keys


def test_a_slow_worker_gets_everything_in_the_end(clock):
    keeper, worker = Bookkeeper(20_000), End()
    worker.room = 1
    keeper.telling.joined(worker)
    for moment in range(1, 40):
        keeper.change(moment)
        keeper.beat()
    assert worker.book.revision == -1
    worker.room = 10**6
    for _ in range(10):
        keeper.beat()
    assert (worker.book.revision, worker.book.keys) == (keeper.revision, keeper.keys)


def test_of_a_long_book_a_piece_is_made_in_each_beat_so_that_others_are_answered_between(clock):
    keeper, worker = Bookkeeper(20_000), End()
    keeper.telling.joined(worker)
    for beats in range(1, 5):
        keeper.beat()
        assert len(worker.messages) == beats
        assert worker.messages[-1]["more"]


def test_for_a_worker_that_takes_nothing_no_more_than_a_bound_is_kept(clock):
    keeper, worker = Bookkeeper(), End()
    keeper.telling.joined(worker)
    keeper.beat()
    worker.room = 0
    for moment in range(1, 1000):
        keeper.change(moment)
        keeper.beat()
    worker.room = 10**6
    keeper.beat()
    assert len(worker.messages) <= telling._MOST_BOOKS + 1
    assert (worker.book.revision, worker.book.keys) == (keeper.revision, keeper.keys)


def test_once_a_second_a_worker_hears_how_old_its_book_is(clock):
    keeper, worker = Bookkeeper(), End()
    keeper.telling.joined(worker)
    keeper.beat()
    clock[0] += 0.9
    keeper.beat()
    assert len(worker.messages) == 1
    clock[0] += 0.2
    keeper.beat(age_s=500)
    assert len(worker.messages) == 2
    assert 500 <= worker.book.stale_s < 560


def test_while_nothing_is_known_a_worker_hears_of_revocations_only(clock):
    keeper, worker = Bookkeeper(), End()
    keeper.revision = -1
    keeper.telling.joined(worker)
    clock[0] += 5
    keeper.beat()
    assert worker.messages == []
    keeper.telling.change(revoked={"key_0000000000000001": 7})
    keeper.beat()
    assert [message["revoked"] for message in worker.messages] == [{"key_0000000000000001": 7}]
    keeper.revision = 1
    keeper.beat()
    assert worker.book.keys == keeper.keys


def test_when_everything_may_be_other_every_worker_gets_everything(clock):
    keeper, worker = Bookkeeper(), End()
    keeper.telling.joined(worker)
    keeper.beat()
    keeper.keys = {each.key.id: each for each in some(1)}
    keeper.telling.anew()
    keeper.beat()
    assert worker.book.keys == keeper.keys


def test_a_worker_that_is_gone_is_not_told(clock):
    keeper, worker = Bookkeeper(), End()
    keeper.telling.joined(worker)
    keeper.telling.lost(worker)
    keeper.telling.lost(worker)
    keeper.beat()
    assert worker.messages == []
