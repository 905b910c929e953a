"""Metering survives kill -9: every acknowledged answer is in the ledger, and none twice."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from contextlib import closing

import pytest
from benchmarks.access import kills
from tests import models
from tests.processes import server, until

from fairlead.serving.bookkeeper import JOURNAL, LEDGER
from fairlead.usage.journal import sealed, segments

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it finds processes in /proc")


def ledger(state) -> int:
    with closing(sqlite3.connect(f"file:{state / LEDGER}?mode=ro", uri=True)) as database:
        return database.execute("SELECT coalesce(sum(requests), 0) FROM usage").fetchone()[0]


def test_ended_and_killed_in_every_way_under_load_it_loses_and_doubles_nothing():
    """SIGTERM and SIGKILL, each to a worker, the bookkeeper and everything in turn."""
    part = kills.run(kills=6)
    assert [p.text for p in part.promises if not p.kept] == [], part.lines
    assert part.figures["answered"] > 500


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
