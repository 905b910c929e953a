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
from dataclasses import asdict, dataclass
from typing import Any

from fairlead.core.clock import monotonic_ns, now
from fairlead.serving.children import BOOKKEEPER, Child
from fairlead.serving.crashes import crashed, label_of
from fairlead.serving.lines import Lines
from fairlead.serving.log import configure, log, tell_lost, write_apart
from fairlead.serving.machine import anonymous_file, waking_pipe
from fairlead.serving.renewal import (
    HANDLED,
    LEAVE,
    Preparing,
    Rolling,
    replace_supervisor,
    signals_wait,
)
from fairlead.serving.status import StatusPages, grow

_TICK_S = 0.1
_STABLE_S = 10.0
_STANDARD_OUTPUT = 1
_SILENT_S, _SILENT_BOOKS_S = 10.0, 30.0
"""A worker whose loop has not turned for this long is taken for hung, and so is the bookkeeper, for
which no caller waits."""
_LATE_S = 0.4
"""Seconds beyond the grace in which a process may end by itself."""
_SAID_S = 1.0
"""Seconds in which what was said to people is written, before another program takes over."""
_HURRIED_S = 0.45
"""Seconds in which the workers end once somebody said it twice, and then the bookkeeper."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What to run; written by assembly, read once.

    worker, bookkeeper: command lines; the arguments {index}, {pipe} and {told} are filled in.
    told:               the descriptor of the file that says more to them.
    listeners, admin:   descriptors of the listening sockets: those of the workers, and the one of
                        the bookkeeper (-1 for none).
    inherited:          further descriptors that the children keep (status pages, lock).
    grace_s:            seconds between SIGTERM and the end.
    drain_delay_s:      how many of them new callers are still taken.
    log:                the least level that is written, and "json" or "text".
    greeting:           lines printed after what is served, once every worker answers.
    renew:              the command line of what reads the settings anew; [] for none.
    renewing:           descriptors that it inherits.
    before:             what the life before this one hands over.
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
    told: int = -1
    drain_delay_s: float = 0.0
    renew: tuple[str, ...] = ()
    renewing: tuple[int, ...] = ()
    before: dict[str, Any] | None = None


class Supervisor:
    """Runs until SIGTERM or SIGINT; a second one ends everything at once. SIGHUP renews it."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._leaving: list[Child] = []
        self._preparing: Preparing | None = None
        self._rolling: Rolling | None = None
        self._signals = self._hangups = 0
        self._greeted = False
        self._said = Lines(_STANDARD_OUTPUT)
        self._terminal = os.isatty(0)
        before = orders.before
        if before is None:
            # Every child holds the reading end; it closes when this process is gone, however it
            # went.
            self._life, self._alive = os.pipe()
            self._pages = StatusPages(orders.status)
            self._workers = [self._worker(index) for index in range(orders.workers)]
            self._bookkeeper = self._child(BOOKKEEPER, orders.bookkeeper)
        else:
            self._take_over(before)

    def _take_over(self, before: Mapping[str, Any]) -> None:
        """Goes on from an earlier life: its workers serve until the new ones do."""
        orders = self._orders
        self._life, self._alive = before["pipe"]
        self._greeted, self._terminal = True, before["terminal"]
        self._hangups = before.get("hangups", 0)
        old = [Child.from_json(child) for child in before["workers"]]
        self._leaving = [Child.from_json(child) for child in before.get("leaving", ())]
        used = {child.index for child in (*old, *self._leaving)}
        most = len(used) + orders.workers
        grow(orders.status, most)
        self._pages = StatusPages(orders.status)
        free = [index for index in range(most) if index not in used]
        self._workers = [self._worker(index) for index in free[: orders.workers]]
        self._bookkeeper = Child.from_json(before["bookkeeper"])
        self._rolling = Rolling(old, self._workers, self._pages, before["orders"])
        log("renewing", workers=orders.workers)

    def _worker(self, index: int) -> Child:
        return self._child(index, self._orders.worker)

    def _child(self, index: int, command: Sequence[str]) -> Child:
        orders = self._orders
        told = {"{index}": str(index), "{pipe}": str(self._life), "{told}": str(orders.told)}
        own = orders.listeners if index >= 0 else [orders.admin]
        handles = [*orders.inherited, orders.told, self._life, *own]
        filled = [told.get(argument, argument) for argument in command]
        return Child(index, filled, [n for n in handles if n >= 0])

    def run(self) -> int:
        """The exit status: 0 when everything ended within the grace."""
        wake_read, wake_write = waking_pipe()
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        for number in HANDLED:
            signal.signal(number, self._noted)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
        while not self._signals:
            self._turn()
            tell_lost()
            select.select([wake_read], [], [], _TICK_S)
            _empty(wake_read)
        return self._shut_down(wake_read)

    def _noted(self, number: int, frame: Any) -> None:
        if number == signal.SIGHUP and not self._hung_up():
            self._hangups += 1
        elif number != signal.SIGCHLD:
            self._signals += 1

    def _hung_up(self) -> bool:
        """Whether the terminal in which the server was started is gone: then so are its people."""
        return self._terminal and not os.isatty(0)

    def _turn(self) -> None:
        for child in self._running():
            self._keep_running(child)
        self._end_silent()
        self._greet()
        if self._rolling is not None:
            self._roll(self._rolling)
        self._see_off()
        if self._preparing is not None:
            self._look_at_prepared(self._preparing)
        elif self._hangups and self._rolling is None:
            self._prepare()

    def _running(self) -> list[Child]:
        """What should run now."""
        rolling = self._rolling
        if rolling is None:
            return [*self._workers, self._bookkeeper]
        return [*self._workers[: rolling.allowed], *rolling.old, self._bookkeeper]

    def _keep_running(self, child: Child) -> None:
        process = child.process
        if process is not None:
            status = process.poll()
            if status is None:
                if now() - child.started > _STABLE_S:
                    child.stable()
                return
            child.process = None
            self._bury(child, status)
            log("process_died", process=child.name, status=status, again_in_s=child.backoff)
            child.later()
        if now() >= child.due:
            self._start(child)

    def _bury(self, child: Child, status: int) -> None:
        """Keeps what a worker has counted, and what it died of."""
        if child.index < 0:
            return
        blamed = self._pages.marks(child.index).blamed if crashed(status) else []
        for key in blamed:
            log("version_crashed", model=label_of(key), process=child.name)
        self._pages.bury(child.index, blamed)

    def _start(self, child: Child) -> None:
        child.started, child.ending = now(), False
        try:
            child.process = subprocess.Popen(
                child.command, stdin=subprocess.DEVNULL, pass_fds=child.handles
            )
        except OSError as error:
            log("start_failed", process=child.name, error=error.strerror, again_in_s=child.backoff)
            child.later()

    def _end_silent(self) -> None:
        for child in self._running():
            books = child is self._bookkeeper
            beat = self._pages.beat_ns(self._pages.bookkeeper if books else child.index)
            age_s = (monotonic_ns() - beat) / 1e9
            if child.process is None or child.ending or age_s > now() - child.started:
                continue  # it has not said anything in this life
            if age_s > (_SILENT_BOOKS_S if books else _SILENT_S):
                log("worker_silent", process=child.name)
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

    # --- renewing -----------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Has the settings read anew, by a program of its own: this one goes on meanwhile."""
        self._hangups = 0
        if not self._orders.renew:
            return
        try:
            self._preparing = Preparing(self._orders.renew, self._orders.renewing)
        except OSError as error:
            log("renewal_refused", reason=str(error.strerror))

    def _look_at_prepared(self, preparing: Preparing) -> None:
        found = preparing.found()
        if found is None:
            return
        self._preparing = None
        if "refused" in found:
            log("renewal_refused", reason=found["refused"])
            return
        with signals_wait():
            # What has come until now ends us, or is handed over; what comes now waits for the next.
            if not self._signals:
                self._become(found)

    def _become(self, found: Mapping[str, Any]) -> None:
        """Replaces this program by its next life; returns where that cannot be."""
        # The files of what left before are of no use to the next life.
        told = anonymous_file(json.dumps(found["spec"]).encode())
        for handle in (self._life, self._alive):
            os.set_inheritable(handle, True)
        self._said.flush(_SAID_S)
        try:
            replace_supervisor({**found["orders"], "told": told, "before": self._handed_over()})
        except OSError as error:
            os.close(told)
            log("renewal_refused", reason=str(error.strerror))

    def _handed_over(self) -> dict[str, Any]:
        return {
            "pipe": [self._life, self._alive],
            "terminal": self._terminal,
            "hangups": self._hangups,
            "workers": [child.to_json() for child in self._workers],
            "leaving": [child.to_json() for child in self._leaving if not child.gone],
            "bookkeeper": self._bookkeeper.to_json(),
            "orders": {**asdict(self._orders), "before": None},
        }

    def _roll(self, rolling: Rolling) -> None:
        done = rolling.step(lambda child: self._let_go(child, LEAVE))
        if done is None:
            return
        self._rolling = None
        if done:
            os.close(rolling.previous["told"])
            # The new one tells the old one to end, once it can take over.
            self._leaving.append(self._bookkeeper)
            self._bookkeeper = self._child(BOOKKEEPER, self._orders.bookkeeper)
            log("renewed", workers=len(self._workers))
            return
        for child in self._workers:
            self._let_go(child, signal.SIGTERM)
        os.close(self._orders.told)
        self._orders, self._workers = Orders(**rolling.previous), rolling.old
        log("renewal_taken_back", reason="the first new worker does not serve what is served now")

    def _let_go(self, child: Child, number: int) -> None:
        """Tells a child to end; it is not started again."""
        child.leave(number, self._orders.grace_s + _LATE_S)
        self._leaving.append(child)

    def _spare(self, before: Child) -> None:
        """The bookkeeper before keeps the books until this one has had the time to take over."""
        heir = self._bookkeeper
        began = now() if heir.gone else heir.started
        before.until = max(before.until, began + _STABLE_S + self._orders.grace_s)

    def _see_off(self) -> None:
        for child in [*self._leaving]:
            if child.index == BOOKKEEPER:
                self._spare(child)
            if child.overdue():
                log("killed", process=child.name)
            if child.gone:
                self._leaving.remove(child)
                if child.process is not None:
                    self._bury(child, child.process.poll() or 0)

    # --- the end ------------------------------------------------------------------------------

    def _shut_down(self, wake: int) -> int:
        """Drains the workers, then the bookkeeper; whoever outstays the grace is killed."""
        orders = self._orders
        log("draining", grace_s=orders.grace_s)
        if self._preparing is not None:
            self._preparing.end()
        rolling = self._rolling
        workers = [*self._workers, *self._leaving, *(rolling.old if rolling is not None else [])]
        if not orders.drain_delay_s:
            # With the workers' own closed too, new callers are refused at once and go elsewhere.
            for listener in orders.listeners:
                os.close(listener)
        end = now() + orders.grace_s + _LATE_S
        clean = self._end(workers, end, wake)
        clean &= self._end([self._bookkeeper], max(end, now()) + _LATE_S, wake)
        log("ended")
        return 0 if clean or self._signals > 1 else 1

    def _end(self, children: Sequence[Child], end: float, wake: int) -> bool:
        """Tells children to end and waits for them; whether none had to be killed."""
        told, clean = 0, True
        for child in children:
            child.until = end
        while True:
            heard = min(2, self._signals)  # another one may come while children are told
            if told < heard:
                for child in children:
                    if not told:
                        child.tell(signal.SIGTERM)
                    if heard > 1:
                        child.hurry(_HURRIED_S)
                told = heard
            clean &= not any([child.overdue() for child in children])
            if all(child.gone for child in children):
                return clean
            select.select([wake], [], [], _TICK_S)
            _empty(wake)


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
