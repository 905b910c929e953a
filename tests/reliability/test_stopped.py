"""Processes that are stopped (SIGSTOP) and go on, or do not: F31."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests import models
from tests.processes import Running, alive, children, server, until
from tests.raw import Raw, post

from fairlead.serving.bookkeeper import LEDGER

BUDGET = "[limits]\ntime_budget_s = 1\n"


def asked(number: int) -> bytes:
    return post("/predict/total", b"[%d,0,0]" % number)


def value(raw: Raw) -> float:
    answer = raw.read()
    assert answer is not None
    assert answer.status == 200, answer
    return answer.json()["predictions"][0]["value"]


def good(running: Running, number: int) -> None:
    """A new caller is answered."""
    with Raw(running.port) as raw:
        raw.send(asked(number))
        assert value(raw) == number


@pytest.fixture
def repository(tmp_path):
    models.total(tmp_path / "models", words=BUDGET)
    return tmp_path / "models"


def holds(worker: int, raw: Raw, port: int) -> bool:
    """Whether this worker has the other end of a connection."""
    mine = raw._socket.getsockname()[1]
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ends = (f":{port:04X}", f":{mine:04X}")
    (inode,) = [one[9] for one in lines if one[1].endswith(ends[0]) and one[2].endswith(ends[1])]
    return any(
        os.readlink(file) == f"socket:[{inode}]" for file in Path(f"/proc/{worker}/fd").iterdir()
    )


def held_by(running: Running, worker: int) -> Raw:
    """A connection that this worker has."""
    others: list[Raw] = []
    while True:
        raw = Raw(running.port)
        raw.send(asked(1))
        assert value(raw) == 1
        if holds(worker, raw, running.port):
            for other in others:
                other.close()
            return raw
        others.append(raw)
        assert len(others) < 1000


def counted(state: Path) -> int:
    """Calls in the ledger."""
    with closing(sqlite3.connect(state / LEDGER)) as ledger:
        return ledger.execute("SELECT coalesce(sum(requests), 0) FROM usage").fetchone()[0]


def test_a_worker_that_goes_on_answers_each_call_once_and_in_order(repository, tmp_path):
    with server(repository, state=tmp_path / "state", workers=2) as running:
        until(running.ready)
        victim = running.workers[0]
        with closing(held_by(running, victim)) as raw:
            os.kill(victim, signal.SIGSTOP)
            for number in range(2, 7):
                raw.send(asked(number))
            for number in range(20):
                good(running, number)
            assert raw.quiet(0.05), "it is stopped"
            os.kill(victim, signal.SIGCONT)
            assert [value(raw) for _ in range(5)] == [2, 3, 4, 5, 6]
            assert raw.quiet(0.2), "nothing is answered twice"
        assert victim in running.workers


def test_a_worker_that_does_not_go_on_is_replaced_and_says_nothing_late(repository, tmp_path):
    """After ten seconds without a heartbeat. New callers are answered by the other all the time."""
    with server(repository, state=tmp_path / "state", workers=2) as running:
        until(running.ready)
        victim, other = running.workers
        with closing(held_by(running, victim)) as raw:
            os.kill(victim, signal.SIGSTOP)
            raw.send(asked(7))
            answered = 0
            while alive(victim):
                good(running, answered)
                answered += 1
                assert running.ready()
            assert raw.read() is None, "its connection ends without an answer"
        assert answered > 20
        assert [event["process"] for event in running.events("worker_silent")] == ["worker 0"]
        until(lambda: len(running.workers) == 2 and running.ready())
        assert other in running.workers


def test_a_runner_that_is_stopped_is_taken_for_hung(repository, tmp_path):
    environ = {"FAIRLEAD_MODELS__ISOLATE": "total"}
    with server(repository, state=tmp_path / "state", environ=environ) as running:
        until(running.ready)
        (worker,) = running.workers
        (runner,) = (p for p, line in children(worker).items() if "runner.child" in line)
        os.kill(runner, signal.SIGSTOP)
        with Raw(running.port) as raw:
            answer = raw.ask(asked(1))
            assert (answer.status, answer.json()["code"]) == (500, "MODEL_HUNG")
            assert not alive(runner)
            raw.send(asked(2))
            assert value(raw) == 2
        assert [event["why"] for event in running.events("runner_ended")] == ["hung"]
        assert running.workers == [worker]


def test_a_bookkeeper_that_stands_still_holds_up_no_call_and_counts_each_once(repository, tmp_path):
    with server(repository, state=tmp_path / "state") as running:
        until(running.ready)
        (bookkeeper,) = running.bookkeepers
        os.kill(bookkeeper, signal.SIGSTOP)
        for number in range(100):
            good(running, number)
        assert running.ready()
        os.kill(bookkeeper, signal.SIGCONT)
        for number in range(100):
            good(running, number)
        assert running.bookkeepers == [bookkeeper]
        assert running.stop() == 0
    assert counted(tmp_path / "state") == 200


def test_a_bookkeeper_that_does_not_go_on_is_replaced_and_no_call_is_lost(repository, tmp_path):
    """After thirty seconds without a heartbeat."""
    with server(repository, state=tmp_path / "state") as running:
        until(running.ready)
        (bookkeeper,) = running.bookkeepers
        os.kill(bookkeeper, signal.SIGSTOP)
        for number in range(50):
            good(running, number)
        until(lambda: running.bookkeepers not in ([], [bookkeeper]), 60)
        assert [e["process"] for e in running.events("worker_silent")] == ["bookkeeper"]
        until(lambda: counted(tmp_path / "state") == 50)
