"""The desk of keys: what is asked is done, workers hear of it, a revocation waits for nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest
from tests.databases import Postgres
from tests.processes import until
from tests.serving.parts_keys import KEY, act, made, room, trail
from tests.serving.test_telling import End

from fairlead.core.audit import By
from fairlead.core.errors import KeyNotFound, StateUnavailable
from fairlead.serving.keeping import Keeping
from fairlead.serving.postponed import FILE

ADMIN = By("key_admin", "127.0.0.1")


class Caller(End):
    """The command line's end of a line."""

    uid = 1000

    def send(self, message) -> bool:
        self.messages.append(message)
        return True


class Office:
    """A desk with its loop: what its thread hands over runs when the test looks."""

    def __init__(self, place: Path | str, folder: Path) -> None:
        self.place, self.folder = place, folder
        self._handed: Queue[Callable[[], None]] = Queue()
        self.desk = Keeping(folder, lambda: room(place, folder), self._handed.put)
        self.worker = End()
        self.desk.joined(self.worker)

    def turn(self) -> None:
        """One turn of the loop."""
        while True:
            try:
                self._handed.get(timeout=0.01)()
            except Empty:
                break
        self.desk.beat()

    def until(self, true: Callable[[], Any], seconds: float = 20) -> Any:
        def turned() -> Any:
            self.turn()
            return true()

        return until(turned, seconds)

    def ask(self, kind: str, /, by: By = ADMIN, **given: Any) -> Any:
        """The answer to an act, or its error."""
        answers: list[Any] = []
        self.desk.ask(kind, given, by, answers.append)
        return self.until(lambda: answers)[0]

    def made(self, **more: Any) -> dict[str, Any]:
        told = self.ask("keys.create", **(KEY | more))
        self.until(lambda: told["id"] in self.worker.book.keys)
        return told

    def standing(self, key_id: str) -> int | None:
        """When a worker thinks that the key was revoked."""
        return self.worker.book.keys[key_id].key.revoked_ns

    def end(self) -> None:
        self.desk.save()
        self.desk.close()


@pytest.fixture
def office(place, tmp_path):
    opened = Office(place, tmp_path)
    yield opened
    opened.end()


@pytest.fixture
def file(tmp_path):
    """A desk whose database is a file, which a test can lock."""
    opened = Office(tmp_path / "keys.sqlite", tmp_path)
    yield opened
    opened.end()


def test_what_is_asked_over_a_line_is_done_and_answered(office):
    line = Caller()
    office.desk.take(line, {"kind": "keys.create", "id": 7, "given": KEY})
    office.until(lambda: line.messages)
    answer = line.messages[0]
    assert (answer["kind"], answer["id"], answer["done"]["name"]) == ("answer", 7, "web")
    office.desk.take(line, {"kind": "keys.show", "id": 8, "given": {"of": "key_none"}})
    office.until(lambda: line.messages[1:])
    assert line.messages[1]["error"]["id"] == KeyNotFound.id
    with closing(room(office.place, office.folder)) as opened:
        records = list(opened.audit.every())
    assert {(record.who, record.place) for record in records} == {("uid 1000", "command line")}


def test_a_worker_hears_of_a_key_that_is_made_replaced_and_revoked(office):
    first = office.made()
    second = office.ask("keys.rotate", of=first["id"])
    office.until(lambda: second["id"] in office.worker.book.keys)
    assert office.worker.book.keys[first["id"]].key.successor == second["id"]
    assert office.ask("keys.revoke", pattern=second["id"])["count"] == 1
    office.until(lambda: office.standing(second["id"]))
    assert "default" in office.worker.book.tenants


def test_a_worker_hears_of_what_another_process_has_changed(office):
    told = office.made()
    with closing(room(office.place, office.folder)) as other:
        act(other, "keys.revoke", pattern=told["id"])
        new = made(other, tenant="acme")
    office.until(lambda: office.standing(told["id"]))
    office.until(lambda: new["id"] in office.worker.book.keys)
    assert "acme" in office.worker.book.tenants


def test_no_secret_is_told_to_a_worker(office):
    told = office.made()
    assert told["key"][9:39] not in repr(office.worker.messages)


def test_a_revocation_does_not_wait_for_a_database_that_does_not_answer(file):
    told = file.made()
    with closing(sqlite3.connect(file.place, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        done = file.ask("keys.revoke", pattern="we*")
        assert (done["count"], done["postponed"]) == (1, True)
        assert file.standing(told["id"])
        assert (file.folder / FILE).exists()
        assert file.desk.facts()["postponed"] == 1
        other.execute("ROLLBACK")
    file.until(lambda: not file.desk.facts()["postponed"])
    moment = file.standing(told["id"])
    with closing(room(file.place, file.folder)) as opened:
        assert opened.keys.show(told["id"]).revoked_ns is not None
        assert trail(opened).count(("keys.revoke", told["id"])) == 1
        assert list(opened.audit.every())[-1].who == ADMIN.who
    assert not (file.folder / FILE).exists()
    assert moment


def test_only_the_database_says_that_there_is_no_such_key(file):
    """A key that was just made may not be known yet where revocations are told."""
    file.made()
    with closing(room(file.place, file.folder)) as other:
        new = made(other, name="new")
    with closing(sqlite3.connect(file.place, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        answers: list[Any] = []
        file.desk.ask("keys.revoke", {"pattern": new["id"]}, ADMIN, answers.append)
        file.desk._revoking[0].due = 0.0  # it has waited long enough
        file.turn()
        assert answers == []
        other.execute("ROLLBACK")
    file.until(lambda: answers)
    assert (answers[0]["count"], answers[0]["keys"][0]["id"]) == (1, new["id"])
    file.until(lambda: new["id"] in file.worker.book.keys and file.standing(new["id"]))


def test_a_postponed_revocation_outlives_the_bookkeeper(file):
    told = file.made()
    with closing(sqlite3.connect(file.place, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert file.ask("keys.revoke", pattern=told["id"])["postponed"]
        waiting = (file.folder / FILE).read_bytes()
        other.execute("ROLLBACK")
    file.until(lambda: not file.desk.facts()["postponed"])
    (file.folder / FILE).write_bytes(waiting)  # it was killed before it could note that it is done
    again = Office(file.place, file.folder)
    again.until(lambda: again.worker.book.keys)
    assert again.standing(told["id"])
    again.until(lambda: not again.desk.facts()["postponed"])
    again.end()
    with closing(room(file.place, file.folder)) as opened:
        assert trail(opened).count(("keys.revoke", told["id"])) == 1


@pytest.fixture
def away(tmp_path):
    """A desk whose database, a PostgreSQL server of its own, can go away."""
    server = Postgres()
    opened = Office(server.fresh(), tmp_path)
    yield opened, server
    opened.end()
    server.remove()


def test_while_the_database_is_away_known_keys_stay_and_revocations_arrive(away):
    office, server = away
    first, second = office.made(), office.made(name="other")
    server.stop("immediate")
    refused = office.ask("keys.create", **KEY)
    assert isinstance(refused, StateUnavailable)
    assert isinstance(office.ask("keys.rotate", of=first["id"]), StateUnavailable)
    office.until(lambda: office.desk.facts()["database"] == "away")
    assert set(office.worker.book.keys) == {first["id"], second["id"]}

    would = office.ask("keys.revoke", pattern="web", dry_run=True)
    assert (would["count"], office.standing(first["id"])) == (1, None)
    assert isinstance(office.ask("keys.revoke", pattern="nobody"), KeyNotFound)
    done = office.ask("keys.revoke", pattern="web")
    assert (done["count"], done["postponed"]) == (1, True)
    office.until(lambda: office.standing(first["id"]))
    assert office.standing(second["id"]) is None

    late = End()  # a worker that starts meanwhile
    office.desk.joined(late)
    office.turn()
    assert late.book.keys[first["id"]].key.revoked_ns
    assert late.book.stale_s > 0

    server.start()
    office.until(lambda: office.desk.facts()["database"] == "works", 60)
    office.until(lambda: not office.desk.facts()["postponed"], 60)
    with closing(room(office.place, office.folder)) as opened:
        assert opened.keys.show(first["id"]).revoked_ns == office.standing(first["id"])
        assert trail(opened)[-1] == ("keys.revoke", first["id"])
    assert office.made(name="new")["standing"] == "works"


def test_a_database_that_was_replaced_by_an_empty_one_takes_no_key_from_anybody(file):
    """Else a server on loopback would be open to everybody until somebody notices."""
    office, place = file, Path(file.place)
    copy = place.with_name("copy")
    first, second = office.made(), office.made(name="other")
    with closing(sqlite3.connect(place, isolation_level=None)) as kept:
        kept.execute("VACUUM INTO ?", (str(copy),))
    copy.chmod(0o600)
    for part in place.parent.glob(f"{place.name}*"):
        part.unlink()
    office.until(lambda: office.desk.facts()["database"] == "away")
    assert isinstance(office.ask("keys.create", **KEY), StateUnavailable)
    assert set(office.worker.book.keys) == {first["id"], second["id"]}
    assert office.ask("keys.revoke", pattern=first["id"])["postponed"]
    office.until(lambda: office.standing(first["id"]))

    for part in place.parent.glob(f"{place.name}*"):
        part.unlink()
    copy.rename(place)
    office.until(lambda: office.desk.facts()["database"] == "works")
    office.until(lambda: not office.desk.facts()["postponed"])
    with closing(room(place, office.folder)) as opened:
        assert opened.keys.show(first["id"]).revoked_ns == office.standing(first["id"])
        assert opened.keys.show(second["id"]).revoked_ns is None


def test_a_desk_that_never_saw_the_database_revokes_what_workers_know(tmp_path):
    office = Office("postgresql://nobody:x@127.0.0.1:1/none", tmp_path)
    worker_knows = "key_0000000000000001"
    assert isinstance(office.ask("keys.revoke", pattern="web-*"), StateUnavailable)
    done = office.ask("keys.revoke", pattern=worker_knows)
    assert done["postponed"]
    office.until(lambda: office.worker.messages)
    assert list(office.worker.messages[-1]["revoked"]) == [worker_knows]
    assert office.desk.facts()["database"] == "away"
    office.end()


def test_acts_of_other_desks_and_refusals_are_on_record(office):
    office.desk.note(By("uid 1000", "command line"), "misuse.forgive", "key_1")
    for _ in range(50):
        office.desk.refused(By("", "10.0.0.9"), "POST /keys", KeyNotFound("x"))
    office.end()
    with closing(room(office.place, office.folder)) as opened:
        assert trail(opened) == [
            ("misuse.forgive", "key_1"),
            ("refused", "POST /keys"),
            ("refused", "POST /keys"),
        ]


def test_an_act_of_another_desk_waits_for_the_database_too(file):
    file.made()
    with closing(sqlite3.connect(file.place, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        file.desk.note(ADMIN, "drift.restart", "iris")
        file.until(lambda: file.desk.facts()["postponed"])
        other.execute("ROLLBACK")
    file.until(lambda: not file.desk.facts()["postponed"])
    with closing(room(file.place, file.folder)) as opened:
        assert trail(opened)[-1] == ("drift.restart", "iris")


def test_what_was_asked_before_the_end_is_done(office):
    for number in range(20):
        office.desk.ask("keys.create", KEY | {"name": f"k{number}"}, ADMIN, lambda outcome: None)
    office.end()
    with closing(room(office.place, office.folder)) as opened:
        assert len(opened.keys.every()) == 20
