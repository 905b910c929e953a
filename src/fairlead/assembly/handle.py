"""A server started from Python: `fairlead.serve(...)` in a script or a notebook cell."""

from __future__ import annotations

import atexit
import os
import queue
import signal
import subprocess
import sys
from collections import deque
from threading import Thread
from types import TracebackType
from typing import IO

from fairlead.core.errors import CATALOGUE, BindRefused, FairleadError, SetupError

_START_S = 120.0
_STOP_S = 35.0
_MARK = "  at http"
_TAIL = 50


class Server:
    """A running server. Use it as a context manager, or call `stop`; it ends with this process.

    url: where it answers, such as http://127.0.0.1:8080.
    """

    def __init__(self, process: subprocess.Popen[str], url: str, tail: deque[str]) -> None:
        self._process = process
        self._tail = tail
        self.url = url
        atexit.register(self.stop)

    @property
    def running(self) -> bool:
        """Whether the server's process is alive."""
        return self._process.poll() is None

    @property
    def log(self) -> list[str]:
        """The last lines that the server wrote."""
        return list(self._tail)

    def stop(self) -> None:
        """Drains and ends the server; does nothing when it has ended already."""
        atexit.unregister(self.stop)
        _end(self._process)

    def wait(self) -> None:
        """Returns when the server has ended by itself or by somebody else."""
        self._process.wait()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Server {self.url} {'running' if self.running else 'ended'}>"


def serve(
    *paths: str | os.PathLike[str],
    name: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8080,
    workers: int | str = "auto",
    state: str | os.PathLike[str] = "./.fairlead",
    config: str | os.PathLike[str] | None = None,
) -> Server:
    """Starts a server for repositories, packages or trained files, and returns when it answers.

    port: 0 takes a free one; `Server.url` says which.
    Raises the error that the server says when it cannot start, BindRefused when it says none.
    """
    command = [sys.executable, "-P", "-m", "fairlead", "serve", *[os.fspath(p) for p in paths]]
    command += ["--host", host, "--port", str(port), "--workers", str(workers)]
    command += ["--state", os.fspath(state)]
    if name is not None:
        command += ["--name", name]
    if config is not None:
        command += ["--config", os.fspath(config)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Interrupting a notebook's cell must not end what an earlier cell has started.
        start_new_session=True,
    )
    tail: deque[str] = deque(maxlen=_TAIL)
    try:
        url = _wait(process, tail)
    except BaseException:
        _end(process)
        raise
    return Server(process, url, tail)


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[str], tail: deque[str]) -> str:
    """The address, once the server says it. A thread goes on reading, so that no pipe fills."""
    found: queue.Queue[str] = queue.Queue()
    assert process.stdout is not None
    Thread(target=_follow, args=(process.stdout, tail, found), daemon=True).start()
    try:
        url = found.get(timeout=_START_S)
    except queue.Empty:
        raise BindRefused(f"the server was not ready within {_START_S:.0f} s") from None
    if url:
        return url
    process.wait()
    raise _said(list(tail))


def _follow(lines: IO[str], tail: deque[str], found: queue.Queue[str]) -> None:
    for line in lines:
        tail.append(line.rstrip("\n"))
        if line.startswith(_MARK):
            found.put(line.removeprefix("  at ").strip())
    lines.close()
    found.put("")


def _said(lines: list[str]) -> FairleadError:
    """The error that the server said last, as the same kind of error here."""
    said = next((line for line in reversed(lines) if line.startswith("fairlead: ")), "")
    number, _, text = said.removeprefix("fairlead: ").partition(" ")
    known = CATALOGUE.get(number)
    if known is None or not issubclass(known, SetupError):
        return BindRefused(
            "the server ended before it was ready", where=lines[-1] if lines else None
        )
    return known(text)
