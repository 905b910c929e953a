"""Sends requests at their appointed times, whatever becomes of those before: an open loop.

It is light, so that the server is what is measured: plain sockets in one thread, and no more of
HTTP than the status and the length of an answer.
"""

from __future__ import annotations

import gc
import select
import socket
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter as now

import numpy as np

_GOOD, _LENGTH, _END = b"HTTP/1.1 200", b"content-length:", b"\r\n\r\n"
_AT_ONCE = 1 << 16
_LONGEST_S = 0.1
_LINES = 16
_PATIENCE_S = 20.0
GOOD, LOST = 200, 0


@dataclass(slots=True)
class Answers:
    """What became of the requests: one entry of each list for each, in the order of their answers.

    took: seconds from when it should have left until its answer was read. status: 0 where none
    came. slips: by how many seconds it left later than it should have, one for each that was sent.
    """

    took: list[float] = field(default_factory=list[float])
    status: list[int] = field(default_factory=list[int])
    slips: list[float] = field(default_factory=list[float])

    def quantile(self, part: float) -> float:
        """Seconds within which so many of the good answers came; infinite where none did."""
        good = [t for t, s in zip(self.took, self.status, strict=True) if s == GOOD]
        return float(np.quantile(good, part, method="inverted_cdf")) if good else float("inf")

    @property
    def refused(self) -> float:
        """The share that was not answered well."""
        return sum(status != GOOD for status in self.status) / max(1, len(self.status))


class Lines:
    """Open connections to a server of this machine, each with one request under way at most."""

    def __init__(self, port: int, most: int) -> None:
        """most: connections at once."""
        self._port, self._most = port, most
        self._poll = select.epoll()
        self._by_number: dict[int, socket.socket] = {}
        self._seen: dict[int, bytes] = {}
        self._usual = 0
        self._idle: deque[int] = deque()

    def _free(self) -> int:
        """A connection with nothing under way; 0 where all that may be are taken."""
        if self._idle:
            return self._idle.pop()  # as proxies choose: what was used last
        if len(self._by_number) >= self._most:
            return 0
        return self._open()

    def _open(self) -> int:
        line = socket.create_connection(("127.0.0.1", self._port), _PATIENCE_S)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.setblocking(False)
        self._poll.register(line.fileno(), select.EPOLLIN)
        self._by_number[line.fileno()] = line
        return line.fileno()

    def _gone(self, number: int) -> None:
        """The server has ended one that was idle for long."""
        self._idle.remove(number)
        self._by_number.pop(number).close()

    def _prepare(self, count: int) -> None:
        """Opens so many, so that none need be opened in haste."""
        for number, _ in self._poll.poll(0):
            self._gone(number)
        while len(self._by_number) < min(count, self._most):
            self._idle.append(self._open())

    def close(self) -> None:
        """Ends them."""
        self._poll.close()
        for line in self._by_number.values():
            line.close()

    def send(self, times: Sequence[float], request: bytes) -> Answers:
        """A request at each of the times, ascending from 0; returns after the last answer."""
        answers = Answers()
        self._prepare(_LINES + max(np.bincount(np.asarray(times, np.int64)), default=0))
        due: dict[int, float] = {}
        place, count = 0, len(times)
        gc.disable()
        began = last = now()
        try:
            while (place < count or due) and now() - last < _PATIENCE_S:
                moment = now() - began
                while place < count and times[place] <= moment and (number := self._free()):
                    due[number] = times[place]
                    self._by_number[number].send(request)
                    last = now()
                    answers.slips.append(last - began - times[place])
                    place += 1
                wait = times[place] - (now() - began) if place < count else _LONGEST_S
                if place < count and wait <= 0:  # all are under way
                    wait = _LONGEST_S if times[place] <= moment else 0.0
                if self._listen(wait, due, answers, began):
                    last = now()
        finally:
            gc.enable()
        answers.took += [_PATIENCE_S] * (len(due) + count - place)
        answers.status += [LOST] * (len(due) + count - place)
        return answers

    def _listen(self, wait: float, due: dict[int, float], answers: Answers, began: float) -> bool:
        """Reads what has come, waiting for it for so long. Whether anything had."""
        ready = self._poll.poll(0)
        if not ready and wait > 0:
            select.select([self._poll], [], [], wait)  # epoll itself waits for whole milliseconds
            ready = self._poll.poll(0)
        moment = now() - began
        for number, _ in ready:
            if number not in due:  # it was idle for too long
                self._gone(number)
            elif status := self._read(number):
                answers.took.append(moment - due.pop(number))
                answers.status.append(status)
                self._idle.append(number)
        return bool(ready)

    def _read(self, number: int) -> int:
        """The status of an answer, once all of it is there; 0 before."""
        data = self._by_number[number].recv(_AT_ONCE)
        if len(data) == self._usual and data.startswith(_GOOD):
            return GOOD
        if not data:
            raise ConnectionResetError("the server ended a connection")
        seen = self._seen.pop(number, b"") + data
        head = seen.find(_END)
        if head >= 0:
            at = seen.lower().find(_LENGTH, 0, head) + len(_LENGTH)
            whole = head + len(_END) + int(seen[at : seen.find(b"\r", at)])
            if len(seen) >= whole:
                status = int(seen[9:12])
                if status == GOOD:
                    self._usual = whole
                return status
        self._seen[number] = seen
        return 0
