"""A real server of one version and one worker on this machine, for as long as it is measured.

It is started as people start it, on a free port, with a state folder that is thrown away, and ended
by its number.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from time import sleep

from fairlead.core.clock import now
from fairlead.core.errors import LoadFailed
from fairlead.packages.repository import Found
from fairlead.profiling import processes

_PATIENCE_S, _STEP_S, _END_S = 60.0, 0.02, 30.0
_HTTP = re.compile(r"  at http://127\.0\.0\.1:(\d+)")
_GRPC = re.compile(r"  gRPC at 127\.0\.0\.1:(\d+)")
_LAST = "  administration at"
_LINES_TOLD = 5


class Loopback:
    """A server that answers. Its model sleeps until it is asked first.

    port, grpc_port: of 127.0.0.1; the latter 0 where it speaks no gRPC.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: list[str] = []
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = self.grpc_port = 0

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.append(line.rstrip())

    def greeted(self) -> Loopback:
        """Waits until it says where it answers. Raises LoadFailed with its own last words."""
        end = now() + _PATIENCE_S
        while not any(line.startswith(_LAST) for line in [*self._lines]):
            if self._process.poll() is not None or now() > end:
                self._reader.join(1)
                raise LoadFailed(
                    "a server for it does not start: " + " | ".join(self._lines[-_LINES_TOLD:])
                )
            sleep(_STEP_S)
        self.port = self._number(_HTTP)
        self.grpc_port = self._number(_GRPC)
        return self

    def _number(self, sought: re.Pattern[str]) -> int:
        found = [m for line in [*self._lines] if (m := sought.match(line))]
        return int(found[0][1]) if found else 0

    @property
    def worker(self) -> list[int]:
        """The processes that answer: the worker, and the runners below it."""
        found = processes.below(self._process.pid)
        workers = [number for number, line in found.items() if "fairlead.assembly.worker" in line]
        return [*workers, *(n for worker in workers for n in processes.below(worker))]

    @property
    def all(self) -> list[int]:
        """Every process of it."""
        return [self._process.pid, *processes.below(self._process.pid)]

    def end(self) -> None:
        """Ends it as Ctrl-C does, and what is left of it after that."""
        left = self.all
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            for number in left:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            self._process.wait()
        self._reader.join(_END_S)
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def loopback(
    found: Found, environ: Mapping[str, str], *, isolated: bool = False
) -> Generator[Loopback]:
    """A server of one version. environ: of the process; settings of Fairlead are taken out.

    isolated: its graph is kept in a runner. Raises LoadFailed where it does not start.
    """
    plain = {name: value for name, value in environ.items() if not name.startswith("FAIRLEAD_")}
    plain["FAIRLEAD_MODELS__LOAD"] = "lazy"
    if isolated:
        plain["FAIRLEAD_MODELS__ISOLATE"] = found.name
    with tempfile.TemporaryDirectory(prefix="fairlead-profile-") as folder:
        command = [sys.executable, "-P", "-m", "fairlead", "serve", str(found.folder.resolve())]
        command += ["--name", found.name, "--host", "127.0.0.1", "--port", "0", "--workers", "1"]
        command += ["--state", str(Path(folder) / "state")]
        # In its own folder, so that no settings of the owner are read.
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=plain,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        running = Loopback(process)
        try:
            yield running.greeted()
        finally:
            running.end()
