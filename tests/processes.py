"""Real servers for tests that watch processes: start one, find its children, wait for a state."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")
_STEP_S = 0.01
_GIVING = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""
UNDER = ("unshare", "--user")
"""How a process gets another number, where the kernel lets it."""


def until(true: Callable[[], T], seconds: float = 30.0, says: str = "it never came to be") -> T:
    """The first true answer; fails after `seconds` without one."""
    end = time.perf_counter() + seconds
    while True:
        found = true()
        if found:
            return found
        assert time.perf_counter() < end, says
        time.sleep(_STEP_S)


def free_port() -> int:
    """A port that nobody had a moment ago."""
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def alive(process: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return _facts(process)[0] != "Z"
    except OSError:
        return False


def children(process: int) -> dict[int, str]:
    """The command lines of a process's living children, by process number."""
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            state, parent = _facts(int(entry.name))
            if parent == process and state != "Z":
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                found[int(entry.name)] = line
        except OSError:
            continue
    return found


def _facts(process: int) -> tuple[str, int]:
    """A process's state and its parent."""
    state, parent = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[:2]
    return state, int(parent)


class Running:
    """A server started by `fairlead serve`, as from a shell."""

    def __init__(
        self,
        *arguments: str | Path,
        environ: dict[str, str] | None = None,
        user: int | None = None,
        given: socket.socket | None = None,
    ) -> None:
        """given: a socket that listens already, handed over as systemd does it.

        user: the number under which it runs, in group 0 and without rights; None: the caller's.

        The kernel maps it to the caller's own number, so that it reaches the same files.
        """
        command = [sys.executable, "-P", "-m", "fairlead", "serve", *map(str, arguments)]
        mapped = () if user is None else (*UNDER, f"--map-user={user}", "--map-group=0")
        handed = () if given is None else (given.fileno(),)
        if given is not None:
            command = [sys.executable, "-c", _GIVING, str(given.fileno()), *command]
        self.process = subprocess.Popen(
            [*mapped, *command],
            pass_fds=handed,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **(environ or {})},
        )
        words = [*map(str, arguments)]
        self._without_admin = ("--admin", "off") in itertools.pairwise(words)
        self.lines: list[str] = []
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = self.grpc_port = self.admin_port = 0

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def greeted(self) -> Running:
        """Waits until the server says where it answers."""

        def address() -> str:
            assert self.process.poll() is None, "\n".join(self.lines)
            return next((line for line in [*self.lines] if line.startswith("  at http")), "")

        self.port = int(until(address, 60).rpartition(":")[2])
        if not self._without_admin:
            # It is said last of all addresses, and those before it are read by then.
            until(lambda: any(line.startswith("  administration at") for line in [*self.lines]), 60)
        grpc = [line for line in self.lines if line.startswith("  gRPC at ")]
        # Where the port above the service's is taken, the line says so behind the address.
        self.grpc_port = int(grpc[0].partition(" (")[0].rpartition(":")[2]) if grpc else 0
        admin = [line for line in self.lines if line.startswith("  administration at http")]
        self.admin_port = int(admin[0].partition(",")[0].rpartition(":")[2]) if admin else 0
        return self

    def events(self, name: str) -> list[dict[str, Any]]:
        """What the server logged under this name."""
        found = [json.loads(line) for line in [*self.lines] if line.startswith("{")]
        return [event for event in found if event["event"] == name]

    @property
    def workers(self) -> list[int]:
        """The process numbers of the workers that run now."""
        return self._named("assembly.worker")

    @property
    def bookkeepers(self) -> list[int]:
        """The process number of the bookkeeper that runs now."""
        return self._named("assembly.bookkeeper")

    def _named(self, module: str) -> list[int]:
        return sorted(p for p, line in children(self.process.pid).items() if module in line)

    def connect(self, timeout: float = 60.0) -> http.client.HTTPConnection:
        """A keep-alive connection; nothing of it retries behind the test's back."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body over a connection of its own."""
        with closing(self.connect()) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def asked(
        self, path: str, key: str = "", body: Any = None, *, method: str = "", admin: bool = False
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, JSON and headers of one request with a key, over a connection of its own."""
        port = self.admin_port if admin else self.port
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            headers = {"authorization": f"Bearer {key}"} if key else {}
            given = None if body is None else json.dumps(body)
            if given is not None:
                headers["content-type"] = "application/json"
            connection.request(method or ("GET" if body is None else "POST"), path, given, headers)
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            raw = answer.read()
            return answer.status, json.loads(raw) if raw[:1] in b"{[" else raw, told

    def predict(self, connection: http.client.HTTPConnection, model: str, row: Any) -> Any:
        """The status and the JSON answer of one prediction."""
        body = json.dumps(row)
        connection.request("POST", f"/predict/{model}", body, {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def works(self) -> bool:
        """Whether a new caller is answered now."""
        try:
            return self.get("/livez")[0] == 200
        except OSError:
            return False

    def ready(self) -> bool:
        """Whether the server says that it is ready."""
        try:
            return self.get("/readyz")[0] == 200
        except OSError:
            return False

    def port_is_free(self) -> bool:
        """Whether another server could take the port."""
        with closing(socket.socket()) as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                other.bind(("127.0.0.1", self.port))
            except OSError:
                return False
            return True

    def stop(self) -> int:
        """Ends the server as Ctrl-C does, and gives its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        finally:
            self.end()

    def end(self) -> None:
        """Leaves nothing behind, whatever happened."""
        below = [*children(self.process.pid)]
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for process in below:
            until(lambda process=process: not alive(process), 10, f"{process} was left behind")
        self._reader.join(10)
        if self.process.stdout is not None:
            self.process.stdout.close()


@contextmanager
def server(*arguments: str | Path, state: Path, workers: int = 1, **more: Any) -> Iterator[Running]:
    """A server that answers, on a free port; it is ended afterwards.

    A caller that only stops or kills it itself does no harm.
    """
    flags = ["--port", "0", "--workers", str(workers), "--state", str(state)]
    running = Running(*arguments, *flags, **more)
    try:
        yield running.greeted()
    finally:
        running.end()
