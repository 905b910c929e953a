"""When descriptors or memory run out, what matters most is the last to suffer."""

from __future__ import annotations

import resource
import socket
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest
from tests import models
from tests.processes import children, server, until

ROW = {"a": 1, "b": 2, "c": 3}


@pytest.fixture
def repository(tmp_path):
    models.total(tmp_path / "models")
    return tmp_path / "models"


def test_memory_that_runs_out_costs_models_first_and_the_supervisor_last(repository, tmp_path):
    environ = {"FAIRLEAD_MODELS__ISOLATE": "total"}
    with server(repository, state=tmp_path / "s", environ=environ) as running:

        def score(process: int) -> int:
            return int(Path(f"/proc/{process}/oom_score_adj").read_text())

        (worker,), (bookkeeper,) = running.workers, running.bookkeepers
        (runner,) = (p for p, line in children(worker).items() if "runner.child" in line)
        scores = [score(p) for p in (running.process.pid, bookkeeper, worker, runner)]
        assert scores == sorted(set(scores)), "each dies before the one above it"


def test_without_descriptors_those_who_are_there_are_served_and_it_recovers(repository, tmp_path):
    with server(repository, state=tmp_path / "s") as running, closing(running.connect()) as known:
        (worker,) = running.workers
        assert running.predict(known, "total", ROW)[0] == 200
        limits = resource.prlimit(worker, resource.RLIMIT_NOFILE)
        used = len(list(Path(f"/proc/{worker}/fd").iterdir()))
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (used + 4, limits[1]))
        crowd = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(40)]
        try:
            until(lambda: len(list(Path(f"/proc/{worker}/fd").iterdir())) >= used + 3)
            for _ in range(20):
                assert running.predict(known, "total", ROW)[0] == 200
                known.request("GET", "/readyz")
                assert known.getresponse().read()
        finally:
            for one in crowd:
                with suppress(OSError):
                    one.close()
        resource.prlimit(worker, resource.RLIMIT_NOFILE, limits)
        began = time.perf_counter()
        until(running.works, 10)
        assert time.perf_counter() - began < 5.0
        assert running.workers == [worker]
        assert running.events("process_died") == []


def test_idle_connections_of_one_address_do_not_keep_others_out(repository, tmp_path):
    """More than the total: whoever comes next is refused at once, those who are there go on."""
    environ = {"FAIRLEAD_LIMITS__CONNECTIONS": "50"}
    with server(repository, state=tmp_path / "s", environ=environ) as running:
        with closing(running.connect()) as known:
            assert running.predict(known, "total", ROW)[0] == 200
            crowd = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(200)]
            for _ in range(20):
                assert running.predict(known, "total", ROW)[0] == 200
            for one in crowd:
                one.close()
            until(running.works, 10)
        assert running.events("process_died") == []
