"""Crowds of callers that want nothing, send or take slowly, or break off (A20, A32, F28, F29)."""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Thread

import pytest
from tests import models
from tests.hostile.parts import GOOD, MOST_GROWTH, memory
from tests.processes import Running, server, until
from tests.raw import Raw, get, post

ROOT = Path(__file__).parents[2]
APART = ("unshare", "--user", "--net", "--map-root-user")
alone = pytest.mark.skipif(
    shutil.which("ip") is None
    or shutil.which(APART[0]) is None
    or subprocess.run([*APART, "true"]).returncode != 0,
    reason="the kernel gives no network of one's own",
)
MIB = 1 << 20


def files(running: Running) -> int:
    """Descriptors of the only worker."""
    return len(os.listdir(f"/proc/{running.workers[0]}/fd"))


def works(raw: Raw) -> bool:
    """A connection on which everything is as usual."""
    answer = raw.ask(GOOD)
    assert (answer.status, answer.json()["predictions"][0]["value"]) == (200, 6.0)
    assert raw.ask(get("/livez")).status == 200
    return True


# --- who says nothing ---------------------------------------------------------------------------


@alone
@pytest.mark.parametrize(("address", "most"), [("10.9.0.2", 256), ("127.0.0.1", 4096)])
def test_twenty_thousand_idle_connections_take_no_more_places_than_they_may(
    tmp_path, address, most
):
    """A32. Those of one address take its share, those of this machine take all there are."""
    done = subprocess.run(
        [*APART, sys.executable, "-m", "tests.hostile.crowd", address, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.partition("SEEN ")[2])
    assert {tuple(one) for one in [seen["first"], *seen["during"], *seen["new"]]} == {(200,) * 3}
    assert len(seen["new"]) == (20 if most == 256 else 0)
    assert most - 8 <= seen["held"] <= most + 8
    assert seen["lived"]


# --- who is slow --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """A server with little patience, and with room for few answers that nobody takes."""
    folder = tmp_path_factory.mktemp("hasty")
    models.total(folder / "models")
    models.wide(folder / "models")
    config = folder / "fairlead.toml"
    lines = ["head_timeout_s = 1", "idle_timeout_s = 2", "untaken_mib = 32", "queue_wait_s = 60"]
    config.write_text("\n".join(["[limits]", *lines, ""]))
    with server(folder / "models", "--config", config, state=folder / "state") as running:
        until(running.ready)
        yield running


def test_two_thousand_slow_callers_are_ended_and_nobody_else_waits(hasty):
    """A20. Heads and bodies that never end, a byte at a time; good calls go on meanwhile."""
    before = files(hasty)
    head = b"POST /predict/total HTTP/1.1\r\nHost: te"
    with ExitStack() as stack:
        slow = [stack.enter_context(closing(Raw(hasty.port))) for _ in range(2000)]
        for number, raw in enumerate(slow):
            raw.send(head if number % 2 else GOOD[:-1])
        until(lambda: files(hasty) >= before + 1900 or "ended" in first(slow), 20)
        with closing(Raw(hasty.port)) as good:
            rounds = 0
            while files(hasty) > before + 5:
                rounds += 1
                works(good)
                for raw in slow[:100]:
                    raw.send(b"s")
                assert rounds < 10_000
        assert rounds > 3
        for raw in slow[200:210]:
            answer = raw.read()
            assert answer is not None
            assert (answer.status, answer.json()["code"]) == (408, "REQUEST_TIMEOUT")
            assert raw.ended()


def first(slow: list[Raw]) -> str:
    """Whether the first of them was ended already."""
    return "" if slow[0].quiet(0.001) else "ended"


def long_ones(running: Running) -> float:
    """How many calls of the model with long answers are answered."""
    begins = b'fairlead_calls_total{model="wide",version="1",outcome="ok"}'
    lines = running.get("/metrics")[1].splitlines()
    return sum(float(line.rpartition(b" ")[2]) for line in lines if line.startswith(begins))


def test_answers_that_nobody_takes_hold_a_bounded_memory_and_nobody_else_waits(hasty):
    """F28, and A20 where it is the answer that is taken slowly: ten MB for each of sixty."""
    (worker,) = hasty.workers
    asked = post("/predict/wide", json.dumps({"rows": [[1.5]] * 25}).encode())
    with ExitStack() as stack:
        good = stack.enter_context(closing(Raw(hasty.port)))
        works(good)
        before, most = memory(worker), 0
        for number in range(60):
            line = stack.enter_context(closing(socket.socket()))
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.connect(("127.0.0.1", hasty.port))
            line.sendall(asked)
            until(lambda number=number: long_ones(hasty) > number, 20)
            works(good)
            most = max(most, memory(worker))
        over = b"fairlead_connections 2\n"
        until(lambda: works(good) and over in hasty.get("/metrics")[1], 20)
    assert most - before < 350 * MIB, "600 MB were asked for"
    assert sum(event["connections"] for event in hasty.events("answers_not_taken")) == 60
    assert hasty.workers == [worker]


# --- who breaks off -----------------------------------------------------------------------------


def broken_off(running: Running, number: int) -> None:
    """One caller that leaves within its body, by an end or a reset, or sends it in slices."""
    kind = number % 4
    with socket.create_connection(("127.0.0.1", running.port), 20) as line:
        if kind == 3:
            for at in range(len(GOOD)):
                line.sendall(GOOD[at : at + 1])
            assert line.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
            return
        line.sendall(GOOD[:-4])
        if kind == 1:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif kind == 2:
            line.shutdown(socket.SHUT_WR)
            assert line.recv(1 << 16) == b""


def test_callers_that_break_off_leave_no_descriptor_no_memory_and_no_noise(hasty):
    """F29. A thousand, on which nothing but the log of requests may say a word."""
    (worker,) = hasty.workers

    def thousand() -> int:
        threads = [
            Thread(target=lambda k=k: [broken_off(hasty, 4 * n + k) for n in range(250)])
            for k in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        with closing(Raw(hasty.port)) as good:
            works(good)
        until(lambda: b"fairlead_connections 1\n" in hasty.get("/metrics")[1], 20)
        return memory(worker)

    thousand()
    lines, before, opened = len(hasty.lines), thousand(), files(hasty)
    grown = [thousand() - before]
    if grown[-1] > MOST_GROWTH:
        grown.append(thousand() - before - grown[-1])
    assert grown[-1] <= MOST_GROWTH, grown
    assert files(hasty) <= opened + 1
    assert hasty.workers == [worker]
    said = [line for line in hasty.lines[lines:] if '"event":"request"' not in line]
    assert len(said) <= 1, said[:5]


def framed(message: bytes) -> bytes:
    """A whole message of text from a client, masked by zeros."""
    return struct.pack(">BBH", 0x81, 0x80 | 126, len(message)) + bytes(4) + message


def test_a_websocket_that_takes_no_answer_is_ended_like_any_other_caller(tmp_path):
    """F28, over a connection that would else stay open for as long as its caller likes."""
    models.wide(tmp_path / "models")
    config = tmp_path / "fairlead.toml"
    config.write_text("[limits]\nidle_timeout_s = 2\n")
    head = {
        "host": "localhost", "upgrade": "websocket", "connection": "upgrade",
        "sec-websocket-version": "13", "sec-websocket-key": "MDEyMzQ1Njc4OWFiY2RlZg==",
    }  # fmt: skip
    with (
        server(tmp_path / "models", "--config", config, state=tmp_path / "state") as running,
        closing(socket.socket()) as line,
    ):
        until(running.ready)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect(("127.0.0.1", running.port))
        lines = [f"{name}: {value}" for name, value in head.items()]
        asked = "\r\n".join(["GET /invocations-bidirectional-stream HTTP/1.1", *lines, "", ""])
        line.sendall(asked.encode())
        assert b" 101 " in line.recv(13)
        line.sendall(framed(json.dumps({"instances": [[1.5]] * 25}).encode()))
        until(lambda: running.events("answers_not_taken"), 30)
