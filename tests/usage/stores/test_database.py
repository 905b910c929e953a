"""One layer over SQLite and PostgreSQL: the same statements mean the same, changes are whole, and
formats go up one by one or not at all."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.databases import looked_at

from fairlead.core.errors import (
    StateConflict,
    StateInvalid,
    StateNewer,
    StateUnavailable,
    StateValueInvalid,
)
from fairlead.usage.stores import (
    accuracy,
    audit,
    guards,
    keys,
    ledger,
    meters,
    plans,
    revision,
)
from fairlead.usage.stores.database import connection, open_database
from fairlead.usage.stores.formats import Part

SCHEMA = """
CREATE TABLE IF NOT EXISTS thing (
    id INTEGER PRIMARY KEY, words TEXT, raw BLOB, real REAL, CHECK (id <> 13)) STRICT;
"""


@pytest.fixture
def database(place):
    with closing(open_database(place, SCHEMA, name="things")) as opened:
        yield opened


@pytest.fixture
def other(place, database):
    """The same database in another process's eyes."""
    with closing(open_database(place, SCHEMA, name="things")) as opened:
        yield opened


def put(database, *ids: int) -> None:
    database.many("INSERT INTO thing (id) VALUES (?)", [(number,) for number in ids])


def ids(database) -> list[int]:
    return [row[0] for row in database.rows("SELECT id FROM thing ORDER BY id")]


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)


@given(
    words=st.none() | TEXT,
    raw=st.none() | st.binary(max_size=40),
    real=st.none() | st.floats(allow_nan=False),
    number=st.integers(-(2**63), 2**63 - 1).filter(lambda n: n != 13),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_values_come_back_as_they_were(database, number, words, raw, real):
    with database.writing():
        database.rows("DELETE FROM thing")
        database.rows("INSERT INTO thing VALUES (?, ?, ?, ?)", (number, words, raw, real))
    assert database.rows("SELECT * FROM thing") == [(number, words, raw, real)]
    assert database.rows("SELECT id FROM thing WHERE words = ?", (words,)) == (
        [] if words is None else [(number,)]
    )


@pytest.mark.parametrize("text", ["' OR 1=1 --", "'; DROP TABLE thing; --", "?", ":p0", "$1", "\\"])
def test_no_value_is_taken_for_sql(database, text):
    with database.writing():
        database.rows("INSERT INTO thing (id, words) VALUES (?, ?)", (1, text))
    assert database.rows("SELECT words FROM thing WHERE words = ?", (text,)) == [(text,)]
    assert database.rows("SELECT 1 FROM thing WHERE words = ?", (text + "x",)) == []


def test_text_is_ordered_byte_by_byte(database):
    words = ["a", "B", "ä", "Z", "_", "-", "10", "9", ""]
    with database.writing():
        database.many("INSERT INTO thing (id, words) VALUES (?, ?)", list(enumerate(words)))
    found = [row[0] for row in database.rows("SELECT words FROM thing ORDER BY words")]
    assert found == sorted(words, key=str.encode)


def test_sums_and_counts_are_whole_numbers(database):
    with database.writing():
        put(database, 2**60, 2**60 + 1)
    [(total, count, half)] = database.rows("SELECT sum(id), count(*), max(id) / 2 FROM thing")
    assert (total, count, half) == (2**61 + 1, 2, 2**59)
    assert all(type(value) is int for value in (total, count, half))


@pytest.mark.parametrize("value", ["half \ud800", 2**63, -(2**63) - 1])
def test_a_value_that_cannot_be_kept_is_told_and_nothing_is_changed(database, value):
    column = "words" if isinstance(value, str) else "id"
    with pytest.raises(StateValueInvalid):
        _change(database, f"INSERT INTO thing ({column}) VALUES (?)", (value,))
    assert ids(database) == []


def _change(database, sql, values=()):
    with database.writing():
        put(database, 1)
        database.rows(sql, values)


@pytest.mark.parametrize("wrong", [1, 13], ids=["twice", "check"])
def test_a_rule_of_a_table_undoes_the_whole_change(database, wrong):
    with database.writing():
        put(database, 1)
    with pytest.raises(StateConflict), database.writing():
        put(database, 2, wrong)
    assert ids(database) == [1]
    with database.writing():
        put(database, 3)
    assert ids(database) == [1, 3]


def test_an_error_of_the_caller_undoes_the_whole_change(database):
    def fail():
        with database.writing():
            put(database, 1)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert ids(database) == []


def test_a_change_is_seen_by_others_when_it_is_whole(database, other):
    with database.writing():
        put(database, 1)
        assert ids(other) == []
        put(database, 2)
    assert ids(other) == [1, 2]


def test_reading_sees_one_moment(database, other):
    with database.reading():
        assert ids(database) == []
        with other.writing():
            put(other, 1)
        assert ids(database) == []
    assert ids(database) == [1]


def test_two_writers_follow_each_other(place, database):
    """What is read in a change is true until its end, so both may count from what is there."""

    def grow(mine):
        for _ in range(20):
            with mine.writing():
                top = mine.rows("SELECT coalesce(max(id), 100) FROM thing")[0][0]
                put(mine, top + 1)

    def in_a_thread():
        with closing(connection(place, "things")) as own:
            grow(own)

    thread = Thread(target=in_a_thread)
    thread.start()
    grow(database)
    thread.join()
    assert ids(database) == list(range(101, 141))


def test_a_closed_database_is_opened_when_it_is_next_asked(database):
    with database.writing():
        put(database, 1)
    database.close()
    assert ids(database) == [1]
    database.close()
    with database.writing():
        put(database, 2)
    assert ids(database) == [1, 2]


def test_tables_that_are_missing_are_told(place, database):
    with pytest.raises(StateInvalid, match="not of the form"):
        database.rows("SELECT * FROM nothing")


# --- formats ----------------------------------------------------------------------------------


STORES = [audit, keys, ledger, meters, plans, revision]
LOCAL = [accuracy, guards]
"""Those that only ever lie in the state folder."""


@pytest.mark.parametrize("part", [s.PART for s in STORES], ids=lambda part: part.name)
def test_every_store_notes_its_format_and_refuses_a_newer_one(place, part, request):
    server = None if isinstance(place, Path) else request.getfixturevalue("postgres")
    _newer_is_refused(place, part, server)


@pytest.mark.parametrize("part", [s.PART for s in LOCAL], ids=lambda part: part.name)
def test_so_do_stores_of_the_state_folder(tmp_path, part):
    _newer_is_refused(tmp_path / f"{part.name}.sqlite", part, None)


def _newer_is_refused(place, part, server):
    def open_it():
        with closing(connection(place, part.name)) as opened:
            opened.adopt(part)
            return opened.rows("SELECT version FROM format WHERE name = ?", (part.name,))

    assert open_it() == open_it() == [(part.format,)]
    looked_at(place, server, f"UPDATE format SET version = 99 WHERE name = '{part.name}'")
    with pytest.raises(StateNewer, match=f"are of format 99, this release knows {part.format}"):
        open_it()
    assert looked_at(place, server, "SELECT max(version) FROM format") == [(99,)]


V1 = Part("things", "CREATE TABLE IF NOT EXISTS thing (id INTEGER PRIMARY KEY);")
V3 = Part(
    "things",
    """
    CREATE TABLE IF NOT EXISTS thing (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS more (id INTEGER PRIMARY KEY);
    """,
    3,
    {
        1: "ALTER TABLE thing ADD COLUMN name TEXT NOT NULL DEFAULT 'none';",
        2: lambda database: database.rows("UPDATE thing SET name = 'n' || id"),
    },
)


def older(place) -> None:
    with closing(connection(place, "things")) as opened:
        opened.adopt(V1)
        with opened.writing():
            put(opened, 1, 2)


def test_an_older_database_goes_up_step_by_step_after_a_copy(place, request):
    older(place)
    with closing(connection(place, "things")) as opened:
        opened.adopt(V3)
        assert opened.rows("SELECT id, name FROM thing ORDER BY id") == [(1, "n1"), (2, "n2")]
        assert opened.rows("SELECT * FROM more") == []
        assert opened.rows("SELECT name, version FROM format") == [("things", 3)]
    if isinstance(place, Path):
        copy = place.with_name("test.before-format-3.sqlite")
        assert copy.stat().st_mode & 0o777 == 0o600
        with closing(sqlite3.connect(copy)) as before:
            assert before.execute("SELECT * FROM thing").fetchall() == [(1,), (2,)]
            assert before.execute("SELECT * FROM format").fetchall() == [("things", 1)]
        return
    server = request.getfixturevalue("postgres")
    kept = "SELECT * FROM fairlead_before_things_3"
    assert looked_at(place, server, f"{kept}.thing") == [(1,), (2,)]
    assert looked_at(place, server, f"{kept}.format") == [("things", 1)]


def _fails_at(number: int) -> Part:
    def fail(database):
        database.rows("UPDATE thing SET name = 'half'")
        raise RuntimeError("killed")

    migrations = dict(V3.migrations)
    migrations[number] = fail if number == 2 else "ALTER TABLE thing ADD COLUMN name TEXT; NO SQL;"
    return Part("things", V3.schema, 3, migrations)


@pytest.mark.parametrize("step", [1, 2])
def test_a_change_of_format_that_fails_changes_nothing(place, step, request):
    older(place)
    with closing(connection(place, "things")) as opened:
        with pytest.raises((RuntimeError, StateInvalid)):
            opened.adopt(_fails_at(step))
        assert opened.rows("SELECT * FROM thing ORDER BY id") == [(1,), (2,)]
        assert opened.rows("SELECT version FROM format") == [(1,)]
        opened.adopt(V3)
        assert opened.rows("SELECT name FROM thing ORDER BY id") == [("n1",), ("n2",)]


def test_a_schema_that_fails_at_its_end_leaves_nothing(place):
    with closing(connection(place, "things")) as opened:
        with pytest.raises(StateInvalid):
            opened.adopt(Part("things", f"{V1.schema} CREATE NONSENSE;"))
        opened.adopt(V1)
        assert ids(opened) == []


def test_a_format_that_is_no_longer_read_is_told(place):
    older(place)
    with closing(connection(place, "things")) as opened:
        with pytest.raises(StateInvalid, match="no longer reads"):
            opened.adopt(Part("things", V3.schema, 3, {2: ""}))
        assert ids(opened) == [1, 2]


def test_parts_of_one_database_have_formats_of_their_own(place):
    other = Part("others", "CREATE TABLE IF NOT EXISTS other (id INTEGER PRIMARY KEY);", 4)
    with closing(connection(place, "things")) as opened:
        opened.adopt(V1)
        opened.adopt(other)
        opened.adopt(V3)
        found = opened.rows("SELECT name, version FROM format ORDER BY name")
        assert found == [("others", 4), ("things", 3)]


def test_a_file_of_before_parts_had_names_goes_on(tmp_path):
    """As the ledger and live accuracy were written at first: one format a file, without a name."""
    file = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(file, isolation_level=None)) as raw:
        raw.executescript(
            "CREATE TABLE format (version INTEGER NOT NULL); INSERT INTO format VALUES (1);"
            "CREATE TABLE thing (id INTEGER PRIMARY KEY); INSERT INTO thing VALUES (7);"
        )
    file.chmod(0o600)
    with closing(connection(file, "things")) as opened:
        opened.adopt(V3)
        assert opened.rows("SELECT id, name FROM thing") == [(7, "n7")]
        assert opened.rows("SELECT name, version FROM format") == [("things", 3)]
    with closing(sqlite3.connect(tmp_path / "old.before-format-3.sqlite")) as before:
        assert before.execute("SELECT version FROM format").fetchall() == [(1,)]


def test_a_statement_may_hold_a_semicolon(tmp_path):
    schema = """
    CREATE TABLE IF NOT EXISTS thing (id INTEGER PRIMARY KEY, words TEXT DEFAULT 'a;b');
    CREATE TRIGGER IF NOT EXISTS always AFTER INSERT ON thing BEGIN
        UPDATE thing SET words = words || ';' WHERE id = new.id; END;
    """
    with closing(open_database(tmp_path / "a.sqlite", schema)) as opened:
        with opened.writing():
            put(opened, 1)
        assert opened.rows("SELECT words FROM thing") == [("a;b;",)]


def test_somebody_elses_lock_is_told_and_reading_goes_on(place, database, request):
    if isinstance(place, Path):
        database.rows("PRAGMA busy_timeout = 1")
        holder = sqlite3.connect(place, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
    else:
        database.rows("SELECT set_config('lock_timeout', '50', false)")
        holder = request.getfixturevalue("postgres").connect(place)
        holder.run("BEGIN")
        holder.run(f"SELECT pg_advisory_xact_lock({database._lock})")
    with closing(holder):
        with pytest.raises(StateUnavailable), database.writing():
            put(database, 1)
        assert ids(database) == []
    with database.writing():
        put(database, 1)
