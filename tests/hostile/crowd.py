"""A server among strangers: run in a network of its own, where one address may be many callers.

    unshare --user --net --map-root-user python -m tests.hostile.crowd ADDRESS FOLDER

Twenty thousand connections come from ADDRESS and say nothing. What became of it is printed as JSON.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from tests import models
from tests.processes import Running, server, until
from tests.raw import Raw, get, post

SERVER, STRANGER = "10.9.0.1", "10.9.0.3"
EACH, TIMES = 5000, 4
_GOOD = post("/predict/total", b"[1,2,3]")
_CALLER = """
import socket, sys
there, here, port, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
held = []
for _ in range(count):
    line = socket.socket()
    line.setsockopt(socket.IPPROTO_IP, 24, 1)  # the port is chosen when it connects
    line.bind((here, 0))
    line.connect((there, port))
    held.append(line)
print("there", flush=True)
sys.stdin.read()
"""


class Network:
    """Addresses of this machine that are nobody else's."""

    def __enter__(self) -> None:
        for words in ("link set lo up", f"addr add {SERVER}/24 dev lo"):
            subprocess.run(["ip", *words.split()], check=True)

    def __exit__(self, *told: object) -> None:
        """The network ends with its last process."""


class From(Raw):
    """A connection from an address of one's choice."""

    def __init__(self, address: str, port: int) -> None:
        super().__init__(port)
        self._socket.close()
        self._socket = socket.create_connection((SERVER, port), 20, (address, 0))


def crowd(address: str, port: int, stack: ExitStack) -> None:
    """Twenty thousand connections, of processes that hold them."""
    there = "127.0.0.1" if address == "127.0.0.1" else SERVER
    words = [sys.executable, "-c", _CALLER, there, address, str(port), str(EACH)]
    members = [
        stack.enter_context(
            subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
        for _ in range(TIMES)
    ]
    for member in members:
        assert member.stdout is not None
        assert member.stdout.readline() == "there\n"


def answered(line: Raw) -> list[int]:
    """Statuses of what somebody asks who is there already."""
    return [line.ask(request).status for request in (_GOOD, get("/livez"), get("/readyz"))]


def held(running: Running) -> int:
    """Descriptors of the worker."""
    return len(list(Path(f"/proc/{running.workers[0]}/fd").iterdir()))


def watched(running: Running, address: str) -> dict[str, Any]:
    """What the server does with the crowd."""
    before, processes = held(running), running.workers
    with closing(From(STRANGER, running.port)) as known, ExitStack() as stack:
        first = answered(known)
        crowd(address, running.port, stack)
        most = held(running)
        during = [answered(known) for _ in range(20)]
        new = []
        if address != "127.0.0.1":
            for _ in range(20):
                with closing(From(STRANGER, running.port)) as stranger:
                    new.append(answered(stranger))
    began = time.perf_counter()
    until(lambda: held(running) <= before + 2, 20)
    until(running.works, 20)
    return {
        "first": first,
        "during": during,
        "new": new,
        "held": most - before,
        "left": time.perf_counter() - began,
        "lived": running.workers == processes,
    }


def main(address: str, folder: Path) -> None:
    """Prints what was seen."""
    models.total(folder / "models")
    flags = ["--host", "0.0.0.0", "--auth", "platform", "--tls-elsewhere"]
    with Network(), server(folder / "models", *flags, state=folder / "state") as running:
        print("SEEN " + json.dumps(watched(running, address)))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
