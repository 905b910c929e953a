"""The worker's side of a runner: starts it, asks it, kills it when it hangs, starts it again.

An answer carries the attempt it belongs to, so what a slow attempt says late is dropped; a channel
on which anything went wrong is never used again.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock
from typing import Any

from fairlead.core.clock import now
from fairlead.core.errors import LoadFailed, ModelCrashed, ModelError, ModelHung, ModelNotReady
from fairlead.core.package import Package
from fairlead.core.tensor import Array
from fairlead.runtimes.runner import frame, launch

_LOAD_S = 300.0
_BACKOFF_S = (0.0, 0.1, 1.0, 5.0, 30.0)
_PATIENCE_S = 1.0
"""A call may wait this long for a runner that is due to start again."""
_SAID_BYTES = 2000


class IsolatedRuntime:
    """Loads packages of one runtime into runner processes.

    name:   the runtime whose file in this package knows the model.
    log:    told of what happens to runners: (event, fields).
    memory: bytes of address space that a runner may use, 0 for any.
    """

    def __init__(self, name: str, log: Callable[..., None], memory: int = 0) -> None:
        self.name = name
        self._log = log
        self._memory = memory

    def load(self, package: Package, read: Callable[[str], bytes]) -> RunnerModel:
        """A running runner with the package's files. Raises LoadFailed saying why not."""
        home = Path(tempfile.mkdtemp(prefix="fairlead-runner-"))
        try:
            files = home / "files"
            for relative in package.files:
                if relative.startswith(("graph/", "native/")):
                    target = files / relative
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(read(relative))
            (home / "scratch").mkdir()
            (home / "job.json").write_text(json.dumps(self._job(package, files, home / "scratch")))
            model = RunnerModel(package, home, self._log)
            model.start()
        except BaseException:
            shutil.rmtree(home, ignore_errors=True)
            raise
        return model

    def _job(self, package: Package, files: Path, scratch: Path) -> dict[str, Any]:
        about = dict(package.environment.get("about", {}))
        return {
            "runtime": self.name,
            "folder": str(files),
            "scratch": str(scratch),
            "graph": package.graph,
            "about": {**about, "signature": package.signature.to_json()},
            "memory": self._memory,
            "versions": list(package.environment.get("versions", {})),
        }


class RunnerModel:
    """A loaded model in its runner. One predict at a time."""

    def __init__(self, package: Package, home: Path, log: Callable[..., None]) -> None:
        self._where = f"{package.name} version {package.version}"
        self._python = str(package.environment.get("python", ""))
        self._versions: dict[str, str] = dict(package.environment.get("versions", {}))
        self._budget = package.limits.time_budget_s
        self._home = home
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._life = -1
        self._attempt = 0
        self._failures = 0
        self._not_before = 0.0
        self._closing = Lock()
        self.locks: dict[str, bool] = {}

    def predict(self, inputs: Sequence[Array], outputs: Sequence[int]) -> list[Array]:
        """Asks the runner. Raises ModelError, ModelCrashed or ModelHung; then it starts anew."""
        if self._channel is None:
            self._start_again()
        channel = self._channel
        assert channel is not None
        self._attempt += 1
        channel.settimeout(self._budget)
        try:
            frame.send(channel, frame.PREDICT, self._attempt, frame.request(inputs, outputs))
            kind, attempt, body = frame.receive(channel)
        except TimeoutError:
            self._end("hung")
            raise ModelHung(
                f"the model exceeded its time budget of {self._budget:g} s and was stopped"
            ) from None
        except (frame.Closed, frame.BadFrame):
            self._end("died")
            raise ModelCrashed("the model's process died on this call") from None
        if attempt != self._attempt:
            self._end("out of step")
            raise ModelCrashed("the model's process answered another call")
        self._failures = 0
        if kind != frame.ANSWER:
            raise ModelError(f"the model failed: {str(body, 'utf-8', 'replace')[:300]}")
        return self._arrays(body)

    def _arrays(self, body: memoryview) -> list[Array]:
        try:
            return frame.unpack(body, 0)
        except frame.BadFrame:
            self._end("broke the framing")
            raise ModelCrashed("the model's process answered nonsense") from None

    def interrupt(self, thread: int) -> None:
        """Nothing: `predict` bounds itself by the version's time budget."""

    def close(self) -> None:
        """Ends the runner and removes its files."""
        self._end("")
        shutil.rmtree(self._home, ignore_errors=True)

    def start(self) -> None:
        """Starts the runner and waits until its model is loaded. Raises LoadFailed."""
        ours, theirs = socket.socketpair()
        reading, writing = os.pipe()
        with tempfile.TemporaryFile() as said:
            try:
                self._process = launch.start(
                    "fairlead.runtimes.runner.child",
                    [str(theirs.fileno()), str(reading), str(self._home / "job.json")],
                    python=self._python,
                    home=self._home / "scratch",
                    descriptors=[theirs.fileno(), reading],
                    output=said,
                )
            except OSError as error:
                ours.close()
                os.close(writing)
                raise LoadFailed(
                    f"the interpreter {self._python} cannot be started: {error.strerror}",
                    where=self._where,
                    fix="Make that environment again, or pack the model under another --python",
                ) from error
            finally:
                theirs.close()
                os.close(reading)
            self._channel, self._life = ours, writing
            self._wait_ready(ours, said)

    def _wait_ready(self, channel: socket.socket, said: Any) -> None:
        channel.settimeout(_LOAD_S)
        try:
            kind, _, body = frame.receive(channel)
        except (TimeoutError, frame.Closed, frame.BadFrame):
            self._end("")
            said.seek(0, os.SEEK_END)
            said.seek(max(0, said.tell() - _SAID_BYTES))
            lines = said.read().decode(errors="replace").strip().splitlines()
            reason = lines[-1] if lines else f"no answer within {_LOAD_S:.0f} s"
            raise LoadFailed(f"the runner did not start: {reason}", where=self._where) from None
        text = str(body, "utf-8", "replace")
        if kind != frame.READY:
            self._end("")
            raise LoadFailed(
                f"the runner cannot load the model: {text}",
                where=self._where,
                fix=self._advice(text),
            )
        told: dict[str, dict[str, Any]] = json.loads(text)
        self.locks = told["locks"]
        self._check_versions(told["versions"])

    def _check_versions(self, found: dict[str, str]) -> None:
        """Refuses libraries of another minor version than the package's; says of other patches."""
        for name, wanted in self._versions.items():
            here = found.get(name, "absent")
            if here == wanted:
                continue
            if here.split(".")[:2] != wanted.split(".")[:2]:
                self._end("")
                raise LoadFailed(
                    f"the model was packed with {name} {wanted}; the runner has {here}",
                    where=self._where,
                    fix=f"pip install {name}=={wanted} where it runs, or pack it again with "
                    f"{name} {here}",
                )
            self._log("version_drift", model=self._where, library=name, packed=wanted, here=here)

    def _advice(self, text: str) -> str | None:
        if "Error: No module named" not in text and "ImportError" not in text:
            return None
        wanted = " ".join(f"{name}=={number}" for name, number in self._versions.items())
        return f"Install what it was packed with where it runs: pip install {wanted}"

    def _start_again(self) -> None:
        """A fresh runner after one that failed; the more often, the longer after."""
        wait = self._not_before - now()
        if wait > _PATIENCE_S:
            raise ModelNotReady("the model's process keeps dying; it is started again in a while")
        if wait > 0:
            Event().wait(wait)
        try:
            self.start()
        except LoadFailed as error:
            self._backoff()
            self._log("runner_not_started", model=self._where, reason=error.line())
            raise ModelNotReady("the model's process could not be started again") from None

    def _backoff(self) -> None:
        self._not_before = now() + _BACKOFF_S[min(self._failures, len(_BACKOFF_S) - 1)]
        self._failures += 1

    def _end(self, why: str) -> None:
        with self._closing:
            process, self._process = self._process, None
            channel, self._channel = self._channel, None
            life, self._life = self._life, -1
        if channel is not None:
            channel.close()
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            status = process.wait()
            if why:
                self._backoff()
                self._log("runner_ended", model=self._where, why=why, status=status)
        if life >= 0:
            os.close(life)
