"""Changes of which the end is cut off on its way to PostgreSQL: done, undone, or told as such."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from threading import Event, Thread

import pytest
from tests.databases import Postgres

from fairlead.core.errors import (
    StateUnavailable,
    StateUncertain,
)
from fairlead.usage.stores import postgres as module
from fairlead.usage.stores.database import open_database

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


# --- the end of a change, cut off -------------------------------------------------------------


class Between:
    """A line to the server that is cut at a COMMIT, once it is armed: before the server has it, or
    after.

    again: whether a later connection is let through.
    """

    def __init__(self, port: int, *, arrives: bool, again: bool = True) -> None:
        self._to, self._arrives, self._again = port, arrives, again
        self.armed = False
        self.cut = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads = [Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.cut and not self._again:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self._to))
            self._open += [client, server]
            deaf, answered = Event(), Event()
            for run in (self._up, self._down):
                thread = Thread(target=run, args=(client, server, deaf, answered))
                self._threads.append(thread)
                thread.start()

    def _up(self, client, server, deaf: Event, answered: Event) -> None:
        prepared = b"COMMIT is prepared first, by a name, and then executed by it"
        with suppress(OSError):
            while raw := client.recv(65536):
                if b"COMMIT\0" in raw:
                    prepared = raw[raw.index(b"pg8000_") :].split(b"\0")[0]
                elif self.armed and b"\0" + prepared + b"\0" in raw:
                    self.armed = False
                    self.cut += 1
                    deaf.set()
                    if self._arrives:
                        server.sendall(raw)
                        assert answered.wait(10)
                    break
                server.sendall(raw)
        _close(client, server)

    def _down(self, client, server, deaf: Event, answered: Event) -> None:
        with suppress(OSError):
            while raw := server.recv(65536):
                if deaf.is_set():
                    answered.set()
                else:
                    client.sendall(raw)
        answered.set()
        _close(client, server)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        _close(*self._open)
        for thread in self._threads:
            thread.join(10)


def _close(*sockets: socket.socket) -> None:
    for one in sockets:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


@pytest.fixture
def between(postgres, address):
    """Makes a database behind a line that is cut; `end` tells which of the two it was."""
    made_here = []

    def make(**more):
        line = Between(postgres.port, **more)
        name = address.rpartition("/")[2]
        database = open_database(postgres.address(name, line.port), "", name="nothing")
        made_here.extend([database, line])
        line.armed = True
        return database, line

    yield make
    for one in made_here:
        one.close()


def test_a_commit_that_never_arrived_is_no_change_and_told_as_one(database, between):
    mine, line = between(arrives=False)
    with pytest.raises(StateUnavailable) as told:
        put(mine, 1)
    assert line.cut == 1
    assert not isinstance(told.value, StateUncertain)
    assert ids(database) == []
    put(mine, 1)
    assert ids(database) == [1]


def test_a_commit_of_which_nobody_heard_the_end_is_found_to_be_kept(database, between):
    mine, line = between(arrives=True)
    put(mine, 1)
    assert line.cut == 1
    assert ids(database) == [1]
    put(mine, 2)
    assert ids(mine) == [1, 2]


@pytest.mark.parametrize("arrives", [True, False])
def test_an_end_that_nobody_can_look_up_is_uncertain(database, between, arrives):
    mine, line = between(arrives=arrives, again=False)
    with pytest.raises(StateUncertain) as told:
        put(mine, 1)
    assert line.cut == 1
    assert "tests-only" not in told.value.line()


def test_another_history_of_the_server_says_nothing_of_a_change(database, between, monkeypatch):
    """After a fail-over to a copy that lags, numbers of transactions are given a second time."""
    mine, line = between(arrives=True)
    monkeypatch.setattr(module, "_FATE", "SELECT 'committed', '99999999' WHERE ? <> ''")
    with pytest.raises(StateUncertain):
        put(mine, 1)
    assert line.cut == 1
