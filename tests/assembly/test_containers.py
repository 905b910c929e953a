"""A server as the container of a platform: under whose number it runs, where it listens, when."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest
from tests import models
from tests.processes import UNDER, Running, free_port, server, until
from tests.serving.test_observe import parse

from fairlead.cli.main import main as command
from fairlead.core.clock import now

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it finds processes in /proc")

ROW = {"a": 1, "b": 2, "c": 3}
TOLD = {"predictions": [{"value": 6.0}]}
MOST_S = 30
"""Seconds after which platforms kill what has not ended."""


@contextmanager
def busy(made: Running, calls: int) -> Iterator[None]:
    """So many calls that never end by themselves are under way."""
    body = json.dumps({"count": 10**9})
    open_ones = [made.connect() for _ in range(calls)]
    for connection in open_ones:
        connection.request("POST", "/predict/steps", body, {"content-type": "application/json"})
    until(lambda: sample(made, "fairlead_connections") > calls)
    try:
        yield
    finally:
        for connection in open_ones:
            connection.close()


def sample(made: Running, name: str) -> float:
    text = made.get("/metrics")[1].decode()
    return sum(n for _, n in parse(text, openmetrics=False).get(name, []))


def probe(made: Running) -> float:
    """Seconds that `/ping` takes over a connection of its own."""
    began = now()
    assert made.get("/ping")[0] == 200
    return now() - began


@contextmanager
def running(*arguments: str | Path, **more: object) -> Iterator[Running]:
    made = Running(*arguments, "--workers", "1", **more)
    try:
        yield made
    finally:
        made.end()


# --- whose number it runs under -------------------------------------------------------------


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in folder.rglob("*")}


@pytest.mark.skipif(
    shutil.which(UNDER[0]) is None or subprocess.run([*UNDER, "true"]).returncode != 0,
    reason="the kernel gives no other number",
)
@pytest.mark.parametrize("user", [1000, 1_000_650_000], ids=["1000", "a number without a name"])
def test_it_serves_under_any_number_from_a_folder_that_it_may_only_read(tmp_path, user):
    models.total(tmp_path / "models")
    for path in [tmp_path / "models", *(tmp_path / "models").rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = contents(tmp_path / "models")
    state = tmp_path / "state"
    state.mkdir()
    environ = {"HOME": "/"}
    flags = [tmp_path / "models", "--port", "0", "--state", state]
    with running(*flags, environ=environ, user=user) as made:
        made.greeted()
        until(made.ready)
        assert made.asked("/invocations", body={"instances": [ROW]})[:2] == (200, TOLD)
        status = Path(f"/proc/{made.workers[0]}/status").read_text()
        files = {p.name for p in state.rglob("*")}
        assert made.stop() == 0
    assert "CapEff:\t0000000000000000" in status, "it had rights that no container gives"
    assert files
    assert contents(tmp_path / "models") == before


# --- where it listens -----------------------------------------------------------------------


def test_it_listens_where_sagemaker_says_before_where_others_say(tmp_path):
    models.total(tmp_path / "models")
    port, other = free_port(), free_port()
    environ = {"SAGEMAKER_BIND_TO_PORT": str(port), "AIP_HTTP_PORT": str(other), "PORT": "1"}
    with running(tmp_path / "models", "--state", tmp_path / "state", environ=environ) as made:
        assert made.greeted().port == port
        assert made.get("/ping")[0] == 200
        assert made.asked("/invocations", body={"instances": [ROW]})[:2] == (200, TOLD)


@pytest.mark.parametrize("name", ["AIP_HTTP_PORT", "PORT"])
def test_it_listens_where_vertex_and_cloud_run_say(tmp_path, name):
    models.total(tmp_path / "models")
    port = free_port()
    flags = [tmp_path / "models", "--state", tmp_path / "state"]
    with running(*flags, environ={name: str(port)}) as made:
        assert made.greeted().port == port


# --- when it listens ------------------------------------------------------------------------

SLOW = """
    import time
    time.sleep(2)

    def doubled(x):
        return x * 2
"""


def test_the_port_is_open_and_not_ready_until_the_model_is_there(tmp_path):
    (tmp_path / "model.py").write_text(dedent(SLOW))
    (tmp_path / "rows.csv").write_text("x\n1.0\n2.0\n")
    words = [
        "pack",
        f"{tmp_path}/model.py:doubled",
        "--name",
        "doubled",
        "--repository",
        str(tmp_path / "models"),
    ]
    assert command([*words, "--reference", str(tmp_path / "rows.csv")]) == 0
    port, route = free_port(), "/v1/endpoints/7/deployedModels/8"
    environ = {"AIP_HTTP_PORT": str(port), "AIP_HEALTH_ROUTE": route}
    with running(tmp_path / "models", "--state", tmp_path / "state", environ=environ) as made:
        made.port = port
        until(made.works, 60, "nobody listens")
        probes = (route, "/ping", "/health", "/v2/health/ready", "/readyz")
        assert [made.get(address)[0] for address in probes] == [503] * 5
        for address in ("/v1/models/doubled", "/v2/models/doubled/ready"):
            status, told, headers = made.asked(address)
            assert status == 503
            assert told["error"]
            assert headers["retry-after"].isdigit()
        assert made.get("/livez")[0] == made.get("/v2/health/live")[0] == 200
        until(lambda: made.get(route)[0] == 200, 60)
        assert [made.get(address)[0] for address in probes] == [200] * 5


# --- while it is busy, and when it ends ----------------------------------------------------


def test_it_ends_before_platforms_kill_it_whatever_it_is_doing(tmp_path):
    models.steps(tmp_path / "models", words="[limits]\ntime_budget_s = 600\n")
    with server(tmp_path / "models", state=tmp_path / "state") as made, busy(made, 1):
        began = now()
        made.process.send_signal(signal.SIGTERM)
        made.process.wait(MOST_S + 10)
    assert 10 < now() - began < MOST_S


def test_it_is_probed_within_two_seconds_while_every_thread_of_its_model_is_busy(tmp_path):
    words = "[limits]\ntime_budget_s = 6\nmax_batch = 1\n"
    models.steps(tmp_path / "models", words=words)
    with server(tmp_path / "models", state=tmp_path / "state") as made:
        until(made.ready)
        with busy(made, 40):
            until(lambda: sample(made, "fairlead_queued") >= 8, 20)
            waited = [probe(made) for _ in range(10)]
            assert sample(made, "fairlead_queued") > 0, "there was nothing to wait for any more"
    assert max(waited) < 2
