"""The supervisor: owns the listening socket, starts the workers and the bookkeeper, watches them.

It holds no model code and reads no request. It is a plain loop: start what should run, wait for a
signal or a tick, look at who died and who is silent, start again.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from fairlead.core.clock import monotonic_ns, now
from fairlead.serving.log import log
from fairlead.serving.status import StatusPages

_TICK_S = 0.1
_FIRST_BACKOFF_S, _LAST_BACKOFF_S = 0.1, 30.0
_STABLE_S = 10.0
_SILENT_NS = 10_000_000_000
"""A worker whose loop has not turned for this long is taken for hung."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What to run; written by assembly, read once.

    worker, bookkeeper: command lines; {index} and {pipe} are filled in.
    inherited:          descriptors that the children keep (listener, status pages, settings).
    grace_s:            seconds between SIGTERM and the end.
    greeting:           lines printed once every worker answers.
    """

    worker: list[str]
    bookkeeper: list[str]
    workers: int
    status: int
    inherited: list[int]
    grace_s: float
    greeting: list[str]


@dataclass(slots=True)
class Child:
    """A process that should be running."""

    index: int
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    backoff: float = _FIRST_BACKOFF_S
    due: float = field(default=0.0)


class Supervisor:
    """Runs until SIGTERM or SIGINT; a second one ends everything at once."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._pages = StatusPages(orders.status)
        # Every child holds the reading end; it closes when this process is gone, however it went.
        self._life, self._alive = os.pipe()
        self._workers = [Child(i, orders.worker) for i in range(orders.workers)]
        self._bookkeeper = Child(-1, orders.bookkeeper)
        self._signals = 0
        self._greeted = False

    def run(self) -> int:
        """The exit status: 0 when everything ended within the grace."""
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, self._noted)
        while not self._signals:
            for child in (*self._workers, self._bookkeeper):
                self._keep_running(child)
            self._end_silent()
            self._greet()
            select.select([wake_read], [], [], _TICK_S)
            _empty(wake_read)
        return self._shut_down(wake_read)

    def _noted(self, number: int, frame: Any) -> None:
        if number != signal.SIGCHLD:
            self._signals += 1

    def _keep_running(self, child: Child) -> None:
        process = child.process
        if process is not None:
            status = process.poll()
            if status is None:
                if now() - child.started > _STABLE_S:
                    child.backoff = _FIRST_BACKOFF_S
                return
            child.process = None
            if child.index >= 0:
                self._pages.clear(child.index)
            child.due = now() + child.backoff
            log("process_died", process=_name(child), status=status, again_in_s=child.backoff)
            child.backoff = min(child.backoff * 2, _LAST_BACKOFF_S)
        if now() >= child.due:
            self._start(child)

    def _start(self, child: Child) -> None:
        command = [a.format(index=child.index, pipe=self._life) for a in child.command]
        child.started = now()
        child.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            pass_fds=[*self._orders.inherited, self._life],
        )

    def _end_silent(self) -> None:
        for child in self._workers:
            beat = self._pages.beat_ns(child.index)
            if child.process is not None and beat and monotonic_ns() - beat > _SILENT_NS:
                log("worker_silent", process=_name(child))
                self._pages.clear(child.index)
                child.process.kill()

    def _greet(self) -> None:
        """Says once, for people, that the service answers."""
        if self._greeted:
            return
        pages = self._pages.fresh()
        if len(pages) == len(self._workers) and all(p.get("settled") for p in pages):
            self._greeted = True
            failed = {k: v for p in pages for k, v in p["models"].items() if v["state"] == "failed"}
            for key, model in sorted(failed.items()):
                print(f"! {key} is not served: {model['reason']}", flush=True)  # noqa: T201
            for line in self._orders.greeting:
                print(line, flush=True)  # noqa: T201

    def _shut_down(self, wake: int) -> int:
        """Drains the workers, then the bookkeeper; whoever outstays the grace is killed."""
        log("draining", grace_s=self._orders.grace_s)
        clean = True
        for children in (self._workers, [self._bookkeeper]):
            running = [c.process for c in children if c.process is not None]
            for process in running:
                process.send_signal(signal.SIGTERM)
            end = now() + self._orders.grace_s
            while any(p.poll() is None for p in running):
                if now() > end or self._signals > 1:
                    clean = False
                    for process in running:
                        process.kill()
                select.select([wake], [], [], _TICK_S)
                _empty(wake)
        log("ended")
        return 0 if clean or self._signals > 1 else 1


def _name(child: Child) -> str:
    return "bookkeeper" if child.index < 0 else f"worker {child.index}"


def _empty(pipe: int) -> None:
    with suppress(BlockingIOError):
        os.read(pipe, 4096)


def main(arguments: list[str]) -> int:
    """Runs the orders in the file descriptor that is the only argument."""
    handle = int(arguments[0])
    orders = Orders(**json.loads(os.pread(handle, os.fstat(handle).st_size, 0)))
    os.close(handle)
    return Supervisor(orders).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
