"""Metering survives kill -9: every acknowledged answer is in the ledger, and none twice."""

from __future__ import annotations

import http.client
import os
import random
import signal
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from threading import Event, Thread

import pytest
from tests import models
from tests.processes import Running, server, until

from fairlead.serving.bookkeeper import JOURNAL, LEDGER
from fairlead.usage.journal import read, sealed, segments

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it finds processes in /proc")

CALLERS = 6
KILLS = 8


class Caller(Thread):
    """Calls without a pause, on a new connection after each that breaks."""

    def __init__(self, running: Running, over: Event) -> None:
        super().__init__()
        self.running, self.over = running, over
        self.acknowledged = 0
        self.lost = 0

    def run(self) -> None:
        while not self.over.is_set():
            with closing(self.running.connect(timeout=10)) as connection:
                try:
                    while not self.over.is_set():
                        row = {"a": 1, "b": 2, "c": 3}
                        status, _ = self.running.predict(connection, "total", row)
                        self.acknowledged += status == 200
                except (OSError, http.client.HTTPException):
                    self.lost += 1


def acknowledged(callers: list[Caller]) -> int:
    return sum(caller.acknowledged for caller in callers)


def ledger(state) -> int:
    with closing(sqlite3.connect(f"file:{state / LEDGER}?mode=ro", uri=True)) as database:
        return database.execute("SELECT coalesce(sum(requests), 0) FROM usage").fetchone()[0]


def journal(state) -> Counter:
    """How often each (segment's writer, sequence) is in the journal."""
    found: Counter = Counter()
    for segment in segments(state / JOURNAL):
        for _, batch in read(segment):
            if batch is not None:
                writer = segment.name.rpartition("-")[0]
                found.update((writer, record.sequence) for record in batch.records())
    return found


def test_workers_and_bookkeepers_killed_at_random_lose_and_double_nothing(tmp_path):
    state, chance = tmp_path / "state", random.Random(20)
    models.total(tmp_path / "models")
    with server(tmp_path / "models", state=state, workers=2) as running:
        over = Event()
        callers = [Caller(running, over) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        for _ in range(KILLS):
            enough = acknowledged(callers) + chance.randrange(1, 400)
            until(lambda enough=enough: acknowledged(callers) > enough, 60)
            living = [*running.workers, *running.bookkeepers]
            if living:
                os.kill(chance.choice(living), signal.SIGKILL)
        over.set()
        for caller in callers:
            caller.join(60)
        assert running.stop() == 0
    recorded = journal(state)
    assert max(recorded.values()) == 1, "a record stands in the journal once"
    # What was recorded and never acknowledged was on its way when a worker died.
    lost = sum(caller.lost for caller in callers)
    assert acknowledged(callers) <= len(recorded) <= acknowledged(callers) + lost
    with server(tmp_path / "models", state=state) as again:
        until(lambda: ledger(state) >= len(recorded), says="not all of it is rolled up")
        assert again.stop() == 0
    assert ledger(state) == len(recorded), "and is summed once"


def test_what_a_killed_server_recorded_is_rolled_up_by_the_next(tmp_path):
    """Also what the bookkeeper had no time for: it is stopped, and everything is killed."""
    state = tmp_path / "state"
    models.total(tmp_path / "models")
    answered = 0
    for _ in range(2):
        with server(tmp_path / "models", state=state) as running:
            for process in running.bookkeepers:
                os.kill(process, signal.SIGSTOP)
            with closing(running.connect()) as connection:
                for _ in range(25):
                    status, _ = running.predict(connection, "total", {"a": 1, "b": 2, "c": 3})
                    answered += status == 200
            stopped = running.bookkeepers
            running.process.kill()
            running.process.wait()
            for process in stopped:
                os.kill(process, signal.SIGKILL)
    left = segments(state / JOURNAL)
    assert len(left) == 2
    assert all(map(sealed, left))
    with server(tmp_path / "models", state=state):
        until(lambda: ledger(state) == answered == 50)
    assert ledger(state) == 50
