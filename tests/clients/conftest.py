"""A real server for foreign clients.

Each client has an environment of its own, without Fairlead: `make test-clients` makes them and runs
`tests/clients/test_NAME.py` in each. The server runs in the project's environment.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv" / "bin" / "python"
_START_S = 120.0


@dataclass(frozen=True)
class Served:
    """Where a server answers, each as host:port."""

    http: str
    grpc: str


@contextmanager
def serving(
    command: list[str], environ: Mapping[str, str] | None = None
) -> Iterator[tuple[Served, Callable[[], list[str]]]]:
    """A server of this command, ended afterwards; and what it has said so far."""
    lines: list[str] = []
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **(environ or {})},
    )
    late = Timer(_START_S, process.kill)
    late.start()
    assert process.stdout is not None
    found: dict[str, str] = {}
    try:
        for line in process.stdout:
            lines.append(line)
            if match := re.match(r"  at https?://(\S+)", line):
                found["http"] = match[1]
            if match := re.match(r"  gRPC at (\S+)", line):
                found["grpc"] = match[1].rpartition("/")[2]
            if len(found) == 2:
                break
        late.cancel()
        assert len(found) == 2, "".join(lines)
        yield Served(**found), lambda: lines
    finally:
        late.cancel()
        process.send_signal(signal.SIGTERM)
        lines += process.stdout
        process.stdout.close()
        process.wait(60)


@pytest.fixture(scope="session")
def served(tmp_path_factory) -> Iterator[Served]:
    """A server of two workers with the small models of tests/models.py."""
    place = tmp_path_factory.mktemp("served")
    command = [str(PYTHON), "-m", "tests.clients.serve", str(place)]
    ports = ["--port", "0", "--grpc-port", "0", "--admin", "off", "--workers", "2"]
    with serving([*command, *ports]) as (answers, _):
        yield answers
