"""How a running server is replaced: settings are tried, then workers change one after the other.

A program of the assembly reads the settings anew and says what to run; what it refuses changes
nothing. Then the supervisor replaces itself, and the listening sockets are never closed meanwhile.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from fairlead.serving.children import Child
from fairlead.serving.log import flush
from fairlead.serving.machine import anonymous_file
from fairlead.serving.ready import lacking
from fairlead.serving.status import StatusPages

LEAVE = signal.SIGUSR1
"""Tells a worker that another one has taken its place: it drains, and the server stays ready."""

HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
"""The signals that the supervisor lives by; none may end it while it replaces itself."""

_TRIES = 3
"""Deaths of the first new worker after which the old ones stay."""


class Preparing:
    """A program that reads the settings anew and says what to run.

    command: its command line; {into} is the descriptor of the file into which it writes what it
    found, as JSON: {"refused": why}, or {"orders": ..., "spec": what the processes are told}.
    """

    def __init__(self, command: Sequence[str], handles: Sequence[int]) -> None:
        """Starts it. Raises OSError."""
        self._into = anonymous_file()
        told = [argument.replace("{into}", str(self._into)) for argument in command]
        try:
            self._process = subprocess.Popen(
                told, stdin=subprocess.DEVNULL, pass_fds=[*handles, self._into]
            )
        except OSError:
            os.close(self._into)
            raise

    def found(self) -> dict[str, Any] | None:
        """What it says; None while it runs."""
        status = self._process.poll()
        if status is None:
            return None
        raw = os.pread(self._into, os.fstat(self._into).st_size, 0)
        os.close(self._into)
        try:
            return json.loads(raw)
        except ValueError:
            return {"refused": f"what reads the settings ended with status {status}"}

    def end(self) -> None:
        """Ends it: nobody wants to know any more."""
        self._process.kill()
        self._process.wait()


@contextmanager
def signals_wait() -> Generator[None, None, None]:
    """Meanwhile no signal is lost and none ends this program: what comes waits.

    Also for the program that takes its place meanwhile, until that one asks for it.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)


def replace_supervisor(orders: Mapping[str, Any]) -> None:
    """Replaces this program by a supervisor with these orders. Raises OSError.

    What it hands over must be inheritable. Signals must wait.
    """
    handle = anonymous_file(json.dumps(orders).encode())
    command = [sys.executable, "-P", "-m", "fairlead.serving.supervisor", str(handle)]
    flush()
    try:
        os.execv(sys.executable, command)  # noqa: S606
    except OSError:
        os.close(handle)
        raise


class Rolling:
    """Two generations of workers, of which the new one takes over.

    old: those that serve yet; the supervisor keeps them running as any other. allowed: how many of
    the new ones should run. previous: the orders of the old generation.
    """

    def __init__(
        self, old: list[Child], fresh: Sequence[Child], pages: StatusPages, previous: dict[str, Any]
    ) -> None:
        self.old = old
        self.allowed = 1
        self.previous = previous
        self._fresh = fresh
        self._pages = pages
        self._leaving: list[Child] = []
        self._taken_over = False

    def step(self, leave: Callable[[Child], None]) -> bool | None:
        """One step on: the next new worker answers, then an old one leaves, and so on.

        leave: tells a worker to end. Returns True once no old one is left, False when the new ones
        do not come up, so that the old ones stay, and None until then.
        """
        self._leaving = [child for child in self._leaving if not child.gone]
        if not all(self._answers(child) for child in self._fresh[: self.allowed]):
            return False if not self._taken_over and self._failed(self._fresh[0]) else None
        self._taken_over = True
        last = self.allowed == len(self._fresh)
        stay = 0 if last else max(0, len(self._fresh) - self.allowed)
        for child in self.old[stay:]:
            self.old.remove(child)
            self._leaving.append(child)
            leave(child)
        if self._leaving:
            return None
        if last:
            return True
        self.allowed += 1
        return None

    def _answers(self, child: Child) -> bool:
        """Whether a new worker takes calls, for every model for which an old one does."""
        page = self._page(child)
        return page is not None and page["accepting"] and page["settled"] and not self._worse(page)

    def _failed(self, child: Child) -> bool:
        page = self._page(child)
        worse = page is not None and page["settled"] and self._worse(page)
        return child.deaths >= _TRIES or worse

    def _worse(self, page: Mapping[str, Any]) -> bool:
        """Whether a model that is ready in an old worker cannot be answered for by this one.

        One that sleeps can: it is loaded once somebody asks for it.
        """
        before: set[str] = set()
        for child in self.old:
            before |= _ready(self._page(child))
        return bool(before & lacking(page["models"]))

    def _page(self, child: Child) -> Mapping[str, Any] | None:
        """What a worker says of itself, while it runs."""
        return None if child.gone else self._pages.read(child.index)


def _ready(page: Mapping[str, Any] | None) -> set[str]:
    """The models of which a version is ready."""
    models: Mapping[str, Mapping[str, str]] = {} if page is None else page["models"]
    return {key.rpartition("/")[0] for key, model in models.items() if model["state"] == "ready"}
