"""PostgreSQL that is away, restarted, full of connections, or cut off in a change: told in our
words, tried again where that is safe, and no change is lost, done twice, or misreported."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest
from tests.access.parts import made
from tests.databases import Postgres

from fairlead.core.errors import (
    DatabaseAddressInvalid,
    StateInvalid,
    StateUnavailable,
    StateUncertain,
    StateValueInvalid,
)
from fairlead.usage.stores import postgres as module
from fairlead.usage.stores.database import connection, open_database
from fairlead.usage.stores.keys import open_keys

SCHEMA = "CREATE TABLE IF NOT EXISTS thing (id INTEGER PRIMARY KEY, words TEXT);"


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    """Between two tries to connect; the pause has a test of its own."""
    monkeypatch.setattr(module, "_PAUSE_NS", 0)


@pytest.fixture
def address(postgres) -> str:
    return postgres.fresh()


@pytest.fixture
def database(address):
    with closing(open_database(address, SCHEMA, name="things")) as opened:
        yield opened


@pytest.fixture
def own() -> Iterator[Postgres]:
    """A server that a test may stop."""
    server = Postgres()
    yield server
    server.remove()


def put(database, number: int) -> None:
    with database.writing():
        database.rows("INSERT INTO thing (id) VALUES (?)", (number,))


def ids(database) -> list[int]:
    return [row[0] for row in database.rows("SELECT id FROM thing ORDER BY id")]


def end_connections(postgres, address) -> int:
    """Ends every connection of ours, as an administrator does."""
    ended = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
    """
    with closing(postgres.connect(address)) as outside:
        count = outside.run(ended)[0][0]
        while outside.run(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )[0][0]:
            outside.run("SELECT pg_sleep(0.01)")
    return count


def test_everything_lies_in_a_schema_of_its_own(database, postgres, address):
    put(database, 1)
    with closing(postgres.connect(address)) as outside:
        tables = outside.run("SELECT schemaname, tablename FROM pg_tables WHERE tableowner = USER")
        ours = {(schema, table) for schema, table in tables if schema not in SYSTEM}
    assert ours == {("fairlead", "format"), ("fairlead", "thing")}


SYSTEM = {"pg_catalog", "information_schema"}


def test_a_nul_is_no_text_there(database):
    with pytest.raises(StateValueInvalid), database.writing():
        database.rows("INSERT INTO thing VALUES (1, ?)", ("a\0b",))


def test_a_connection_that_was_ended_is_made_anew(database, postgres, address):
    put(database, 1)
    assert end_connections(postgres, address) == 1
    assert ids(database) == [1]
    end_connections(postgres, address)
    put(database, 2)
    end_connections(postgres, address)
    with database.reading():
        assert ids(database) == [1, 2]


def test_a_connection_that_ends_within_a_change_undoes_it(database, postgres, address):
    def cut():
        with database.writing():
            database.rows("INSERT INTO thing (id) VALUES (1)")
            end_connections(postgres, address)
            database.rows("INSERT INTO thing (id) VALUES (2)")

    with pytest.raises(StateUnavailable) as told:
        cut()
    assert not isinstance(told.value, StateUncertain)
    assert ids(database) == []
    put(database, 3)
    assert ids(database) == [3]


def test_a_change_goes_on_with_nothing_after_the_line_broke_in_it(database, postgres, address):
    """Whoever takes the error for nothing must not write the rest outside of the change."""

    def swallow():
        with database.writing():
            end_connections(postgres, address)
            for number in (1, 2):
                with suppress(Exception):
                    database.rows(f"INSERT INTO thing (id) VALUES ({number})")

    with pytest.raises(StateUnavailable):
        swallow()
    assert ids(database) == []


def test_a_server_that_restarts_is_waited_for_and_keeps_everything(own):
    address = own.fresh()
    with closing(open_keys(address)) as store:
        minted = made()
        store.create(minted[1].key, minted[1].digest)
        for mode in ("fast", "immediate"):
            own.stop(mode)
            with pytest.raises(StateUnavailable, match="the database of keys does not work"):
                store.revision()
            with pytest.raises(StateUnavailable) as told:
                store.revoke("*", 5)
            assert "tests-only" not in told.value.line()
            own.start()
            assert store.snapshot() == (1, [minted[1]])
        store.revoke("*", 5)
        assert store.revision() == 2


def test_a_database_that_is_away_delays_nobody_who_asks_often(monkeypatch):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # nobody listens here
        port = held.getsockname()[1]
        database = connection(f"postgresql://a:b@127.0.0.1:{port}/c", "things")
        monkeypatch.setattr(module, "_PAUSE_NS", 10**15)
        with pytest.raises(StateUnavailable) as first:
            database.rows("SELECT 1")
        with pytest.raises(StateUnavailable) as second:
            database.rows("SELECT 1")
        assert first.value is second.value
        monkeypatch.setattr(module, "_PAUSE_NS", 0)
        with pytest.raises(StateUnavailable) as third:
            database.rows("SELECT 1")
        assert third.value is not first.value


@pytest.mark.parametrize("wrong", ["password", "database", "user"])
def test_what_the_server_refuses_is_told_without_the_password(postgres, wrong):
    address = postgres.fresh()
    if wrong == "password":
        address = address.replace("tests-only", "not-this-one")
    elif wrong == "user":
        address = address.replace("//fairlead:", "//nobody:")
    else:
        address = address.replace("/test_", "/none_")
    with pytest.raises(StateUnavailable) as told:
        open_database(address, SCHEMA)
    assert "not-this-one" not in told.value.line()
    assert "tests-only" not in told.value.line()


def test_a_password_that_was_mended_works_without_a_restart(own):
    address = own.fresh()
    with closing(open_database(address, SCHEMA, name="things")) as database:
        put(database, 1)
        with closing(own.connect(address)) as outside:
            outside.run("ALTER USER fairlead PASSWORD 'another'")
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        with closing(_as(own, address, "another")) as outside:
            outside.run(f"{end} AND datname = current_database()")
            with pytest.raises(StateUnavailable, match="password authentication failed"):
                ids(database)
            outside.run("ALTER USER fairlead PASSWORD 'tests-only'")
        assert ids(database) == [1]


def _as(server, address, password):
    import pg8000.native

    return pg8000.native.Connection(
        "fairlead", host="127.0.0.1", port=server.port, password=password,
        database=address.rpartition("/")[2], ssl_context=False,
    )  # fmt: skip


def test_what_this_user_may_not_do_is_told_and_the_rest_works(database, postgres, address):
    put(database, 1)
    with closing(postgres.connect(address)) as outside:
        outside.run("CREATE ROLE reader LOGIN PASSWORD 'tests-only'")
        outside.run("GRANT USAGE ON SCHEMA fairlead TO reader")
        outside.run("GRANT SELECT ON ALL TABLES IN SCHEMA fairlead TO reader")
    mine = open_database(address.replace("//fairlead:", "//reader:"), SCHEMA, name="things")
    with closing(mine):
        assert ids(mine) == [1]
        with pytest.raises(StateUnavailable, match="permission denied"):
            put(mine, 2)
        with closing(postgres.connect(address)) as outside:
            outside.run("GRANT INSERT ON fairlead.thing TO reader")
        put(mine, 2)
        assert ids(mine) == [1, 2]


def test_a_statement_that_takes_too_long_is_ended_and_the_change_undone(database):
    database.rows("SELECT set_config('statement_timeout', '50', false)")

    def slow():
        with database.writing():
            database.rows("INSERT INTO thing (id) VALUES (1)")
            database.rows("SELECT pg_sleep(30)")

    with pytest.raises(StateUnavailable, match="statement timeout"):
        slow()
    assert ids(database) == []


def test_an_encoding_that_cannot_hold_every_text_is_told(postgres):
    with closing(postgres.connect("postgres")) as outside:
        outside.run(
            "CREATE DATABASE ascii_only TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' "
            "LC_CTYPE 'C'"
        )
    with closing(open_database(postgres.address("ascii_only"), SCHEMA, name="things")) as database:
        with database.writing():
            database.rows("INSERT INTO thing VALUES (1, ?)", ("ä",))
        with pytest.raises(StateValueInvalid), database.writing():
            database.rows("INSERT INTO thing VALUES (2, ?)", ("\u4e2d",))
        assert database.rows("SELECT words FROM thing") == [("ä",)]


def test_synchronous_commit_is_on_for_us(own):
    with closing(own.connect("postgres")) as outside:
        outside.run("ALTER SYSTEM SET synchronous_commit = off")
        outside.run("SELECT pg_reload_conf()")
    with closing(open_database(own.fresh(), SCHEMA, name="things")) as database:
        assert database.rows("SHOW synchronous_commit") == [("on",)]


def test_tables_that_were_dropped_beneath_us_are_told(database, postgres, address):
    put(database, 1)
    with closing(postgres.connect(address)) as outside:
        outside.run("DROP TABLE fairlead.thing")
    with pytest.raises(StateInvalid, match="not of the form"):
        ids(database)


def test_a_column_that_was_changed_beneath_a_prepared_statement_is_seen(
    database, postgres, address
):
    """PostgreSQL refuses a prepared statement whose result has another type since."""
    put(database, 1)
    asked = "SELECT * FROM thing"
    assert database.rows(asked) == [(1, None)]
    with closing(postgres.connect(address)) as outside:
        outside.run("ALTER TABLE fairlead.thing ADD COLUMN more TEXT")
    assert database.rows(asked) == [(1, None, None)]


def test_many_different_statements_leave_few_prepared(database):
    for number in range(module._MOST_PREPARED + 50):
        database.rows(f"SELECT {number}")
    kept = database.rows("SELECT count(*) FROM pg_prepared_statements")[0][0]
    assert kept <= module._MOST_PREPARED + 1


def test_without_the_library_the_extra_is_named(monkeypatch):
    from fairlead.core.errors import MissingExtra

    monkeypatch.setitem(__import__("sys").modules, "pg8000.native", None)
    with pytest.raises(MissingExtra, match="pg8000"):
        connection("postgresql://a:b@127.0.0.1/c", "things")


def test_a_wrong_address_is_told_before_anything_is_connected():
    with pytest.raises(DatabaseAddressInvalid):
        connection("postgresql://127.0.0.1", "things")
