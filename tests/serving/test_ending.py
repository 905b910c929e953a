"""How a worker ends: readiness first, then what was begun, and at last what is given up."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from contextlib import closing, contextmanager
from typing import Any

import pytest
import uvloop
from tests import models
from tests.processes import server, until

from fairlead.core.errors import FairleadError
from fairlead.serving.children import HURRY
from fairlead.serving.ending import Ending
from fairlead.serving.machine import waking_pipe
from fairlead.serving.supervisor import Supervisor

linux = pytest.mark.skipif(sys.platform != "linux", reason="it finds processes in /proc")


class Front:
    """Listeners with one connection, that ends once its answer is given."""

    def __init__(self) -> None:
        self.connections, self.draining = 1, False

    def drain(self) -> None:
        self.draining = True

    def end_idle(self) -> None:
        return None


class Queue:
    """One call that waits."""

    def __init__(self, front: Front) -> None:
        self._front, self.told = front, ""

    def give_up(self, error: FairleadError) -> int:
        self.told, self._front.connections = error.name, 0
        return 1


def ended(ending: Ending) -> tuple[Front, Queue]:
    """Drains with one call under way that never ends by itself."""
    front = Front()
    queue = Queue(front)

    async def run() -> None:
        await ending.delay()
        await ending.drain(front, lambda: [queue])

    asyncio.run(run())
    return front, queue


def test_what_outlasts_the_grace_is_answered_as_given_up(capsys):
    ending = Ending(0.01, 0.0)
    ending.told()
    front, queue = ended(ending)
    assert (front.draining, queue.told, ending.gave_up) == (True, "DRAINING", True)
    assert '"calls": 1' in capsys.readouterr().err


@pytest.mark.parametrize("heard", [("told", "hurry"), ("hurry",), ("hurry", "told")])
def test_hurried_it_waits_for_nothing_whatever_it_heard_first(heard, capsys):
    ending = Ending(1e6, 1e6)
    for one in heard:
        getattr(ending, one)()
    assert ended(ending)[1].told == "DRAINING"
    assert "gave_up" in capsys.readouterr().err


def test_who_leaves_to_another_has_no_delay_and_is_not_hurried_by_the_end_of_the_server():
    ending = Ending(0.01, 1e6)
    ending.leave()
    assert ending.leaving
    ended(ending)
    ending = Ending(0.01, 0.0)
    ending.leave()
    ending.told()
    assert not ending.leaving, "now the server ends"
    assert not ending._hurry.is_set()
    ending.hurry()
    assert ending._hurry.is_set()


def test_what_is_left_of_the_grace_is_none_once_it_ends_at_once():
    ending = Ending(1e6, 0.0)
    ending.told()
    assert 1e6 - 60 < ending.left_s <= 1e6
    ending.told()
    assert ending.left_s > 0.0, "whoever is told by more than one, as of a group of processes"
    ending.hurry()
    assert ending.left_s == 0.0


def test_who_ends_does_not_leave_any_more():
    ending = Ending(1.0, 0.0)
    ending.told()
    ending.leave()
    assert not ending.leaving


class Hall(Front):
    """Listeners whose callers are answered at once."""

    def __init__(self) -> None:
        super().__init__()
        self.connections = self.answered = 0


class Caller(asyncio.Protocol):
    """A connection that is answered, and then ended."""

    def __init__(self, hall: Hall) -> None:
        self._hall = hall

    def connection_made(self, transport: Any) -> None:
        self._hall.connections += 1
        transport.write(b"x")
        transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._hall.connections -= 1
        self._hall.answered += 1


def test_who_is_taken_in_the_last_moment_is_waited_for():
    """Its model must not be unloaded before it is answered."""

    async def ends() -> tuple[int, bytes]:
        loop, hall, ending = asyncio.get_running_loop(), Hall(), Ending(30.0, 0.0)
        server = await loop.create_server(lambda: Caller(hall), "127.0.0.1", 0)
        caller = socket.socket()
        loop.call_soon(ending.leave)
        loop.call_soon(caller.connect, server.sockets[0].getsockname())
        with closing(caller):
            await ending.over.wait()
            server.close()
            await ending.drain(hall, list)
            found = hall.answered, caller.recv(1) if hall.answered else b""
            await server.wait_closed()
            return found

    assert uvloop.run(ends()) == (1, b"x")


# --- with a real server -------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "models"
    models.total(folder)
    models.steps(folder)
    return folder


@linux
def test_while_the_delay_lasts_new_callers_are_answered_and_readiness_is_off(repository, tmp_path):
    environ = {"FAIRLEAD_SERVER__DRAIN_DELAY_S": "3"}
    with server(repository, state=tmp_path / "s", environ=environ) as running:
        running.process.send_signal(signal.SIGTERM)
        until(lambda: not running.ready())
        with closing(running.connect()) as connection:
            row = {"a": 1, "b": 2, "c": 3}
            assert running.predict(connection, "total", row)[0] == 200
        assert running.get("/readyz")[0] == 503
        assert running.process.wait(30) == 0


class Told:
    """A child; a second signal comes to the supervisor while this one is told, if it says so."""

    def __init__(self, supervisor: Supervisor, *, second: bool) -> None:
        self._supervisor, self._second = supervisor, second
        self.heard: list[int] = []
        self.until, self.looks = 0.0, 0

    def tell(self, number: int) -> None:
        self.heard.append(number)
        self._supervisor._signals += self._second

    def hurry(self, within_s: float) -> None:
        self.heard.append(HURRY)

    def overdue(self) -> bool:
        self.looks += 1
        return False

    @property
    def gone(self) -> bool:
        return HURRY in self.heard or self.looks > 5


@pytest.mark.parametrize("place", range(3))
def test_a_signal_that_comes_while_children_are_told_hurries_all_of_them(place):
    supervisor = Supervisor.__new__(Supervisor)
    supervisor._signals = 1
    read, write = waking_pipe()
    each = [Told(supervisor, second=number == place) for number in range(3)]
    assert supervisor._end(each, 1e9, read)
    assert [child.heard for child in each] == [[signal.SIGTERM, HURRY]] * 3
    os.close(read)
    os.close(write)


@contextmanager
def one_call_under_way(repository, state, **environ):
    """A server that executes a call which takes long, and the connection of its caller."""
    with (
        server(repository, state=state, environ=environ) as running,
        closing(running.connect()) as caller,
    ):
        body = b'{"count": 500000000}'
        caller.request("POST", "/predict/steps", body, {"content-type": "application/json"})
        until(lambda: b"fairlead_connections 2" in running.get("/metrics")[1])
        yield running, caller


@linux
@pytest.mark.parametrize("which", [(signal.SIGTERM, signal.SIGINT), (signal.SIGINT,)])
def test_a_second_signal_in_the_same_moment_is_none_the_less_heard(which, repository, tmp_path):
    """The supervisor knows of both before it tells its workers of either; of one it waits."""
    grace = {"FAIRLEAD_SERVER__GRACE_S": "3"}
    with one_call_under_way(repository, tmp_path / "s", **grace) as (running, caller):
        began = time.perf_counter()
        running.process.send_signal(signal.SIGSTOP)
        for number in which:
            running.process.send_signal(number)
        running.process.send_signal(signal.SIGCONT)
        answer = caller.getresponse()
        assert (answer.status, b"FRL-1503" in answer.read()) == (503, True)
        assert (time.perf_counter() - began < 2.5) == (len(which) > 1)
        assert running.process.wait(10) == 0
        assert running.events("killed") == []


@linux
def test_a_second_sigterm_answers_what_is_under_way_and_ends(repository, tmp_path):
    logged = {"FAIRLEAD_LOG__REQUESTS": "all"}
    with one_call_under_way(repository, tmp_path / "s", **logged) as (running, caller):
        running.process.send_signal(signal.SIGTERM)
        until(lambda: running.events("draining"))
        running.process.send_signal(signal.SIGTERM)
        answer = caller.getresponse()
        assert (answer.status, b"FRL-1503" in answer.read()) == (503, True)
        assert running.process.wait(10) == 0
        assert running.events("gave_up")[0]["calls"] == 1
        assert running.events("killed") == []
        assert [one["status"] for one in running.events("request") if "model" in one] == [503]
