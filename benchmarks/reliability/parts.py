"""What the commands of reliability share: a model that costs what it says, and a pinned server."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks import machine
from benchmarks.places import tool
from benchmarks.servers import Kind, Server, start

BODY = b'{"x": 1.5}'
DEADLINE_S = 0.25

_SOURCE = '''
from time import thread_time

import numpy as np


def burner(x):
    """Burns processor time: {batch_ms} ms for a batch and {row_ms} ms for each of its rows."""
    end = thread_time() + {batch_ms} / 1000 + len(x) * {row_ms} / 1000
    while thread_time() < end:
        pass
    return {{"y": np.asarray(x, dtype=np.float64)}}
'''
_SETTINGS = "[limits]\nmax_batch = 8\n"


def burner(folder: Path, row_ms: float = 5.0, batch_ms: float = 1.0, name: str = "burner") -> Path:
    """The repository with a model of one thread that is joined in batches of 8.

    The millisecond for each batch makes it worth joining rows at all.
    """
    source = _SOURCE.format(row_ms=row_ms, batch_ms=batch_ms)
    return packed(folder, source, "burner", "x\n1.5\n2.5\n3.5\n", name)


def packed(folder: Path, text: str, function: str, lines: str, name: str = "") -> Path:
    """The repository with a function of a source, joined in batches of 8. lines: of a CSV file."""
    name = name or function
    source = folder / f"{name}.py"
    source.write_text(text)
    rows, words = folder / "rows.csv", folder / "limits.toml"
    rows.write_text(lines)
    words.write_text(_SETTINGS)
    command = [sys.executable, "-P", "-m", "fairlead", "pack", f"{source}:{function}"]
    command += ["--name", name]
    command += ["--reference", str(rows), "--model-toml", str(words)]
    command += ["--repository", str(folder / "models")]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "models"


def cores() -> tuple[int, int]:
    """The core of the load and the core of the server; the same where there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


@contextmanager
def served(
    models: Path,
    *options: str,
    model: str = "burner",
    body: bytes = BODY,
    environment: Mapping[str, str] | None = None,
) -> Generator[Server]:
    """A server with one worker on a core of its own; this process keeps to another.

    body: a request that the model answers.
    """
    here, there = cores()
    os.sched_setaffinity(0, {here})
    pinned = [tool("taskset", "util-linux"), "-c", str(there)]
    serve = [sys.executable, "-P", "-m", "fairlead", "serve", str(models), "--port", "0"]

    def command(folder: Path, port: int) -> list[str]:
        return [*pinned, *serve, "--workers", "1", "--state", str(folder / "state"), *options]

    with tempfile.NamedTemporaryFile() as sent:
        Path(sent.name).write_bytes(body)
        more = dict(environment or {})
        kind = Kind("fairlead", command, f"/predict/{model}", more, says_address=True)
        server = start(kind, Path(sent.name))
        for process in runners(server):
            machine.Precedence.give(process)
        try:
            yield server
        finally:
            server.stop()
            os.sched_setaffinity(0, {here, there})


def port_of(server: Server) -> int:
    """The port on which a server answers."""
    return int(server.url.rpartition(":")[2].partition("/")[0])


def runners(server: Server) -> list[int]:
    """The processes that execute models, each of which leads a session of its own."""
    members, found = set(machine.members(server.session)), list[int]()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) not in members:
            with suppress(OSError):
                stat = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(stat[1]) in members:
                    found.append(int(folder.name))
    return found


def own_seconds(server: Server) -> float:
    """Processor time of a server's processes but for the runner, which executes the model."""
    return machine.cpu_seconds(server.session)
