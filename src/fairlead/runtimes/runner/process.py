"""One runner process, from its start to its end.

A channel on which anything went wrong is never used again: its process is ended, and with it
whatever the process would have said late.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from fairlead.core.errors import LoadFailed
from fairlead.runtimes.runner import frame, launch, precedence

_CHILD = "fairlead.runtimes.runner.child"
_LOAD_S = 300.0
_SAID_BYTES = 2000


class Runner:
    """A process that has loaded its model.

    locks:    what it is cut off from (sandbox.seal).
    degrees:  by which it goes after its worker, -1 before that was said.
    versions: the libraries that it was asked for and has.
    """

    def __init__(self, process: subprocess.Popen[bytes], channel: socket.socket, life: int) -> None:
        self._process = process
        self._channel = channel
        self._life = life
        self._ending = Lock()
        self._session, self.degrees = precedence.session_of(process.pid), -1
        self.locks: dict[str, bool] = {}
        self.versions: dict[str, str] = {}

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    @property
    def memory(self) -> int:
        """Bytes of memory that its process holds; 0 where the system does not say."""
        try:
            pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        except (OSError, IndexError):
            return 0
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process.poll() is None

    def give_way(self, degrees: int) -> bool:
        """Puts its process behind those of others; whether it stands there now, as far as can be.

        Where the system did not hear it, say it again.
        """
        if degrees == self.degrees or not self._ending.acquire(blocking=False):
            return True
        try:
            if self._session >= 0 and not precedence.place(self._session, degrees):
                return False
            self.degrees = degrees
        finally:
            self._ending.release()
        return True

    def ask(
        self,
        request: Sequence[bytes],
        attempt: int,
        within_s: float,
        kind: int = frame.PREDICT,
    ) -> tuple[int, memoryview]:
        """Kind and body of the answer to a request: the body of a frame of that kind.

        Raises TimeoutError after `within_s`, Closed when the process dies, BadFrame when it
        answers something else; end it then.
        """
        frame.send(self._channel, kind, attempt, request, within_s)
        kind, answered, body = frame.receive(self._channel, within_s)
        if answered != attempt:
            raise frame.BadFrame("the answer belongs to another attempt")
        return kind, body

    def end(self) -> int:
        """Ends the process, if it has not ended, and returns its exit status."""
        with self._ending:
            with suppress(ProcessLookupError):
                self._process.kill()
            status = self._process.wait()
            self._channel.close()
            precedence.close(self._session)
            self._session = -1
            if self._life >= 0:
                os.close(self._life)
                self._life = -1
            return status


def start(python: str, home: Path, where: str) -> Runner:
    """A runner for the job in `home`, ready to be asked. Raises LoadFailed saying why not.

    python: its interpreter, ours when "". where: the version, for people.
    """
    ours, theirs = socket.socketpair()
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as said:
        try:
            process = launch.start(
                _CHILD,
                [str(theirs.fileno()), str(reading), str(home / "job.json")],
                python=python,
                home=home / "scratch",
                descriptors=[theirs.fileno(), reading],
                output=said,
            )
        except OSError as error:
            ours.close()
            os.close(writing)
            # Callers may read this: where the interpreter should be is for the owner alone.
            raise LoadFailed(
                f"the interpreter of this version cannot be started: {error.strerror}",
                where=where,
                fix="Make that environment again, or pack the model under another --python",
            ) from error
        finally:
            theirs.close()
            os.close(reading)
        runner = Runner(process, ours, writing)
        try:
            _wait_ready(runner, ours, said, where)
        except BaseException:
            runner.end()
            raise
        return runner


def _wait_ready(runner: Runner, channel: socket.socket, said: Any, where: str) -> None:
    try:
        kind, _, body = frame.receive(channel, _LOAD_S)
    except TimeoutError:
        raise LoadFailed(f"the model was not loaded within {_LOAD_S:.0f} s", where=where) from None
    except (frame.Closed, frame.BadFrame):
        status = runner.end()
        reason = _last_line(said) or f"it ended with status {status}"
        raise LoadFailed(f"the runner did not start: {reason}", where=where) from None
    text = str(body, "utf-8", "replace")
    if kind != frame.READY:
        raise LoadFailed(f"the runner cannot load the model: {text}", where=where)
    told: dict[str, dict[str, Any]] = json.loads(text)
    runner.locks, runner.versions = told["locks"], told["versions"]


def _last_line(said: Any) -> str:
    said.seek(0, os.SEEK_END)
    said.seek(max(0, said.tell() - _SAID_BYTES))
    lines = said.read().decode(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else ""
