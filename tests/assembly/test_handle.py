"""A server from Python: it starts, says what is wrong, and ends with whoever started it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests import models
from tests.runtimes.runner.parts import gone, until

import fairlead
from fairlead import errors

ROOT = Path(__file__).parents[2]


@pytest.fixture
def repository(tmp_path) -> Path:
    models.total(tmp_path / "models")
    return tmp_path / "models"


def sum_of(server: fairlead.Server, *numbers: float) -> float:
    answer = httpx.post(f"{server.url}/predict/total", json=dict(zip("abc", numbers, strict=True)))
    return answer.json()["predictions"][0]["value"]


def test_it_answers_from_start_to_stop(repository, tmp_path):
    server = fairlead.serve(repository, port=0, workers=1, state=tmp_path / "state")
    assert server.running
    assert sum_of(server, 1, 2, 3) == 6
    assert any("Serving total" in line for line in server.log)
    assert repr(server) == f"<Server {server.url} running>"
    server.stop()
    assert not server.running
    assert repr(server).endswith("ended>")
    with pytest.raises(httpx.ConnectError):
        sum_of(server, 1, 2, 3)
    server.stop()


def test_it_is_a_context_manager_that_ends_by_an_error_too(repository, tmp_path):
    with (
        pytest.raises(ZeroDivisionError),
        fairlead.serve(repository, port=0, workers=1, state=tmp_path / "state") as server,
    ):
        raise ZeroDivisionError
    assert not server.running


def test_a_package_is_served_under_a_name_of_its_own(repository, tmp_path):
    package = repository / "total" / "1"
    with fairlead.serve(package, name="mine", port=0, workers=1, state=tmp_path / "s") as server:
        assert httpx.get(f"{server.url}/models/mine").json()["name"] == "mine"


def test_waiting_returns_when_the_server_has_ended(repository, tmp_path):
    server = fairlead.serve(repository, port=0, workers=1, state=tmp_path / "state")
    os.kill(server._process.pid, signal.SIGTERM)
    server.wait()
    assert not server.running


@pytest.mark.parametrize(
    ("more", "kind", "says"),
    [
        ({"path": "nowhere"}, errors.FileUnreadable, "nowhere does not exist"),
        ({"config": "absent.toml"}, errors.FileUnreadable, "absent.toml"),
        ({"workers": "many"}, errors.BadSetting, "flag --workers"),
        ({"host": "0.0.0.0"}, errors.BindRefused, "there are no keys"),
        ({"name": "mine"}, errors.BadUsage, "--name is for a single package"),
    ],
)
def test_what_keeps_it_from_starting_is_raised_as_the_server_says_it(
    repository, tmp_path, more, kind, says
):
    path = more.pop("path", repository)
    with pytest.raises(kind) as failed:
        fairlead.serve(path, **({"port": 0, "state": tmp_path / "state"} | more))
    assert type(failed.value) is kind
    assert says in failed.value.line()
    assert failed.value.line().count(failed.value.id) == 1


def test_a_port_in_use_is_said_with_the_way_out(repository, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(errors.BindRefused) as failed:
            fairlead.serve(repository, port=port, state=tmp_path / "state")
    assert f"port {port}" in failed.value.what
    assert "--port" in failed.value.what


_SCRIPT = """
import sys, signal, time
from pathlib import Path
import fairlead
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the suite runs without one
server = fairlead.serve(Path(sys.argv[1]), port=0, workers=1, state=Path(sys.argv[2]))
print(server._process.pid, flush=True)
while sys.argv[3] == "interrupted":
    time.sleep(0.1)  # an interrupt just before `pause` would not be heard until the next one
if sys.argv[3] == "raises":
    raise SystemExit(3)
"""


@pytest.mark.parametrize("how", ["ends", "raises", "interrupted"])
def test_it_does_not_outlive_the_script_that_started_it(repository, tmp_path, how):
    script = subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, str(repository), str(tmp_path / "state"), how],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        text=True,
    )
    pid = int(script.stdout.readline())
    if how == "interrupted":
        script.send_signal(signal.SIGINT)
    script.communicate(timeout=60)
    until(lambda: gone(pid), 5)


def test_interrupting_whoever_started_it_does_not_reach_it(repository, tmp_path):
    """As a notebook does it: the whole process group is interrupted, a cell only should end."""
    with fairlead.serve(repository, port=0, workers=1, state=tmp_path / "state") as server:
        assert os.getpgid(server._process.pid) != os.getpgid(0)
        assert sum_of(server, 1, 2, 3) == 6
