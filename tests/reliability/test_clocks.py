"""A wall clock that jumps ends no call too early and none too late: F30."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from email.utils import parsedate_to_datetime
from pathlib import Path
from threading import Thread
from time import time

import pytest
from tests import models
from tests.processes import Running, server, until

from fairlead.serving.bookkeeper import LEDGER
from fairlead.serving.exchange import ask

HOUR = 3600
JUMPS = [HOUR, -HOUR, 0, -int(time()), 0, 30 * 24 * HOUR, 0]
"""Forth, back, to 1970, a month on, and always right again."""
ROW = b'{"a": 1, "b": 2, "c": 3}'


class Wrong:
    """The clock of a server and of all its processes."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "wrong"
        self.file.write_text("0")
        here = Path(__file__).parent / "clock"
        self.environ = {"PYTHONPATH": str(here), "WRONG_CLOCK": str(self.file)}

    def by(self, seconds: int) -> None:
        other = self.file.with_suffix(".new")
        other.write_text(str(seconds))
        other.replace(self.file)


def key_of(state: Path) -> str:
    given = {"name": "good", "scopes": ["predict:*"]}
    return ask(state, {"kind": "keys.create", "given": given})["done"]["key"]


@pytest.fixture
def clock(tmp_path):
    return Wrong(tmp_path)


@pytest.fixture
def running(tmp_path, clock):
    models.total(tmp_path / "models")
    models.steps(tmp_path / "models", words="[limits]\ntime_budget_s = 3\n")
    environ = {**clock.environ, "FAIRLEAD_LIMITS__IDLE_TIMEOUT_S": "30"}
    with server(tmp_path / "models", state=tmp_path / "state", environ=environ) as made:
        until(made.ready)
        yield made


def test_calls_connections_keys_and_records_outlive_a_clock_that_jumps(running, clock, tmp_path):
    key = key_of(tmp_path / "state")
    headers = {
        "content-type": "application/json", "x-request-timeout": "5000",
        "authorization": f"Bearer {key}",
    }  # fmt: skip
    good: list[int] = []
    with closing(running.connect()) as known:

        def asked(connection) -> tuple[int, str]:
            connection.request("POST", "/predict/total", ROW, headers)
            answer = connection.getresponse()
            answer.read()
            good.extend([1] * (answer.status == 200))
            return answer.status, answer.headers["date"]

        until(lambda: asked(known)[0] == 200, 20)
        before = running.workers
        for jump in JUMPS:
            clock.by(jump)

            def told(jump: int = jump) -> bool:
                # The date of the answers is renewed once a second.
                date = parsedate_to_datetime(asked(known)[1]).timestamp()
                return abs(date - time() - jump) < 60

            until(told, 10, "the clock of the server is not wrong")
            for _ in range(10):
                assert asked(known)[0] == 200
                with closing(running.connect()) as new:
                    assert asked(new)[0] == 200
            assert running.ready()
        assert running.workers == before
        assert running.events("worker_silent") == []
    assert running.stop() == 0
    with closing(sqlite3.connect(tmp_path / "state" / LEDGER)) as ledger:
        counted = ledger.execute("SELECT sum(requests) FROM usage").fetchone()[0]
    assert counted == len(good) >= 20 * len(JUMPS)


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_what_hangs_is_ended_in_time_and_what_does_not_is_left(running, clock, jump):
    """The clock jumps while a call is executed: one that has the time is answered all the same."""
    told: dict[str, tuple[int, dict]] = {}

    def asked(name: str, steps: int) -> Thread:
        def run() -> None:
            with closing(running.connect(30)) as connection:
                told[name] = running.predict(connection, "steps", {"count": steps})

        thread = Thread(target=run)
        thread.start()
        return thread

    threads = [asked("long", 200_000), asked("endless", 10**9)]
    until(lambda: connections(running) >= 2)
    clock.by(jump)
    for thread in threads:
        thread.join(30)
    assert told["long"][0] == 200
    assert (told["endless"][0], told["endless"][1]["code"]) == (500, "MODEL_HUNG")


def connections(running: Running) -> int:
    lines = running.get("/metrics")[1].decode().splitlines()
    return max(int(one.split()[1]) for one in lines if one.startswith("fairlead_connections ")) - 1
