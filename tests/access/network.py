"""Workers and a lender whose messages, disk and lines are as slow and as broken as a test wants.

Messages of one line arrive in their order; those of several lines in any.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from tests.access.parts import NOW, Memory

from fairlead.access.lease import CONCURRENCY, Grant
from fairlead.access.leases import Leases
from fairlead.access.lending import Lending
from fairlead.access.limits import Rules
from fairlead.access.metering import OwnMeters
from fairlead.core.access import Caller
from fairlead.core.allowance import Cost
from fairlead.core.errors import FairleadError, StateUnavailable

MS = 10**6
WAIT_NS = 250 * MS


@dataclass
class Call:
    """A call, from its arrival to its end. answers: what it was told, one thing in the end."""

    who: Caller
    cost: Cost
    since: int
    answers: list[Grant | FairleadError] = field(default_factory=list)
    tickets: list[Any] = field(default_factory=list)
    at: int = 0
    wall: int = 0

    @property
    def passed(self) -> bool:
        return any(isinstance(one, Grant) for one in self.answers)


class Worker:
    """One worker: its line, what is on its way on it, and its calls."""

    def __init__(self, net: Network, rules: Rules) -> None:
        self.net = net
        self.line: int | None = None
        self.down_since = net.now
        self.up: deque[tuple[int, Any]] = deque()
        self.down: deque[tuple[int, Any]] = deque()
        self.parked: list[Call] = []
        self.running: list[Call] = []
        self.leases = Leases(self._send, net.clock)
        self.leases.adopt(rules)

    def _send(self, message: Any) -> bool:
        if self.line is None:
            return False
        self.up.append((self.net.now, json.loads(json.dumps(message))))
        return True

    def call(self, who: Caller, cost: Cost) -> Call:
        call = Call(who, cost, self.net.now)

        def ask() -> None:
            try:
                grant = self.leases.take(who, "m", cost, self.net.now, self.net.wall)
            except FairleadError as error:
                call.answers.append(error)
                return
            if grant is None:
                self.leases.wait(ask)
                return
            call.answers.append(grant)
            call.at, call.wall = self.net.now, self.net.wall
            call.tickets = list(grant._tickets)
            self.running.append(call)
            self.net.passed.append(call)

        ask()
        if not call.answers:
            self.parked.append(call)
        return call

    def end(self, call: Call, *, refund: bool = False) -> None:
        self.running.remove(call)
        grant = call.answers[0]
        assert isinstance(grant, Grant)
        if refund:
            grant.refund(self.net.now)
            self.net.passed.remove(call)
        else:
            grant.settle(self.net.now, self.net.wall)


class Network:
    """Some workers, and a lender that may be away."""

    def __init__(self, rules: Rules, workers: int) -> None:
        self.now, self.wall = 0, NOW
        self.rules, self.keep = rules, Memory()
        self.work: deque[tuple[Callable[[], Any], Callable[[Any], None]]] = deque()
        self.passed: list[Call] = []
        self.dead: list[int] = []
        self.lines = 0
        self.messages = 0
        self.workers = [Worker(self, rules) for _ in range(workers)]
        self.lender: Lending | None = None
        self.start()

    def clock(self) -> int:
        return self.now

    # --- the lender ---------------------------------------------------------------------------

    def start(self) -> None:
        self.meters = OwnMeters(
            self.keep, lambda *two: self.work.append(two), self.clock, lambda: self.wall
        )
        self.lender = Lending(
            self.meters, self._tell, careful=not self.meters.in_order, now_ns=self.clock
        )

    def stop(self, *, in_order: bool) -> None:
        """The lender ends; what it had not written is written in order, or lost with it."""
        assert self.lender is not None
        if in_order:
            self.write()
            self.meters.close(self.lender.idle)
        self.work.clear()
        self.lender = None
        self.dead.clear()
        for worker in self.workers:
            self.cut(worker)

    def write(self) -> None:
        while self.work:
            self.write_one()

    def write_one(self) -> None:
        work, done = self.work.popleft()
        try:
            result = work()
        except StateUnavailable as error:
            result = error
        done(result)

    def _tell(self, line: int, message: Any) -> bool:
        for worker in self.workers:
            if worker.line == line:
                worker.down.append((self.now, json.loads(json.dumps(message))))
                return True
        return False

    # --- lines --------------------------------------------------------------------------------

    def join(self, worker: Worker) -> None:
        if self.lender is not None and worker.line is None:
            self.lines += 1
            worker.line = self.lines
            self.lender.joined(worker.line)

    def cut(self, worker: Worker) -> None:
        """The line breaks: the worker sees it now, the lender when it looks (`bury`)."""
        if worker.line is None:
            return
        if self.lender is not None:
            self.dead.append(worker.line)
        worker.line, worker.down_since = None, self.now
        worker.up.clear()
        worker.down.clear()
        worker.leases.lost()

    def bury(self) -> None:
        """The lender sees which lines have ended."""
        dead, self.dead = self.dead, []
        for line in dead:
            if self.lender is not None:
                self.lender.lost(line)

    def kill(self, number: int) -> None:
        """A worker dies with its calls, and another comes."""
        self.cut(self.workers[number])
        self.workers[number] = Worker(self, self.rules)

    def up_one(self, worker: Worker) -> None:
        if worker.up and self.lender is not None and worker.line is not None:
            self.messages += 1
            self.lender.take(worker.line, worker.up.popleft()[1])

    def down_one(self, worker: Worker) -> None:
        if worker.down:
            worker.leases.heard(worker.down.popleft()[1])

    def deliver(self, before: int | None = None) -> None:
        """Everything that was sent arrives; or what was sent before some time."""
        limit = self.now if before is None else before
        busy = True
        while busy:
            busy = False
            for worker in self.workers:
                while worker.up and worker.up[0][0] <= limit:
                    self.up_one(worker)
                    busy = True
                while worker.down and worker.down[0][0] <= limit:
                    self.down_one(worker)
                    busy = True
            if before is None and self.work:
                self.write()
                busy = True

    # --- time ---------------------------------------------------------------------------------

    def step(self, ns: int) -> None:
        self.now += ns
        self.wall += ns
        for worker in self.workers:
            worker.leases.beat(self.now)
        if self.lender is not None:
            self.lender.beat()

    def quiet(self) -> None:
        """Whatever was broken is mended, no call comes, and time passes."""
        if self.lender is None:
            self.start()
        self.bury()
        for worker in self.workers:
            self.join(worker)
        for _ in range(100):
            self.step(50 * MS)
            self.deliver()
            for worker in self.workers:
                for call in list(worker.running):
                    worker.end(call)
        self.deliver()
        self.meters.save()
        self.write()

    # --- what was used ------------------------------------------------------------------------

    def places(self) -> int:
        """Concurrent calls at all workers."""
        found = (one.cost.units[CONCURRENCY] for w in self.workers for one in w.running)
        return sum(found)

    def used(self, place: int, index: int) -> dict[date | None, int]:
        """Units that calls used of one dimension, by the first day of the window they count for.

        index: of the limit among those of the caller.
        """
        found: dict[date | None, int] = {}
        for call in self.passed:
            ordinal = call.tickets[index][0] if call.tickets[index] else 0
            day = date.fromordinal(ordinal) if ordinal else None
            found[day] = found.get(day, 0) + call.cost.units[place]
        return found
