"""The clerk's thread: bounded, undisturbed by what it cannot read, ended when it is asked to."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.processes import until
from tests.serving.parts_keys import KEY, act, room, trail
from tests.serving.test_keeping import ADMIN, Office

from fairlead.core.audit import Act
from fairlead.core.errors import StateUnavailable
from fairlead.serving import clerk
from fairlead.serving.clerk import MOST_WAITING, note_to_json, write_all
from fairlead.serving.postponed import FILE, Postponed


def test_what_waits_is_bounded_and_a_revocation_is_taken_all_the_same(tmp_path):
    office = Office(tmp_path / "keys.sqlite", tmp_path)
    told = office.made()
    answers: list[object] = []
    with closing(sqlite3.connect(office.place, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        office.desk.ask("keys.create", KEY, ADMIN, answers.append)  # this one waits for the lock
        revoked: list[dict] = []
        taken = 1

        def flood() -> None:
            nonlocal taken
            for _ in range(2 * MOST_WAITING):
                office.desk.ask("keys.show", {"of": told["id"]}, ADMIN, answers.append)
                taken += 1

        def full_when_it_came() -> bool:
            """The clerk takes another act once it has waited long enough: then there is room."""
            with pytest.raises(StateUnavailable, match="too much waits"):
                flood()
            office.desk.ask("keys.revoke", {"pattern": told["id"]}, ADMIN, revoked.append)
            office.turn()
            return bool(revoked)

        until(full_when_it_came)
        assert revoked[0]["postponed"]
        assert office.standing(told["id"])
        other.execute("ROLLBACK")
    office.until(lambda: len(answers) == taken)
    assert taken >= MOST_WAITING
    office.end()


POISON = [
    {},
    {"do": "fly", "ns": 1, "who": "a", "where": "b"},
    {"do": "revoke", "ids": [5], "ns": "soon", "who": "a", "where": "b"},
    {"do": "note", "ns": 1, "who": "a", "where": "b"},
    [],
]


def test_a_line_that_nobody_understands_holds_up_none_behind_it(place, tmp_path, capsys):
    with closing(room(place, tmp_path)) as opened:
        key_id = act(opened, "keys.create", **KEY)["id"]
    good = {"do": "revoke", "ids": ["key_of_nobody_123", key_id], "ns": 10**18, "who": "key_1",
            "where": "::1"}  # fmt: skip
    lines = [json.dumps(each) for each in [*POISON, good]]
    (tmp_path / FILE).write_text("\n".join(lines) + "\n")
    (tmp_path / FILE).chmod(0o600)
    office = Office(place, tmp_path)
    office.until(lambda: key_id in office.worker.book.keys)
    office.until(lambda: not office.desk.facts()["postponed"])
    assert office.standing(key_id) == 10**18
    office.end()
    assert not (tmp_path / FILE).exists()
    assert "a postponed act" in capsys.readouterr().err


def waiting(folder: Path, count: int) -> Postponed:
    """So many notes that wait for a database."""
    kept = Postponed(folder)
    for number in range(count):
        kept.add(note_to_json(Act(number, ADMIN, "refused", f"GET /{number}")))
    return kept


def test_what_waited_long_is_written_in_order_and_the_file_not_once_for_each(tmp_path, monkeypatch):
    monkeypatch.setattr(clerk, "_PORTIONS", 8)
    kept, portions = waiting(tmp_path, 200), []
    done = kept.done
    monkeypatch.setattr(kept, "done", lambda count: portions.append(count) or done(count))
    with closing(room(tmp_path / "keys.sqlite", tmp_path)) as opened:
        write_all(opened, kept)
        assert trail(opened) == [("refused", f"GET /{number}") for number in range(200)]
    assert len(kept) == 0
    assert portions == [25] * 8


def test_a_database_that_goes_away_meanwhile_gets_the_rest_later_and_nothing_twice(
    tmp_path, monkeypatch
):
    kept = waiting(tmp_path, 150)
    with closing(room(tmp_path / "keys.sqlite", tmp_path)) as opened:
        with monkeypatch.context() as broken:
            written = clerk.write_postponed

            def write(room, entry) -> None:
                if entry["ns"] == 77:
                    raise StateUnavailable("gone")
                written(room, entry)

            broken.setattr(clerk, "write_postponed", write)
            with pytest.raises(StateUnavailable):
                write_all(opened, kept)
        assert len(kept) == 73
        write_all(opened, Postponed(tmp_path))
        assert trail(opened) == [("refused", f"GET /{number}") for number in range(150)]


def test_a_desk_that_ends_while_its_database_is_locked_does_not_wait_for_ever(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("fairlead.serving.clerk._LEAVE_S", 0.1)
    place: Path = tmp_path / "keys.sqlite"
    office = Office(place, tmp_path)
    office.made()
    with closing(sqlite3.connect(place, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        office.desk.ask("keys.create", KEY, ADMIN, lambda outcome: None)
        office.end()
        thread = office.desk._clerk
        assert thread.is_alive()
        other.execute("ROLLBACK")
    thread.join(30)
    assert not thread.is_alive()
