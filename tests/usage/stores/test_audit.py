"""The trail in a database: a record goes with its change, and whoever altered it is found out."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from threading import Thread

import pytest

from fairlead.access.audit import check_trail, record_of
from fairlead.core.audit import NOTHING, Act, By, Head
from fairlead.core.errors import StateConflict, StateInvalid
from fairlead.usage.stores.audit import NOTED, AuditStore, Noted
from fairlead.usage.stores.database import connection
from fairlead.usage.stores.joint import Joint

INJECTIONS = [
    "'; DROP TABLE audit; --",
    "x' OR '1'='1",
    "%",
    "_",
    "\\",
    '"',
    "$1",
    "?",
    "😀é",
    "a\nb",
]


def opened(place) -> tuple[Joint, AuditStore]:
    database = Joint(connection(place, "keys"))
    return database, AuditStore(database)


@pytest.fixture
def trail(place):
    database, store = opened(place)
    yield database, store
    database.close()


def act(number: int, about: str = "key_1") -> Act:
    return Act(number, By("key_admin", "127.0.0.1"), "keys.revoke", about, None, {"n": number})


def written(database: Joint, store: AuditStore, *acts: Act) -> Head:
    with database.writing():
        return store.append([partial(record_of, each) for each in acts])


def test_what_was_written_can_be_checked(trail):
    database, store = trail
    assert (store.head(), store.records()) == (NOTHING, [])
    written(database, store, act(1), act(2))
    head = written(database, store, act(3))
    assert head == store.head() == store.at(3)
    assert check_trail(store.every(), [head]).records == 3
    assert store.at(4) is None


def test_a_record_is_there_only_if_its_change_is(trail):
    database, store = trail
    with pytest.raises(ZeroDivisionError), database.writing():
        store.append([partial(record_of, act(1)), lambda head: record_of(act(1 // 0), head)])
    with suppress(ZeroDivisionError), database.writing():
        store.append([partial(record_of, act(1))])
        1 / 0  # noqa: B018
    assert store.head() == NOTHING
    written(database, store, act(2))
    assert check_trail(store.every()).fault == ""


def test_a_long_trail_is_read_in_pieces(trail):
    database, store = trail
    written(database, store, *map(act, range(2500)))
    assert len(store.records()) == 1000
    assert check_trail(store.every()).records == 2500


def test_records_are_found_by_time_object_and_place(trail):
    database, store = trail
    written(database, store, act(10, "a"), act(20, "b"), act(30, "a"))
    assert [r.number for r in store.records(since_ns=20)] == [2, 3]
    assert [r.number for r in store.records(about="a")] == [1, 3]
    assert [r.number for r in store.records(after=1, most=1)] == [2]


@pytest.mark.parametrize("text", INJECTIONS)
def test_whatever_an_object_is_called_it_is_only_text(trail, text):
    database, store = trail
    written(database, store, act(1, text), act(2, "other"))
    shown = store.records()[0].about
    assert [r.number for r in store.records(about=shown)] == [1]
    assert check_trail(store.every()).records == 2


ALTERED = {
    "altered": ("UPDATE audit SET about = 'other' WHERE number = 2", 2),
    "altered in time": ("UPDATE audit SET time_ns = time_ns + 1 WHERE number = 2", 2),
    "deleted": ("DELETE FROM audit WHERE number = 2", 2),
    "deleted first": ("DELETE FROM audit WHERE number = 1", 1),
    "cut off": ("DELETE FROM audit WHERE number = 4", 4),
    "all gone": ("DELETE FROM audit", 1),
    "moved": ("UPDATE audit SET number = CASE number WHEN 2 THEN 30 ELSE number END", 2),
}


@pytest.mark.parametrize(("statement", "number"), ALTERED.values(), ids=ALTERED)
def test_whoever_alters_the_table_is_found_out(trail, tmp_path, statement, number):
    database, store = trail
    noted = Noted(tmp_path)
    noted.write(written(database, store, *map(act, range(4))))
    with database.writing():
        database.rows(statement)
    checked = check_trail(store.every(), [noted.read()])
    assert checked.number == number
    assert str(number) in checked.fault


def test_whoever_swaps_two_records_is_found_out(trail):
    database, store = trail
    written(database, store, *map(act, range(4)))
    with database.writing():
        for old, new in ((2, 20), (3, 2), (20, 3)):
            database.rows("UPDATE audit SET number = ? WHERE number = ?", (new, old))
    assert check_trail(store.every()).number == 2


def test_what_is_no_hash_cannot_be_kept(trail):
    database, store = trail
    written(database, store, act(1))
    with pytest.raises(StateConflict), database.writing():
        database.rows("UPDATE audit SET hash = ?", (b"short",))


def test_writers_at_the_same_time_make_one_chain(place):
    database, _ = opened(place)
    database.close()
    failed: list[BaseException] = []

    def write(begin: int) -> None:
        try:
            mine, store = opened(place)
            for number in range(begin, begin + 20):
                written(mine, store, act(number))
            mine.close()
        except BaseException as error:
            failed.append(error)

    threads = [Thread(target=write, args=(begin,)) for begin in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    database, store = opened(place)
    checked = check_trail(store.every())
    database.close()
    assert (failed, checked.records, checked.fault) == ([], 60, "")


def test_a_note_is_read_as_it_was_written(tmp_path):
    noted = Noted(tmp_path)
    assert noted.read() == NOTHING
    for number in (1, 10**19):
        noted.write(Head(number, bytes(range(32))))
        assert Noted(tmp_path).read() == Head(number, bytes(range(32)))
    assert (tmp_path / NOTED).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("raw", [b"", b"1 ab\n", b"x" * 86, b"9" * 200], ids=repr)
def test_a_note_that_cannot_be_read_is_told(tmp_path, raw):
    (tmp_path / NOTED).write_bytes(raw)
    with pytest.raises(StateInvalid, match="cannot be read"):
        Noted(tmp_path).read()


def test_a_note_that_others_may_write_is_not_believed(tmp_path):
    noted = Noted(tmp_path)
    noted.write(Head(1, bytes(32)))
    (tmp_path / NOTED).chmod(0o620)
    with pytest.raises(StateInvalid, match="others may write"):
        noted.read()
