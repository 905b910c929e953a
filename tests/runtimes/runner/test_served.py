"""Models that are code behind a real server: it outlives them, and they never outlive it."""

from __future__ import annotations

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent

import httpx
import pytest
from tests import models
from tests.runtimes.runner.parts import gone, stand_in, until

import fairlead
from fairlead.cli.main import main as command

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

SOURCE = """
    import ctypes, os, time
    import numpy as np

    def predict(what):
        value = what * 2.0
        if (what == 1).any(): raise RuntimeError("no such customer")
        if (what == 2).any(): return value[1:]
        if (what == 3).any(): return value.astype(str)
        if (what == 4).any(): return np.where(what == 4, np.nan, value)
        if (what == 5).any(): return np.array([object() for _ in what])
        if (what == 6).any(): return value[:, None]
        if (what == 7).any(): return {"another": value}
        if (what == 8).any(): print("x" * 1_000_000)
        if (what == 9).any(): raise SystemExit(1)
        if (what == 10).any(): time.sleep(1000)
        if (what == 11).any(): ctypes.PyDLL(None).sleep(1000)
        if (what == 12).any(): ctypes.string_at(0)
        if ((what >= 60) & (what < 70)).any(): time.sleep(0.2)
        if (what == 13).any(): os._exit(0)
        return value
"""
WORDS = """
    [limits]
    time_budget_s = 0.3
    [guards]
    novelty = "off"
"""
ANSWERS = {
    1: "MODEL_ERROR",
    2: "MODEL_BAD_ANSWER",
    3: "MODEL_BAD_ANSWER",
    4: "MODEL_BAD_ANSWER",
    5: "MODEL_BAD_ANSWER",
    6: "MODEL_BAD_ANSWER",
    7: "MODEL_ERROR",
    9: "MODEL_ERROR",
    10: "MODEL_HUNG",
    11: "MODEL_HUNG",
    12: "MODEL_CRASH",
    13: "MODEL_CRASH",
}
"""What a call with this number is answered."""
KNOWN = {12: ("INPUT_QUARANTINED",), 13: ("INPUT_QUARANTINED",)}
"""And what it is answered once its process died of it twice."""
LIVES = (1, 2, 3, 4, 5, 6, 7, 9)
"""After these the runner is the same."""


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """The function, packed by command and given a small time budget by `amend`."""
    folder = tmp_path_factory.mktemp("wild")
    (folder / "model.py").write_text(dedent(SOURCE))
    (folder / "rows.csv").write_text("what\n100\n101\n102.5\n")
    (folder / "words.toml").write_text(dedent(WORDS))
    into = ["--repository", str(folder / "models")]
    rows = ["--reference", str(folder / "rows.csv")]
    assert command(["pack", f"{folder}/model.py:predict", "--name", "wild", *into, *rows]) == 0
    assert command(["amend", "wild", *into, "--model-toml", str(folder / "words.toml")]) == 0
    return folder / "models"


@pytest.fixture(scope="module")
def server(repository, tmp_path_factory):
    state = tmp_path_factory.mktemp("state")
    # Those behind a call that hangs are to wait, not to be told that the queue is long.
    (state / "fairlead.toml").write_text("[limits]\nqueue_wait_s = 60\n")
    config = state / "fairlead.toml"
    with fairlead.serve(repository, port=0, workers=1, state=state, config=config) as running:
        yield running
    assert not (state / "runners").exists() or not list((state / "runners").rglob("*.py"))


@pytest.fixture
def client(server):
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client


def children(pid: int) -> dict[int, str]:
    """The live children of a process and their command lines."""
    found: dict[int, str] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            if not gone(int(child)):
                line = Path(f"/proc/{child}/cmdline").read_bytes().decode().replace("\0", " ")
                found[int(child)] = line
    return found


def supervisor(server: fairlead.Server) -> int:
    return server._process.pid


def workers(server: fairlead.Server) -> list[int]:
    return [p for p, line in children(supervisor(server)).items() if "assembly.worker" in line]


def runners(worker: int) -> list[int]:
    return [p for p, line in children(worker).items() if "runner.child" in line]


def ask(client: httpx.Client, what: float) -> httpx.Response:
    return client.post("/predict/wild", json={"what": what})


def value(response: httpx.Response) -> float:
    assert response.status_code == 200, response.text
    return response.json()["predictions"][0]["value"]


@linux
@pytest.mark.parametrize("what", ANSWERS)
def test_a_misbehaving_model_fails_its_call_only(server, client, what):
    (worker,) = workers(server)
    assert value(ask(client, 100)) == 200
    before = runners(worker)
    answer = ask(client, what)
    assert answer.status_code == 500
    assert answer.json()["code"] == ANSWERS[what]
    assert value(ask(client, 100.5)) == 201
    assert workers(server) == [worker]
    assert server.running
    assert (runners(worker) == before) == (what in LIVES)
    assert len(runners(worker)) == 1


def test_what_the_model_raised_is_said_to_its_caller(client):
    assert "RuntimeError: no such customer" in ask(client, 1).json()["detail"]


def test_a_model_that_prints_is_answered(server, client):
    assert value(ask(client, 8)) == 16
    assert not any("xxxx" in line for line in server.log)


@pytest.mark.parametrize("what", [1, 2, 10, 12])
def test_neighbours_of_a_bad_call_are_answered(client, what):
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda n: ask(client, what if n == 5 else 100 + n), range(12)))
    for n, answer in enumerate(answers):
        if n == 5:
            # Another test may have sent it before; then it is known.
            assert answer.json()["code"] in (ANSWERS[what], *KNOWN.get(what, ()))
        else:
            assert value(answer) == 200 + 2 * n


def test_the_open_protocol_says_the_same(client):
    body = {"inputs": [{"name": "what", "shape": [2], "datatype": "FP64", "data": [12, 77]}]}
    answer = client.post("/v2/models/wild/infer", json=body)
    assert answer.status_code == 500
    assert "process died on this call" in answer.json()["error"]
    answer = client.post("/v2/models/wild/infer", json=body)
    assert answer.status_code == 422
    assert "died twice on these inputs" in answer.json()["error"]
    body["inputs"][0]["shape"] = [1]
    body["inputs"][0]["data"] = [100]
    answer = client.post("/v2/models/wild/infer", json=body)
    assert answer.json()["outputs"][0]["data"] == [200]


@linux
def test_a_call_whose_runner_is_killed_is_answered_by_the_next_one(server, client):
    (worker,) = workers(server)
    for number in range(3):
        with ThreadPoolExecutor(1) as thread:
            answer = thread.submit(ask, client, 60 + number)
            until(lambda: runners(worker))
            os.kill(runners(worker)[0], signal.SIGKILL)
            assert value(answer.result()) == 2 * (60 + number)


@linux
def test_a_runner_that_dies_while_nobody_asks_is_back_before_somebody_does(server, client):
    (worker,) = workers(server)
    assert value(ask(client, 100)) == 200
    (dead,) = runners(worker)
    os.kill(dead, signal.SIGKILL)
    until(lambda: len(runners(worker)) == 1 and dead not in runners(worker), 30)


@linux
def test_a_killed_worker_takes_its_runners_along_and_is_replaced(server):
    with httpx.Client(base_url=server.url, timeout=60) as client:
        assert value(ask(client, 100)) == 200
    (worker,) = workers(server)
    (runner,) = runners(worker)
    os.kill(worker, signal.SIGKILL)
    until(lambda: gone(runner), 5)
    with httpx.Client(base_url=server.url, timeout=60) as client:
        until(lambda: ready(client), 60)
        assert value(ask(client, 100)) == 200
    assert workers(server) != [worker]


def ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


@linux
def test_several_workers_have_a_runner_each_and_none_outlives_the_server(repository, tmp_path):
    server = fairlead.serve(repository, port=0, workers=2, state=tmp_path)
    first, second = workers(server)
    apart = [*runners(first), *runners(second)]
    assert len(apart) == 2
    with httpx.Client(base_url=server.url, timeout=60) as client:
        assert value(ask(client, 100)) == 200
    server.stop()
    assert all(map(gone, apart))
    assert list((tmp_path / "runners").rglob("*.py")) == []


@linux
def test_what_a_killed_server_leaves_is_swept_by_the_next(repository, tmp_path):
    server = fairlead.serve(repository, port=0, workers=1, state=tmp_path)
    (worker,) = workers(server)
    (runner,) = runners(worker)
    os.kill(supervisor(server), signal.SIGKILL)
    server.stop()
    until(lambda: gone(worker) and gone(runner), 5)
    left = list((tmp_path / "runners").rglob("model.py"))
    assert len(left) == 1
    with fairlead.serve(repository, port=0, workers=1, state=tmp_path):
        now = list((tmp_path / "runners").rglob("model.py"))
        assert len(now) == 1
        assert now != left
    assert list((tmp_path / "runners").rglob("*.py")) == []


def test_a_graph_that_is_isolated_by_a_setting_answers_alike(tmp_path):
    models.classifier(tmp_path / "models", "apart")
    models.classifier(tmp_path / "models", "here")
    (tmp_path / "fairlead.toml").write_text('[models]\nisolate = ["apart"]\n')
    rows = {"rows": [[5.0 - n, n / 7, 2.0, 0.5] for n in range(50)]}
    with (
        fairlead.serve(
            tmp_path / "models",
            port=0,
            workers=1,
            state=tmp_path / "state",
            config=tmp_path / "fairlead.toml",
        ) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        assert client.get("/models/apart").json()["isolated"]
        assert not client.get("/models/here").json()["isolated"]
        apart, here = (
            client.post(f"/predict/{name}", json=rows).json() for name in ("apart", "here")
        )
        assert apart["predictions"] == here["predictions"]
        assert len(here["predictions"]) == 50
        if sys.platform.startswith("linux"):
            (worker,) = workers(server)
            assert len(runners(worker)) == 1


def test_a_version_whose_interpreter_is_gone_fails_alone_and_says_why(tmp_path):
    """Packed under an interpreter that is deleted before the server starts."""
    python = tmp_path / "python"
    stand_in(python)
    (tmp_path / "model.py").write_text("def predict(x): return x * 2.0")
    (tmp_path / "rows.csv").write_text("x\n1.5\n2.5\n")
    words = ["pack", f"{tmp_path}/model.py:predict", "--repository", str(tmp_path / "models")]
    words += ["--reference", str(tmp_path / "rows.csv")]
    assert command([*words, "--name", "lost", "--python", str(python)]) == 0
    assert command([*words, "--name", "there"]) == 0
    python.unlink()
    with (
        fairlead.serve(tmp_path / "models", port=0, workers=1, state=tmp_path / "state") as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        answer = client.post("/predict/there", json={"x": 3})
        assert answer.json()["predictions"][0]["value"] == 6
        (version,) = client.get("/models/lost").json()["versions"]
        assert version["state"] == "failed"
        assert "interpreter" in version["reason"]
        assert str(tmp_path) not in version["reason"]
        answer = client.post("/predict/lost", json={"x": 3})
        assert answer.status_code == 503
        assert any("lost/1 is not served" in line for line in server.log)
