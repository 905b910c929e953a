"""The processes that a supervisor keeps running, also those that it has started in an earlier life.

A supervisor that replaces itself keeps its number, so its children stay its children.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Any, Protocol

from fairlead.core.clock import now

FIRST_BACKOFF_S, LAST_BACKOFF_S = 0.1, 30.0
BOOKKEEPER = -1
"""The index of the bookkeeper among the children."""
HURRY = signal.SIGUSR2
"""By which a worker ends at once: a second SIGTERM is none where the first was not yet heard."""


class Process(Protocol):
    """A child: one of `subprocess`, or an adopted one."""

    pid: int

    def poll(self) -> int | None: ...

    def send_signal(self, sig: int) -> None: ...

    def kill(self) -> None: ...


class Adopted:
    """A child that was started before this program replaced the one that started it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._status: int | None = None

    def poll(self) -> int | None:
        """Its exit status, None while it runs; that of a process that is unknown is -1."""
        if self._status is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                pid, status = self.pid, 1 << 8
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
        return self._status

    def send_signal(self, sig: int) -> None:
        """Sends a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, sig)

    def kill(self) -> None:
        """Ends it at once."""
        self.send_signal(9)


@dataclass(slots=True)
class Child:
    """A process that should be running.

    index:   its status page; BOOKKEEPER for the bookkeeper.
    command: its command line; {pipe} is filled in when it starts. handles: what it inherits.
    backoff: seconds to wait after its next death; due: when it may start; ending: it was killed.
    deaths:  since it last ran for a while. until: when it is killed, 0 while it should run on.
    """

    index: int
    command: list[str]
    handles: list[int]
    process: Process | None = None
    started: float = 0.0
    backoff: float = FIRST_BACKOFF_S
    due: float = 0.0
    ending: bool = False
    deaths: int = 0
    until: float = 0.0

    @property
    def name(self) -> str:
        """What it is called in the log."""
        return "bookkeeper" if self.index == BOOKKEEPER else f"worker {self.index}"

    @property
    def gone(self) -> bool:
        """Whether it does not run now."""
        return self.process is None or self.process.poll() is not None

    def later(self) -> None:
        """Starts again after a while, each time after a longer one."""
        self.due = now() + self.backoff
        self.backoff = min(self.backoff * 2, LAST_BACKOFF_S)
        self.deaths += 1

    def stable(self) -> None:
        """It has run for a while: what was before counts no longer."""
        self.backoff, self.deaths = FIRST_BACKOFF_S, 0

    def leave(self, number: int, within_s: float) -> None:
        """Tells it to end: by a signal now, and by force after so many seconds."""
        self.until = now() + within_s
        self.tell(number)

    def hurry(self, within_s: float) -> None:
        """Who was told to end is to end at once: by force after so many seconds."""
        self.until = min(self.until, now() + within_s)
        if self.index != BOOKKEEPER:  # which has nothing that it could give up
            self.tell(HURRY)

    def tell(self, number: int) -> None:
        """Sends it a signal, if it runs."""
        if self.process is not None:
            self.process.send_signal(number)

    def overdue(self) -> bool:
        """Kills it when it should have ended by now; whether it was so."""
        if self.gone or now() <= self.until:
            return False
        assert self.process is not None, "who is gone is not overdue"
        self.process.kill()
        return True

    def to_json(self) -> dict[str, Any]:
        """What the next life of the supervisor must know."""
        known = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "process"}
        return {**known, "pid": self.process.pid if self.process is not None else 0}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Child:
        """The inverse of `to_json`."""
        known = {name: value for name, value in data.items() if name != "pid"}
        return cls(**known, process=Adopted(data["pid"]) if data["pid"] else None)
