"""Guards and live accuracy: files of earlier releases go on, damaged guards are begun anew, and a
newer file is left as it is."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from fairlead.core.errors import StateDamaged, StateNewer
from fairlead.usage.stores import accuracy, guards
from fairlead.usage.stores.accuracy import open_accuracy
from fairlead.usage.stores.guards import Kept, State, open_guards, read_states, read_versions

STATE = State("churn", 2, "drift", "{}", "2026-01-01")
KEPT = Kept(("churn", 2, "key"), b"\0\xff", '{"kind": "copying"}')


@pytest.fixture
def file(tmp_path):
    return tmp_path / guards.FILE


def begun(file, dropped=None):
    told = [] if dropped is None else dropped
    return closing(open_guards(file, told.append))


def test_what_was_saved_is_there_and_what_is_gone_is_not(file):
    with begun(file) as store:
        store.save([STATE], [KEPT, KEPT._replace(place=("churn", 2, "other"))], [], "now")
        store.save([STATE._replace(state="[]")], [], [("churn", 2, "other")], "later")
    with begun(file) as store:
        assert store.accounts() == [KEPT]
        assert store.states("churn", 2) == {"drift": "[]"}
    assert read_versions(file) == [("churn", 2)]
    assert read_states(file, "churn", 2) == [("drift", "[]", "2026-01-01")]


def test_counting_begins_anew_for_one_version_or_all_and_nothing_else(file):
    with begun(file) as store:
        states = [
            STATE._replace(version=version, kind=kind)
            for version in (1, 2)
            for kind in ("about", "drift", "bet", "accuracy")
        ]
        store.save(states, [KEPT], [], "now")
        assert store.forget_counts("churn", 2) == {("churn", 2)}
        assert set(store.states("churn", 2)) == {"accuracy"}
        assert len(store.states("churn", 1)) == 4
        assert store.forget_counts("churn", None) == {("churn", 1)}
        assert store.forget_counts("churn", None) == set()
        assert store.accounts() == [KEPT]


def test_a_file_without_a_format_is_of_the_first_one_and_keeps_what_it_holds(file):
    with closing(sqlite3.connect(file)) as raw:
        raw.executescript(guards.PART.schema)
        raw.execute("INSERT INTO guard_state VALUES (?, ?, ?, ?, ?)", STATE)
        raw.commit()
    file.chmod(0o600)
    with begun(file) as store:
        assert store.states("churn", 2) == {"drift": "{}"}
    with closing(sqlite3.connect(file)) as raw:
        assert raw.execute("SELECT * FROM format").fetchall() == [("guards", 1)]


def test_a_newer_file_is_not_taken_for_a_damaged_one(file):
    with begun(file) as store:
        store.save([STATE], [], [], "now")
    with closing(sqlite3.connect(file)) as raw:
        raw.execute("UPDATE format SET version = 2")
        raw.commit()
    dropped: list[StateDamaged] = []
    with pytest.raises(StateNewer):
        open_guards(file, dropped.append)
    assert dropped == []
    assert read_versions(file) == [("churn", 2)]


def test_a_damaged_file_is_set_aside_and_told(file):
    file.write_bytes(b"no database at all" * 500)
    file.chmod(0o600)
    dropped: list[StateDamaged] = []
    with begun(file, dropped) as store:
        assert store.accounts() == []
    assert len(dropped) == 1
    assert file.with_name(f"{file.name}.damaged").read_bytes() == b"no database at all" * 500


def test_live_accuracy_of_an_earlier_release_goes_on(tmp_path):
    with closing(sqlite3.connect(tmp_path / accuracy.FILE)) as raw:
        raw.executescript(
            accuracy.PART.schema + "CREATE TABLE format (version INTEGER NOT NULL);"
            "INSERT INTO format VALUES (1); INSERT INTO taken VALUES ('w-000001.segment', 77);"
        )
    (tmp_path / accuracy.FILE).chmod(0o600)
    with closing(open_accuracy(tmp_path)) as store:
        assert store.taken("w-000001.segment") == 77
    with closing(open_accuracy(tmp_path)) as store:
        assert store.taken("another") == 0
