"""A real server with more to do than it can: what waits is bounded, and every call is answered."""

from __future__ import annotations

import resource
import sqlite3
import sys
from contextlib import closing
from threading import Thread

import pytest
from tests import models
from tests.processes import Running, server, until
from tests.serving.test_observe import parse

from fairlead.core.clock import now
from fairlead.serving.bookkeeper import LEDGER

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it finds processes in /proc")

FOR_EVER = {"count": 10**9}
BUDGET_S = 4


def sample(running: Running, name: str) -> float:
    status, body = running.get("/metrics")
    assert status == 200
    return sum(n for _, n in parse(body.decode(), openmetrics=False).get(name, []))


class Slow(Thread):
    """One call that runs into its model's time budget."""

    def __init__(self, running: Running) -> None:
        super().__init__()
        self.running = running
        self.status, self.body = 0, {}
        self.start()

    def run(self) -> None:
        with closing(self.running.connect()) as connection:
            self.status, self.body = self.running.predict(connection, "steps", FOR_EVER)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """One worker; two calls may wait for a model, for half a second."""
    folder = tmp_path_factory.mktemp("load")
    models.steps(folder / "models", words=f"[limits]\ntime_budget_s = {BUDGET_S}\nmax_batch = 1\n")
    models.total(folder / "models")
    config = folder / "fairlead.toml"
    config.write_text("[limits]\nqueue_calls = 2\nqueue_wait_s = 0.5\n")
    flags = [folder / "models", "--config", config]
    with server(*flags, state=folder / "state") as made:
        yield made


def test_a_full_queue_and_a_long_wait_are_refused_and_a_hung_model_is_stopped(running):
    """The slots are filled with calls that never end, then the queue, then one call too many."""
    began = now()
    callers: list[Slow] = []
    while sample(running, "fairlead_queued") < 2:
        callers.append(Slow(running))
        until(lambda: sample(running, "fairlead_connections") > len(callers))
        assert len(callers) < 200
        if any(caller.status for caller in callers):
            break
    with closing(running.connect()) as connection:
        status, body = running.predict(connection, "total", {"a": 1, "b": 2, "c": 3})
        assert (status, body["predictions"][0]["value"]) == (200, 6)
    for caller in callers:
        caller.join(60)
    codes = [(caller.status, caller.body.get("code")) for caller in callers]
    assert set(codes) == {(500, "MODEL_HUNG"), (503, "OVERLOADED")}
    waited = [c.body["detail"] for c in callers if "waited" in c.body["detail"]]
    assert len(waited) >= 1, "who waited longer than queue_wait_s is told so"
    assert now() - began < BUDGET_S * 4
    with closing(running.connect()) as connection:
        assert running.predict(connection, "steps", {"count": 3})[0] == 200


def test_a_call_beyond_the_queue_is_refused_without_waiting(running):
    callers: list[Slow] = []
    while not any("already" in caller.body.get("detail", "") for caller in callers):
        callers.append(Slow(running))
        assert len(callers) < 200
    refused = next(c for c in callers if "already" in c.body.get("detail", ""))
    assert refused.body["detail"] == "2 calls wait for model 'steps' already"
    assert (refused.status, refused.body["code"]) == (503, "OVERLOADED")
    for caller in callers:
        caller.join(60)
    assert all(caller.status in (500, 503) for caller in callers)


def test_a_full_disk_refuses_answers_and_they_come_again_when_there_is_room(tmp_path):
    """The worker's files may not grow, as if the disk were full; then they may again."""
    models.total(tmp_path / "models")
    with server(tmp_path / "models", state=tmp_path / "state") as running:
        (worker,) = running.workers
        answers: list[tuple[int, str]] = []

        def predict(count: int) -> None:
            with closing(running.connect()) as connection:
                for _ in range(count):
                    row = {"a": 1, "b": 2, "c": 3}
                    status, body = running.predict(connection, "total", row)
                    answers.append((status, body.get("code", "")))

        predict(3)
        endless = resource.RLIM_INFINITY
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (200, endless))
        predict(5)
        assert running.works()
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (endless, endless))
        predict(3)
        assert running.workers == [worker], "without a restart"
        assert running.stop() == 0
    assert answers[:3] == answers[-3:] == [(200, "")] * 3
    assert set(answers[3:8]) <= {(200, ""), (503, "JOURNAL_UNAVAILABLE")}
    assert (503, "JOURNAL_UNAVAILABLE") in answers
    acknowledged = sum(status == 200 for status, _ in answers)
    with closing(sqlite3.connect(tmp_path / "state" / LEDGER)) as ledger:
        assert ledger.execute("SELECT sum(requests) FROM usage").fetchone() == (acknowledged,)


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ("0", 504), ("-1", 400), ("NaN", 400), ("1e18", 400), ("1.5", 400), ("10 000", 400),
        ("1" * 400, 400), ("60000", 200), ("999999999", 200),
    ],
)  # fmt: skip
def test_a_deadline_is_taken_held_to_the_servers_most_or_refused(running, given, status):
    """One that is 0 has passed when it comes."""
    with closing(running.connect()) as connection:
        headers = {"content-type": "application/json", "x-request-timeout": given}
        connection.request("POST", "/predict/total", b'{"a": 1, "b": 2, "c": 3}', headers)
        assert connection.getresponse().status == status
