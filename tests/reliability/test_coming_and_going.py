"""Versions that are taken away while they answer, and that come and go without rest: F18, F19."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path
from threading import Thread
from time import perf_counter

import pytest
from tests import models
from tests.processes import Running, server, until

ROW = {"a": 1, "b": 2, "c": 3}


@pytest.fixture
def repository(tmp_path) -> Path:
    models.steps(tmp_path / "models")
    models.total(tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture
def running(repository, tmp_path):
    with server(repository, state=tmp_path / "state") as made:
        until(made.ready)
        yield made


def asked(running: Running, model: str, row: dict) -> tuple[int, dict]:
    with closing(running.connect()) as connection:
        return running.predict(connection, model, row)


@pytest.mark.parametrize("what", ["the version", "the model"])
def test_what_is_deleted_while_it_answers_ends_what_it_began(running, repository, tmp_path, what):
    """F18. Then it is not found; put back, it answers again."""
    gone = repository / "steps"
    if what == "the version":
        gone = gone / "1"
    told: list[tuple[int, dict]] = []
    # About a second; a look at the repository comes several times meanwhile.
    call = Thread(target=lambda: told.append(asked(running, "steps", {"count": 1_500_000})))
    call.start()
    until(lambda: b"fairlead_connections 2" in running.get("/metrics")[1])
    shutil.move(gone, tmp_path / "away")
    until(lambda: asked(running, "steps", {"count": 1})[0] == 404)
    call.join(60)
    ((status, body),) = told
    assert (status, body["predictions"][0]["value"]) == (200, 1_500_000)
    assert running.ready()
    assert asked(running, "total", ROW)[0] == 200
    shutil.move(tmp_path / "away", gone)
    until(lambda: asked(running, "steps", {"count": 1})[0] == 200)


def test_a_version_that_comes_and_goes_without_rest_ends_as_it_was_left(
    running, repository, tmp_path
):
    """F19. Every tenth of a second for three seconds; no call fails, and few loads are begun."""
    package = models.total(repository)
    until(lambda: asked(running, "total", ROW)[1].get("version") == 2)
    before = ready(running)
    statuses: list[int] = []
    began, flips = perf_counter(), 0
    while (spent := perf_counter() - began) < 3.0:
        if spent > 0.1 * (flips + 1):
            flips += 1
            ends = (package.folder, tmp_path / "away")
            shutil.move(*(ends if flips % 2 else reversed(ends)))
        statuses.append(asked(running, "total", ROW)[0])
    if flips % 2:
        shutil.move(tmp_path / "away", package.folder)
    assert flips > 10
    assert set(statuses) == {200}
    until(lambda: asked(running, "total", ROW)[1].get("version") == 2)
    assert ready(running) - before <= 2 + (perf_counter() - began), "about one load a second"
    index = running.asked("/v2/repository/index", body={"ready": True})[1]
    assert [one["version"] for one in index if one["name"] == "total"] == ["2"], json.dumps(index)


def ready(running: Running) -> int:
    """How often a version of the model was loaded."""
    return sum(event["model"].startswith("total/") for event in running.events("ready"))
