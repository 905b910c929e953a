"""How each server of the race is started, asked and ended."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import IO, Any

from benchmarks import machine
from benchmarks.places import HERE, VENVS, peer_python, tool

_START_S, _STOP_S = 90.0, 10.0
_MARK = "  at http"


@dataclass(slots=True)
class Server:
    """A running server.

    session: the kernel's session that holds the server's processes and no others.
    key: that callers must show, "" where none is wanted.
    asks: as in its kind.
    started_s: from the start of the command to the first answer.
    """

    name: str
    process: subprocess.Popen[str]
    url: str
    body: Path
    folder: tempfile.TemporaryDirectory[str]
    said: list[str] = field(default_factory=list[str])
    started_s: float = 0.0
    key: str = ""
    asks: Callable[[Server], Any] | None = None

    @property
    def session(self) -> int:
        return self.process.pid

    def ask(self) -> Any:
        """The answer to the body that the load sends. Raises OSError or ValueError."""
        if self.asks is not None:
            return self.asks(self)
        headers = {"content-type": "application/json"}
        if self.key:
            headers["authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(self.url, self.body.read_bytes(), headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def stop(self) -> None:
        """Ends every process of the server."""
        self.process.send_signal(signal.SIGTERM)
        end = time.perf_counter() + _STOP_S
        while machine.members(self.session) and time.perf_counter() < end:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(0.05)
        for process in machine.members(self.session):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.process.wait()
        self.folder.cleanup()


@dataclass(frozen=True, slots=True)
class Kind:
    """A server that can be started.

    command: (folder for its files, port) to the command line; port 0 means that it says its own.
    path:    where it predicts.
    key:     makes a key in the folder for its files, before it starts.
    asks:    how it is asked, where that is not by HTTP/1.1; as `Server.ask`.
    """

    name: str
    command: Callable[[Path, int], list[str]]
    path: str
    environment: dict[str, str] = field(default_factory=dict[str, str])
    says_address: bool = False
    key: Callable[[Path], str] = lambda folder: ""
    asks: Callable[[Server], Any] | None = None


class NotStarted(Exception):
    """A server that did not answer."""


def start(kind: Kind, body: Path) -> Server:
    """Starts a server and returns when it answers `body`. Raises NotStarted, Missing."""
    folder = tempfile.TemporaryDirectory(prefix="fairlead-bench-")
    port = 0 if kind.says_address else free_port()
    key = kind.key(Path(folder.name))
    command = kind.command(Path(folder.name), port)
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=folder.name,
        env=_environment() | kind.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    machine.Precedence.give(process.pid)
    server = Server(kind.name, process, "", body, folder, key=key, asks=kind.asks)
    address = _follow(server)
    try:
        root = _said_address(server, address) if kind.says_address else f"http://127.0.0.1:{port}"
        server.url = root + kind.path
        _wait(server, began)
    except NotStarted:
        server.stop()
        raise
    server.started_s = time.perf_counter() - began
    return server


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _environment() -> dict[str, str]:
    """Ours; no library starts a thread per core, or reports to its makers meanwhile."""
    ours = {"OMP_NUM_THREADS": "1", "ORT_DISABLE_TELEMETRY": "1", "PYTHONUNBUFFERED": "1"}
    return {**os.environ, **ours}


def _follow(server: Server) -> queue.Queue[str]:
    """Reads what the server says, so that no pipe fills; its address goes into the queue."""
    found: queue.Queue[str] = queue.Queue()

    def read(lines: IO[str]) -> None:
        for line in lines:
            server.said = [*server.said[-30:], line.rstrip()]
            if line.startswith(_MARK):
                found.put(line.removeprefix("  at ").strip())
        lines.close()

    assert server.process.stdout is not None
    Thread(target=read, args=(server.process.stdout,), daemon=True).start()
    return found


def _said_address(server: Server, found: queue.Queue[str]) -> str:
    end = time.perf_counter() + _START_S
    while time.perf_counter() < end:
        try:
            return found.get(timeout=0.05)
        except queue.Empty:
            if server.process.poll() is not None:
                break
    raise _not_started(server)


def _wait(server: Server, began: float) -> None:
    while time.perf_counter() - began < _START_S and server.process.poll() is None:
        try:
            server.ask()
            return
        except urllib.error.HTTPError as error:
            server.said.append(f"{error.code} {error.read()[:300]!r}")
        except (OSError, ValueError):
            pass
        time.sleep(0.01)
    raise _not_started(server)


def _not_started(server: Server) -> NotStarted:
    return NotStarted(f"{server.name} does not answer:\n  " + "\n  ".join(server.said[-8:]))


# --- the kinds -----------------------------------------------------------------------------


LIMITS = ("requests=1000000/second", "rows=1000000000/day", "concurrency=1000")
"""Of the key that callers show where everything is on: none is reached, every one is counted."""


def fairlead(package: Path, model: str, name: str = "fairlead", *, keyed: bool = False) -> Kind:
    """One worker: validation, journal, counts, supervisor, bookkeeper.

    keyed: callers show a key with limits, and are counted by it.
    """

    def command(folder: Path, port: int) -> list[str]:
        options = ["--port", str(port), "--workers", "1", "--state", str(folder / "state")]
        return [sys.executable, "-P", "-m", "fairlead", "serve", str(package), *options]

    path = f"/v2/models/{model}/infer"
    if not keyed:
        return Kind(name, command, path, says_address=True)
    return Kind(name, command, path, says_address=True, key=lambda f: _key(f / "state"))


def _key(state: Path) -> str:
    """A key in the state folder of a server that has not started."""
    state.mkdir(mode=0o700)
    command = ["keys", "create", "--name", "load", "--scope", "predict:*", "--json"]
    command += [word for limit in LIMITS for word in ("--limit", limit)]
    told = subprocess.run(
        [sys.executable, "-P", "-m", "fairlead", *command, "--state", str(state)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return str(json.loads(told.stdout)["key"])


def spike(graph: Path, output: str) -> Kind:
    """The bare spike."""
    return Kind(
        "bare spike",
        lambda folder, port: [
            sys.executable, str(HERE / "spike.py"), str(graph), output, str(port),
        ],
        "/v2/models/boosting/infer",
    )  # fmt: skip


def fastapi(graph: Path) -> Kind:
    """FastAPI on uvicorn with uvloop and httptools, two processes."""

    def command(folder: Path, port: int) -> list[str]:
        options = ["--app-dir", str(HERE / "peers"), "--port", str(port), "--workers", "2"]
        options += ["--loop", "uvloop", "--http", "httptools", "--no-access-log"]
        return [peer_python("fastapi"), "-m", "uvicorn", "fastapi_app:app", *options]

    return Kind("FastAPI w2", command, "/predict", {"GRAPH": str(graph)})


def mosec(graph: Path) -> Kind:
    """Mosec with one worker and batches of 64."""

    def command(folder: Path, port: int) -> list[str]:
        app = str(HERE / "peers" / "mosec_app.py")
        options = ["--address", "127.0.0.1", "--port", str(port), "--timeout", "30000"]
        return [peer_python("mosec"), app, *options, "--log-level", "warning"]

    return Kind("mosec batch", command, "/inference", {"GRAPH": str(graph)})


def mlserver(graph: Path) -> Kind:
    """MLServer with the model in its own process."""

    def command(folder: Path, port: int) -> list[str]:
        settings = {
            "host": "127.0.0.1",
            "http_port": port,
            "grpc_port": free_port(),
            "metrics_endpoint": None,
            "parallel_workers": 0,
            "debug": False,
            "logging_settings": None,
        }
        model = {"name": "boosting", "implementation": "mlserver_model.Graph"}
        (folder / "boosting").mkdir()
        (folder / "settings.json").write_text(json.dumps(settings))
        (folder / "boosting" / "model-settings.json").write_text(json.dumps(model))
        peer_python("mlserver")
        return [str(VENVS / "mlserver" / "bin" / "mlserver"), "start", str(folder)]

    where = {"GRAPH": str(graph), "PYTHONPATH": str(HERE / "peers")}
    return Kind("MLServer", command, "/v2/models/boosting/infer", where)


_NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log /dev/null;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 100000000; client_body_temp_path {folder}/body;
  server {{
    listen 127.0.0.1:{port};
    location / {{ default_type application/json; return 200 '{{"ok":true}}'; }}
  }}
}}
"""


def nginx() -> Kind:
    """nginx that answers a few fixed bytes: what HTTP alone costs here."""

    def command(folder: Path, port: int) -> list[str]:
        config = folder / "nginx.conf"
        config.write_text(_NGINX.format(folder=folder, port=port))
        return [tool("nginx", "nginx-light"), "-p", str(folder), "-c", str(config)]

    return Kind("nginx echo", command, "/")
