"""Models that come and go while a server of several workers runs."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from tests import models
from tests.processes import Running, server, until

from fairlead.serving.control import ASKED, DONE, LOAD, TOLD, Controlling
from fairlead.serving.exchange import Within
from fairlead.serving.wishes import FILE

ROW = {"a": 1, "b": 2, "c": 3}


@pytest.fixture
def repository(tmp_path) -> Path:
    folder = tmp_path / "models"
    models.total(folder)
    models.logs(folder)
    return folder


@pytest.fixture
def running(repository, tmp_path):
    with server(repository, state=tmp_path / "state", workers=2) as made:
        until(made.ready)
        yield made


def ask(running: Running, verb: str, model: str) -> tuple[int, object]:
    return running.asked(f"/v2/repository/models/{model}/{verb}", body={})[:2]


def answers(running: Running, model: str = "total", times: int = 12) -> set[int]:
    """The statuses of predictions over connections of their own, so that every worker answers."""
    return {running.asked(f"/predict/{model}", body=ROW)[0] for _ in range(times)}


def version(running: Running) -> set[int]:
    return {running.asked("/predict/total", body=ROW)[1]["version"] for _ in range(12)}


def test_a_model_is_ended_on_every_worker_and_comes_back(running):
    assert ask(running, "unload", "total") == (200, {"name": "total", "unload": True})
    assert answers(running) == {503}
    index = running.asked("/v2/repository/index", body={})[1]
    assert {"name": "total", "version": "1", "state": "UNAVAILABLE"} in index
    assert running.ready()
    assert running.asked("/predict/logs", body={"x": 1.0})[0] == 200
    assert ask(running, "load", "total") == (200, {"name": "total", "load": True})
    assert answers(running) == {200}


def test_a_version_that_has_come_since_is_loaded_and_the_older_one_ends(running, repository):
    models.total(repository, version=2)
    assert version(running) == {1}
    assert ask(running, "load", "total")[0] == 200
    assert version(running) == {2}
    address = "/v2/models/total/versions/1/ready"
    until(lambda: {running.asked(address)[0] for _ in range(8)} == {503})


def test_a_version_that_cannot_be_loaded_displaces_nothing(running, repository):
    models.broken(repository, "total", version=3)
    status, told = ask(running, "load", "total")
    assert status == 500
    assert "total version 3" in told["error"]
    assert version(running) == {1}
    assert running.ready()


@pytest.mark.parametrize("verb", ["load", "unload"])
def test_a_model_that_nobody_knows_is_not_found(running, verb):
    assert ask(running, verb, "nobody")[0] == 404


def test_what_is_not_done_here_is_refused(running):
    given = {"parameters": {"config": "{}"}}
    assert running.asked("/v2/repository/models/total/load", body=given)[0] == 501
    address = "/v2/repository/other/models/total/load"
    assert running.asked(address, body={})[0] == 501


def test_a_worker_that_starts_later_does_what_was_wished(running, tmp_path):
    assert ask(running, "unload", "total")[0] == 200
    before = running.workers
    for process in before:
        os.kill(process, signal.SIGKILL)
    until(lambda: len(running.workers) == 2 and not {*before} & {*running.workers})
    until(lambda: running.works() and answers(running, times=24) == {503})


def test_the_next_server_serves_what_its_command_line_names(repository, tmp_path):
    state = tmp_path / "state"
    with server(repository, state=state, workers=1) as running:
        assert ask(running, "unload", "total")[0] == 200
        assert (state / FILE).exists()
    with server(repository, state=state, workers=1) as running:
        assert answers(running) == {200}
        assert not (state / FILE).exists()


def test_no_call_is_lost_while_versions_change(running, repository):
    over, statuses = Event(), []

    def calls() -> None:
        while not over.is_set():
            statuses.append(running.asked("/predict/total", body=ROW)[0])

    with ThreadPoolExecutor(3) as callers:
        for _ in range(3):
            callers.submit(calls)
        for number in range(2, 6):
            models.total(repository, version=number)
            assert ask(running, "load", "total")[0] == 200
        over.set()
    assert {*statuses} == {200}
    assert len(statuses) > 20


def _joined(desk: Controlling) -> tuple[Within, list[dict]]:
    heard: list[dict] = []
    line = Within(heard.append)
    desk.joined(line)
    return line, heard


def test_a_worker_that_joins_while_a_change_is_made_is_waited_for_too(tmp_path):
    desk, told = Controlling(tmp_path), []
    early, _ = _joined(desk)
    desk.take(
        Within(told.append), {"kind": ASKED, "act": LOAD, "model": "m", "choice": {}, "id": 1}
    )
    late, heard = _joined(desk)
    assert [one["kind"] for one in heard] == [TOLD]
    desk.take(early, {"kind": DONE, "serial": heard[0]["serial"]})
    assert not told
    desk.take(late, {"kind": DONE, "serial": heard[0]["serial"]})
    assert told == [{"kind": "answer", "id": 1}]


def test_who_asks_is_answered_though_the_disk_is_full(tmp_path, capsys):
    (tmp_path / "file").touch()
    desk, told = Controlling(tmp_path / "file"), []
    desk.take(
        Within(told.append), {"kind": ASKED, "act": LOAD, "model": "m", "choice": {}, "id": 1}
    )
    assert told == [{"kind": "answer", "id": 1}]
    assert "bookkeeping_failed" in capsys.readouterr().err
