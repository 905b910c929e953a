"""Graphs that bring down the worker they run in: once, and no version that answers with them."""

from __future__ import annotations

import http.client
import platform
import shutil
from contextlib import closing

import pytest
from tests import models
from tests.models import LEAST
from tests.processes import Running, server, until
from tests.serving.test_observe import parse

pytestmark = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"),
    reason="other processors divide the least number by -1",
)

DEADLY = {"a": LEAST, "b": -1}


def ask(running: Running, model: str, row: dict) -> tuple[int, dict]:
    """The status and answer; 0 where the connection ended."""
    try:
        with closing(running.connect()) as connection:
            return running.predict(connection, model, row)
    except (OSError, http.client.HTTPException):
        return 0, {}


def described(running: Running, model: str) -> dict:
    status, told, _ = running.asked(f"/models/{model}")
    return told if status == 200 else {}


def test_a_graph_that_ended_its_worker_is_kept_in_a_process_of_its_own(tmp_path):
    models.total(tmp_path / "models")
    models.quotient(tmp_path / "models")
    with server(tmp_path / "models", state=tmp_path / "state", workers=1) as running:
        before = running.workers
        assert ask(running, "quotient", {"a": 9, "b": 2})[0] == 200
        assert ask(running, "quotient", DEADLY)[0] == 0, "its connection ends with the worker"
        until(lambda: ask(running, "quotient", {"a": 9, "b": 2})[0] == 200)
        again = running.workers
        assert again != before
        told = described(running, "quotient")
        assert (told["isolated"], told["isolated_because"]) == (
            True,
            "a worker died while it loaded or executed this version",
        )
        assert described(running, "total")["isolated"] is False
        # It dies of it once more, apart, and of nothing after that.
        assert ask(running, "quotient", DEADLY)[0] == 500
        status, told = ask(running, "quotient", DEADLY)
        assert (status, told["code"]) == (422, "INPUT_QUARANTINED"), told
        assert ask(running, "total", {"a": 1, "b": 2, "c": 3})[0] == 200
        assert running.workers == again
        (event,) = running.events("version_crashed")
        assert (event["model"], event["process"]) == ("quotient/1", "worker 0")
        _, body = running.get("/metrics")
        counted = parse(body.decode(), openmetrics=False)["fairlead_worker_crashes_total"]
        assert counted == [({"model": "quotient", "version": "1"}, 1.0)]


def states(running: Running) -> dict[int, str]:
    """By version, as one of the workers tells it."""
    try:
        return {v["version"]: v["state"] for v in described(running, "quotient")["versions"]}
    except (OSError, KeyError):
        return {}


def test_a_version_that_ends_a_worker_as_it_is_loaded_ends_one_and_displaces_nothing(tmp_path):
    models.quotient(tmp_path / "models")
    with server(tmp_path / "models", state=tmp_path / "state", workers=2) as running:
        before = set(running.workers)
        models.quotient(tmp_path / "models", version=2, least=LEAST)
        # Both say so, whichever is asked, and try it again.
        until(lambda: len(running.events("load_failed")) >= 4, 60)
        until(lambda: all(states(running) == {1: "ready", 2: "failed"} for _ in range(20)), 60)
        assert len(before & set(running.workers)) == 1
        assert [e["model"] for e in running.events("version_crashed")] == ["quotient/2"]
        assert len(running.events("process_died")) == 1
        assert ask(running, "quotient", {"a": 9, "b": 2})[0] == 200
        assert described(running, "quotient")["isolated"] is False


def test_other_files_under_the_number_of_a_version_are_tried_anew_and_judged_anew(tmp_path):
    models.quotient(tmp_path / "models")
    models.quotient(tmp_path / "models", version=2)
    aside = tmp_path / "aside"
    place = tmp_path / "models" / "quotient" / "2"
    with server(tmp_path / "models", state=tmp_path / "state", workers=2) as running:
        until(lambda: states(running).get(2) == "ready", 60)
        place.rename(aside)
        until(lambda: all(2 not in states(running) for _ in range(20)), 60)
        before = set(running.workers)
        models.quotient(tmp_path / "models", version=2, least=LEAST)
        until(lambda: len(running.events("load_failed")) >= 4, 60)
        assert len(before & set(running.workers)) == 1, "one has tried it"
        shutil.rmtree(place)
        aside.rename(place)
        until(lambda: all(states(running).get(2) == "ready" for _ in range(20)), 60)
        assert "isolated_because" not in described(running, "quotient")
