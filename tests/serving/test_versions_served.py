"""Versions that come, go, fail and are chosen, while a server of two workers answers."""

from __future__ import annotations

import json
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from tests import models
from tests.processes import Running, server, until

from fairlead.cli.main import main as command

ROW = {"a": 1, "b": 2, "c": 3}


@pytest.fixture
def repository(tmp_path) -> Path:
    models.total(tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture
def running(repository, tmp_path):
    with server(repository, state=tmp_path / "state", workers=2) as made:
        until(made.ready)
        yield made


def answering(running: Running) -> set[int]:
    """Which versions answer, over connections of their own; 0 for a refusal, -404 for not found."""
    told = [running.asked("/predict/total", body=ROW) for _ in range(12)]
    return {body["version"] if status == 200 else -status for status, body, _ in told}


def states(running: Running) -> dict[int, str]:
    about = running.asked("/models/total")[1]
    return {one["version"]: one["state"] for one in about.get("versions", [])}


def calls(running: Running, version: int) -> float:
    """How many calls a version has answered, by the metrics."""
    begins = f'fairlead_calls_total{{model="total",version="{version}",outcome="ok"}}'
    lines = running.get("/metrics")[1].decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(begins))


def steer(running: Running, state: Path, *words: str) -> int:
    return command(["models", *words, "--state", str(state)])


def test_a_version_that_appears_is_served_and_the_one_before_gives_its_memory_back(
    running, repository
):
    assert answering(running) == {1}
    until(lambda: calls(running, 1) >= 12)
    models.total(repository)
    until(lambda: answering(running) == {2})
    until(lambda: states(running) == {1: "unloaded", 2: "ready"})
    assert calls(running, 1) >= 12, "no total ever falls"


def test_a_model_that_appears_is_served_and_one_that_goes_is_not_found(running, repository):
    models.logs(repository)
    until(lambda: running.asked("/predict/logs", body={"x": 1.0})[0] == 200)
    shutil.move(repository / "total", repository.parent / "away")
    until(lambda: answering(running) == {-404})
    assert running.asked("/models/total")[0] == 404
    shutil.move(repository.parent / "away", repository / "total")
    until(lambda: answering(running) == {1})


def test_a_bad_version_displaces_nothing_says_why_and_is_tried_at_once_when_it_is_mended(
    running, repository
):
    package = models.total(repository)
    graph = package.folder / package.graph
    good = graph.read_bytes()
    shutil.rmtree(package.folder)
    until(lambda: states(running) in ({1: "ready"}, {1: "ready", 2: "failed"}))
    package = models.total(repository, version=3)
    (package.folder / package.graph).write_bytes(b"torn")
    until(lambda: states(running).get(3) == "failed")
    assert answering(running) == {1}
    assert running.ready()

    def said() -> bool:
        """Whether whoever answers says why; one worker tries the version after the other has."""
        told = running.asked("/models/total")[1]["versions"]
        index = running.asked("/v2/repository/index", body={})[1]
        found = [one.get("reason", "") for one in (*told, *index) if int(one["version"]) == 3]
        return len(found) == 2 and all("edited or damaged" in reason for reason in found)

    until(lambda: all(said() for _ in range(12)))
    assert all(said() for _ in range(50)), "also while it is tried again"
    (package.folder / package.graph).write_bytes(good)
    until(lambda: answering(running) == {3})


def test_a_new_model_that_cannot_be_loaded_does_not_make_the_server_unready(running, repository):
    models.broken(repository, "newcomer")
    until(lambda: running.asked("/predict/newcomer", body=ROW)[0] == 503)
    assert running.ready()


def test_operators_roll_back_promote_and_label_and_it_outlives_the_server(
    repository, tmp_path, capsys
):
    state = tmp_path / "state"
    models.total(repository)
    with server(repository, state=state, workers=2) as running:
        until(running.ready)
        assert answering(running) == {2}
        assert steer(running, state, "rollback", "total") == 0
        assert answering(running) == {1}
        assert steer(running, state, "label", "total", "candidate", "2") == 0
        assert steer(running, state, "rollback", "total", "--to", "7") != 0
        assert answering(running) == {1}
    with server(repository, state=state, workers=2) as running:
        until(running.ready)
        assert answering(running) == {1}
        assert states(running) == {1: "ready", 2: "ready"}
        assert steer(running, state, "promote", "total") == 0
        assert answering(running) == {2}
        capsys.readouterr()
        assert steer(running, state, "list", "--json") == 0
        (told,) = json.loads(capsys.readouterr().out)["models"]
        assert (told["answers"], told["previous"]) == (2, 1)
        models.total(repository)
        until(lambda: states(running).get(3) == "ready")
        assert answering(running) == {2}
    assert command(["audit", "--state", str(state), "--json"]) == 0
    acts = [record["act"] for record in json.loads(capsys.readouterr().out)["records"]]
    assert [act for act in acts if act.startswith("models.")] == [
        "models.rollback", "models.label", "models.promote",
    ]  # fmt: skip


def test_which_versions_are_wanted_is_changed_while_the_server_runs(running, repository, tmp_path):
    state = tmp_path / "state"
    for _ in range(2):
        models.total(repository)
    until(lambda: states(running) == {1: "unloaded", 2: "unloaded", 3: "ready"})
    assert steer(running, state, "versions", "total", "latest:2") == 0
    until(lambda: states(running) == {1: "unloaded", 2: "ready", 3: "ready"})
    assert steer(running, state, "versions", "total", "1") == 0
    until(lambda: answering(running) == {1})
    assert steer(running, state, "versions", "total", "default") == 0
    until(lambda: states(running) == {1: "unloaded", 2: "unloaded", 3: "ready"})


def test_no_call_is_lost_while_versions_appear(running, repository):
    over, statuses = Event(), []

    def calls() -> None:
        while not over.is_set():
            statuses.append(running.asked("/predict/total", body=ROW)[0])

    with ThreadPoolExecutor(2) as callers:
        for _ in range(2):
            callers.submit(calls)
        for number in (2, 3):
            models.total(repository)
            until(lambda number=number: answering(running) == {number})
        over.set()
    assert {*statuses} == {200}
    assert len(statuses) > 20


def test_workers_that_die_while_a_version_is_loaded_leave_nothing_half_done(running, repository):
    """F5: whatever was under way, the next worker begins with what the repository holds."""
    for number in (2, 3):
        models.total(repository)
        until(lambda number=number: number in states(running))
        for process in running.workers:
            os.kill(process, signal.SIGKILL)
        until(lambda number=number: running.works() and answering(running) == {number}, 60)
    # One that begins while no other answers takes callers at once, and says that it is not ready.
    until(running.ready, 60)


def test_a_hundred_versions_at_once_end_with_the_newest(running, repository):
    """F19: those between are not loaded one after the other."""
    package = models.total(repository).folder
    for number in range(3, 103):
        shutil.copytree(package, package.parent / str(number))
    until(lambda: answering(running) == {102}, 60)
    loaded = {event["model"] for event in running.events("ready")}
    assert len(loaded) < 20
    index = running.asked("/v2/repository/index", body={"ready": True})[1]
    assert [one["version"] for one in index] == ["102"]


def test_a_model_that_is_loaded_on_request_is_loaded_by_the_first_call(repository, tmp_path):
    environ = {"FAIRLEAD_MODELS__LOAD": "lazy"}
    with server(repository, state=tmp_path / "state", workers=2, environ=environ) as running:
        until(running.ready)
        assert states_without_loading(running) == "unloaded"
        assert answering(running) == {1}
        assert running.asked("/v2/models/total/ready")[0] == 200


def states_without_loading(running: Running) -> str:
    (one,) = running.asked("/v2/repository/index", body={})[1]
    assert one["reason"] == "loaded when somebody asks for it"
    return {"UNAVAILABLE": "unloaded"}.get(one["state"], one["state"])


def test_versions_appear_in_a_folder_whose_name_is_no_text(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/mod\xe9les"))
    models.total(folder)
    with server(folder, state=tmp_path / "state") as running:
        assert running.ready()
        models.total(folder)
        until(lambda: answering(running) == {2})
        assert running.get("/metrics")[0] == 200
