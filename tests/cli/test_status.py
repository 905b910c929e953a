"""`fairlead status`: a real server as a terminal, a program and a narrow window see it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from threading import Thread

import pytest
from tests import models
from tests.processes import server, until

from fairlead.cli.main import main
from fairlead.core.version import __version__

ROW = {"a": 1, "b": 2, "c": 3}


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("status")
    models.total(folder / "models")
    with server(folder / "models", state=folder / "state") as running:
        yield running, folder / "state"


def busy(running, over) -> None:
    while not over:
        running.asked("/predict/total", "", ROW)


def asked(capsys, *arguments: str, status: int = 0) -> str:
    assert main(["status", *arguments]) == status
    return capsys.readouterr().out


def test_the_figures_say_who_runs_what_is_served_and_how_fast(watched, capsys):
    running, state = watched
    over: list[bool] = []
    caller = Thread(target=busy, args=(running, over))
    caller.start()
    try:
        told = json.loads(asked(capsys, "--state", str(state), "--json"))
    finally:
        over.append(True)
        caller.join()
    assert told["ready"] is True
    assert told["server"]["version"] == __version__
    assert told["server"]["address"] == f"http://127.0.0.1:{running.port}"
    worker = told["workers"][0]
    assert (worker["process"], worker["state"]) == ("worker 0", "ready")
    assert worker["pid"] == running.workers[0]
    assert worker["memory"] > 10_000_000
    assert worker["age_s"] < 2
    assert told["bookkeeper"]["pid"] == running.bookkeepers[0]
    assert told["bookkeeper"]["database"] == "works"
    version = told["models"][0]
    assert (version["model"], version["version"], version["state"]) == ("total", 1, "ready")
    assert version["requests_per_s"] > 0
    assert version["failed_share"] == 0
    assert 0 < version["p50_s"] <= version["p99_s"]
    assert version["decisions"] == {"serve": 1.0}


def test_the_view_is_plain_text_in_a_pipe(watched, capsys):
    running, state = watched
    said = asked(capsys, "--state", str(state))
    assert said.startswith(f"Fairlead {__version__}  http://127.0.0.1:{running.port}\nready, up ")
    assert "\x1b" not in said
    assert str(running.workers[0]) in said
    assert "bookkeeper" in said
    assert max(map(len, said.splitlines())) <= 100


def test_watching_in_a_pipe_prints_block_after_block_until_it_is_interrupted(watched):
    _, state = watched
    process = subprocess.Popen(
        [sys.executable, "-m", "fairlead", "status", "--watch", "--json", "--state", str(state)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ},
    )
    assert process.stdout is not None
    try:
        for _ in range(2):
            assert json.loads(process.stdout.readline())["ready"] is True
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_folder_in_which_no_server_runs_is_an_error(tmp_path, capsys):
    assert main(["status", "--state", str(tmp_path)]) == 2
    assert "FRL-2401 no server with this state folder answers" in capsys.readouterr().err
    assert main(["status", "--state", str(tmp_path / "none")]) == 2
    assert "FRL-2001" in capsys.readouterr().err


def test_a_server_that_is_not_ready_is_said_to_be_so_and_checked(tmp_path, capsys):
    models.total(tmp_path / "models", "whole")
    models.total(tmp_path / "models", "broken")
    for graph in (tmp_path / "models" / "broken").rglob("*.onnx"):
        graph.write_bytes(b"no graph")
    state = tmp_path / "state"
    with server(tmp_path / "models", state=state) as running:
        until(lambda: running.events("load_failed"))
        told = json.loads(asked(capsys, "--state", str(state), "--json", "--check", status=3))
        assert told["why"] == "1 of 2 models has no version that is ready"
        assert [(m["model"], m["state"]) for m in told["models"]] == [
            ("broken", "failed"), ("whole", "ready"),
        ]  # fmt: skip
        assert told["models"][0]["reason"]
        status, found, _ = running.asked("/models/broken/readyz")
        assert (status, found["ready"], found["why"][:20]) == (503, False, "version 1 is failed:")
        status, found, _ = running.asked("/models/whole/readyz")
        assert (status, found["ready"]) == (200, True)
        status, found, _ = running.asked("/readyz")
        assert (status, "broken" in json.dumps(found)) == (503, False)
