"""`fairlead serve`: it greets, ends when told, and says in one line why it cannot start."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic

import httpx
import pytest
from tests import models

import fairlead

SOON_S = 20.0
"""Far above the two seconds that are promised: this machine may be busy."""


@pytest.fixture
def folder(tmp_path) -> Path:
    package = models.total(tmp_path / "models")
    (tmp_path / "sums.onnx").write_bytes(package.graph_path.read_bytes())
    (tmp_path / "cut.onnx").write_bytes(package.graph_path.read_bytes()[:150])
    (tmp_path / "unknown.bin").write_text("what is this")
    (tmp_path / "broken.toml").write_text("[server]\nprot = 1\n")
    (tmp_path / "empty").mkdir()
    return tmp_path


def start(folder: Path, *words: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "fairlead", "serve", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=os.environ | environment,
        start_new_session=True,
    )


def greeting(server: subprocess.Popen[str]) -> list[str]:
    """What it prints until it says where it answers."""
    lines: list[str] = []
    assert server.stdout
    for line in server.stdout:
        lines.append(line.rstrip("\n"))
        if line.startswith("  at http"):
            return lines
    raise AssertionError(server.communicate()[1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_greets_answers_and_drains(folder, number):
    server = start(folder, "models", "--port", "0", "--workers", "1")
    lines = greeting(server)
    assert lines[0] == "Serving total (version 1)"
    url = lines[-1].split()[1]
    answer = httpx.post(f"{url}/predict/total", json={"a": 1, "b": 2, "c": 3})
    assert answer.json()["predictions"][0]["value"] == 6
    os.killpg(server.pid, number)
    out, err = server.communicate(timeout=60)
    assert server.returncode == 0
    assert "Traceback" not in out + err


def test_a_trained_file_is_packed_first_and_found_again_the_next_time(folder):
    said = []
    for _ in range(2):
        server = start(folder, "sums.onnx", "--port", "0", "--workers", "1", "--state", "state")
        lines = greeting(server)
        url = lines[-1].split()[1]
        assert httpx.get(f"{url}/models/sums").json()["version"] == 1
        os.killpg(server.pid, signal.SIGTERM)
        server.communicate(timeout=60)
        said.append([line for line in lines if line.startswith("  write:")])
    assert [len(lines) for lines in said] == [1, 0]


@pytest.mark.parametrize("where", ["0", "off"])
def test_grpc_listens_where_that_is_wanted(folder, where):
    flags = ["--port", "0", "--workers", "1", "--grpc-port", where]
    server = start(folder, "models", *flags)
    assert server.stdout
    lines: list[str] = []
    for line in server.stdout:
        lines.append(line)
        if line.startswith("  administration at"):
            server.terminate()
    server.communicate(timeout=60)
    assert len([line for line in lines if line.startswith("  gRPC at 127.0.0.1:")]) == (
        where == "0"
    )


@contextmanager
def two_ports() -> Iterator[int]:
    """A port that is taken, the one below it being free.

    Both are below those that are given to whom asks for any, so that no test beside takes them.
    """
    for above in random.sample(range(20_001, 30_000), 100):
        with closing(socket.socket()) as below, closing(socket.socket()) as taken:
            try:
                below.bind(("127.0.0.1", above - 1))
                taken.bind(("127.0.0.1", above))
            except OSError:
                continue
            taken.listen()
            below.close()
            yield above
            return
    raise AssertionError("no two free ports were found")


def test_a_port_beside_ours_that_is_taken_leaves_grpc_to_our_own(folder):
    with two_ports() as above:
        words = ["models", "--port", str(above - 1), "--workers", "1", "--admin", "off"]
        server = start(folder, *words)
        assert server.stdout
        note = next(line for line in server.stdout if "gRPC" in line)
        server.terminate()
        server.communicate(timeout=60)
        assert note == f"  gRPC at 127.0.0.1:{above - 1} (port {above} is taken)\n"
        named = start(folder, *words, "--grpc-port", str(above))
        named.communicate(timeout=60)
        assert named.returncode == 2


def test_a_model_that_is_to_be_isolated_and_is_not_served_is_said(folder):
    (folder / "fairlead.toml").write_text('[models]\nisolate = ["total", "totals"]\n')
    (folder / "home").mkdir()
    server = start(folder, "models", "--port", "0", "--workers", "1", HOME=str(folder / "home"))
    url = greeting(server)[-1].split()[1]
    assert server.stdout
    note = next(line for line in server.stdout if "note: " in line)
    assert note == "  note: models.isolate names totals, which is not served here\n"
    answer = httpx.post(f"{url}/predict/total", json={"a": 1, "b": 2, "c": 3})
    assert answer.status_code == 200
    server.terminate()
    server.communicate(timeout=60)
    # Nor has onnxruntime, here or in the runner, kept anything of its own.
    assert list((folder / "home").rglob("*")) == []


@pytest.mark.parametrize(
    ("words", "id", "says"),
    [
        (["absent"], "FRL-2001", "absent does not exist"),
        (["unknown.bin"], "FRL-2002", "format of the file is not known"),
        (["cut.onnx"], "FRL-2101", "damaged"),
        (["empty"], "FRL-2001", "fairlead pack FILE --name NAME --repository empty"),
        (["models", "models"], "FRL-2004", "named by two paths"),
        (["models", "--name", "x"], "FRL-2004", "for a single package"),
        (["sums.onnx", "--name", "no name"], "FRL-2004", "cannot name a model"),
        (["models", "--port", "70000"], "FRL-2005", "from 0 to 65535"),
        (["models", "--workers", "0"], "FRL-2005", "flag --workers"),
        (["models", "--config", "broken.toml"], "FRL-2005", "Did you mean server.port?"),
        (["models", "--config", "absent.toml"], "FRL-2001", "absent.toml"),
        (["models", "--host", "0.0.0.0"], "FRL-2006", "there are no keys"),
        (["models", "--state", "sums.onnx"], "FRL-2001", "state folder"),
        ([], "FRL-2004", "See `fairlead serve --help`"),
        (["models", "--nonsense"], "FRL-2004", "See `fairlead serve --help`"),
    ],
)
def test_what_keeps_it_from_starting_is_one_line(folder, words, id, says):
    begin = monotonic()
    server = start(folder, *words)
    _, said = server.communicate(timeout=60)
    assert server.returncode == 2
    assert monotonic() - begin < SOON_S
    assert said.startswith(f"fairlead: {id} ")
    assert says in said
    assert said.count("\n") == 1


def test_a_port_in_use_is_one_line(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = start(folder, "models", "--port", str(port))
        _, said = server.communicate(timeout=60)
    assert server.returncode == 2
    assert said.startswith("fairlead: FRL-2006 ")
    assert "--port (0 takes a free one)" in said


def test_a_state_folder_in_use_is_one_line(folder):
    with fairlead.serve(folder / "models", port=0, workers=1, state=folder / "state"):
        server = start(folder, "models", "--port", "0", "--state", "state")
        _, said = server.communicate(timeout=60)
    assert server.returncode == 2
    assert "another server uses this state folder" in said
