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
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from fairlead.core.clock import monotonic_ns, now
from fairlead.serving.lines import Lines
from fairlead.serving.log import configure, log, tell_lost, write_apart
from fairlead.serving.machine import waking_pipe
from fairlead.serving.status import StatusPages

_TICK_S = 0.1
_FIRST_BACKOFF_S, _LAST_BACKOFF_S = 0.1, 30.0
_STABLE_S = 10.0
_STANDARD_OUTPUT = 1
_SILENT_NS = 10_000_000_000
"""A worker whose loop has not turned for this long is taken for hung."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What to run; written by assembly, read once.

    worker, bookkeeper: command lines; the arguments {index} and {pipe} are filled in.
    listeners, admin:   descriptors of the listening sockets: those of the workers, and the one of
                        the bookkeeper (-1 for none).
    inherited:          further descriptors that the children keep (status pages, settings, lock).
    grace_s:            seconds between SIGTERM and the end.
    log:                the least level that is written, and "json" or "text".
    greeting:           lines printed after what is served, once every worker answers.
    """

    worker: list[str]
    bookkeeper: list[str]
    workers: int
    status: int
    listeners: list[int]
    inherited: list[int]
    grace_s: float
    log: tuple[str, str]
    greeting: list[str]
    admin: int = -1


@dataclass(slots=True)
class Child:
    """A process that should be running.

    backoff: seconds to wait after its next death; due: when it may start; ending: it was killed.
    """

    index: int
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    backoff: float = _FIRST_BACKOFF_S
    due: float = 0.0
    ending: bool = False


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
        self._said = Lines(_STANDARD_OUTPUT)

    def run(self) -> int:
        """The exit status: 0 when everything ended within the grace."""
        wake_read, wake_write = waking_pipe()
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, self._noted)
        while not self._signals:
            for child in (*self._workers, self._bookkeeper):
                self._keep_running(child)
            self._end_silent()
            self._greet()
            tell_lost()
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
                self._pages.bury(child.index)
            log("process_died", process=_name(child), status=status, again_in_s=child.backoff)
            self._later(child)
        if now() >= child.due:
            self._start(child)

    def _later(self, child: Child) -> None:
        child.due = now() + child.backoff
        child.backoff = min(child.backoff * 2, _LAST_BACKOFF_S)

    def _start(self, child: Child) -> None:
        told = {"{index}": str(child.index), "{pipe}": str(self._life)}
        command = [told.get(argument, argument) for argument in child.command]
        orders = self._orders
        own = orders.listeners if child.index >= 0 else [n for n in (orders.admin,) if n >= 0]
        handles = [*orders.inherited, self._life, *own]
        child.started, child.ending = now(), False
        try:
            child.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=handles)
        except OSError as error:
            log(
                "start_failed", process=_name(child), error=error.strerror, again_in_s=child.backoff
            )
            self._later(child)

    def _end_silent(self) -> None:
        for child in self._workers:
            beat = self._pages.beat_ns(child.index)
            if child.process is None or child.ending or not beat:
                continue
            if monotonic_ns() - beat > _SILENT_NS:
                log("worker_silent", process=_name(child))
                child.ending = True
                child.process.kill()

    def _greet(self) -> None:
        """Says once, for people, that the service answers."""
        if self._greeted:
            return
        pages = self._pages.fresh()
        if len(pages) == len(self._workers) and all(p.get("settled") for p in pages):
            self._greeted = True
            said = [*_what_is_served(pages), *self._orders.greeting]
            self._said.put("".join([line + "\n" for line in said]).encode())

    def _shut_down(self, wake: int) -> int:
        """Drains the workers, then the bookkeeper; whoever outstays the grace is killed."""
        log("draining", grace_s=self._orders.grace_s)
        # With the workers' own closed too, new callers are refused at once and go elsewhere.
        for listener in self._orders.listeners:
            os.close(listener)
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


def _what_is_served(pages: Sequence[Mapping[str, Any]]) -> list[str]:
    """What could not be loaded, with the reason, and what answers."""
    models = [(key, model) for page in pages for key, model in page["models"].items()]
    failed = {key: model["reason"] for key, model in models if model["state"] == "failed"}
    ready = sorted({key for key, model in models if model["state"] == "ready"})
    names = [
        f"{name} (version {version})" for name, _, version in (k.rpartition("/") for k in ready)
    ]
    lines = [f"! {key} is not served: {reason}" for key, reason in sorted(failed.items())]
    return [*lines, f"Serving {', '.join(names) or 'nothing'}"]


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
    configure(*orders.log)
    write_apart()
    return Supervisor(orders).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
