"""The state of guards is read while a server writes it, and told apart from what is none."""

from __future__ import annotations

import sqlite3

import pytest

from fairlead.core.errors import FileUnreadable, NothingWatched
from fairlead.serving.guard_state import FILE, read_guard_state
from fairlead.serving.standing import Standing


@pytest.fixture
def folder(tmp_path):
    """A state folder with an open bookkeeper's database, and two versions of one model in it."""
    standing = Standing(tmp_path / FILE)
    rows = [
        ("churn", 2, "about", '{"since": "yesterday"}', "2026-01-02"),
        ("churn", 2, "bet", '{"seen": 3}', "2026-01-03"),
        ("churn", 10, "about", "{}", "2026-01-01"),
        ("other", 1, "about", "{}", "2026-01-01"),
    ]
    with sqlite3.connect(tmp_path / FILE) as database:
        database.executemany("INSERT INTO guard_state VALUES (?, ?, ?, ?, ?)", rows)
    database.close()
    yield tmp_path
    standing.close()


def test_a_version_is_read_with_all_its_states_while_the_database_is_open(folder):
    kept = read_guard_state(folder, "churn", 2)
    assert (kept.model, kept.version, kept.updated) == ("churn", 2, "2026-01-03")
    assert kept.states == {"about": {"since": "yesterday"}, "bet": {"seen": 3}}


def test_the_newest_version_is_read_when_none_is_named(folder):
    assert read_guard_state(folder, "churn").version == 10


@pytest.mark.parametrize(("model", "version"), [("stranger", None), ("churn", 3), ("churn", 0)])
def test_what_was_never_seen_is_refused_with_what_was(folder, model, version):
    with pytest.raises(NothingWatched) as told:
        read_guard_state(folder, model, version)
    assert "churn@2, churn@10, other@1" in told.value.fix


def test_a_folder_that_is_none_or_empty_or_damaged_is_said(tmp_path):
    with pytest.raises(FileUnreadable, match="no state folder"):
        read_guard_state(tmp_path / "nowhere", "churn")
    with pytest.raises(NothingWatched, match="no server has watched anything"):
        read_guard_state(tmp_path, "churn")
    (tmp_path / FILE).write_bytes(b"this is no database" * 100)
    with pytest.raises(FileUnreadable, match="cannot be read"):
        read_guard_state(tmp_path, "churn")


def test_a_state_that_is_no_json_is_said(folder):
    with sqlite3.connect(folder / FILE) as database:
        database.execute("UPDATE guard_state SET state = '{' WHERE version = 10")
    database.close()
    with pytest.raises(FileUnreadable, match="cannot be read"):
        read_guard_state(folder, "churn", 10)


def test_reading_changes_nothing(folder):
    before = (folder / FILE).read_bytes()
    read_guard_state(folder, "churn")
    assert (folder / FILE).read_bytes() == before
