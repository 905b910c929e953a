"""An open-loop load: requests leave at their appointed times, whatever becomes of those before.

Latency counts from the time at which a request should have left, so a server that holds everybody
up cannot hide it (wrk and its like wait for the answer before they ask again).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np

_MOST_LINES = 2000
_PATIENCE_S, _LOOK_S = 5.0, 0.01
_REFUSED = 503
LOST = 0
"""Stands in place of a status where a connection broke or no answer came."""


@dataclass(slots=True)
class Answers:
    """What became of a load: one entry of each list for each request.

    due: seconds from the beginning at which it should have left; took: from then to its answer.
    """

    seconds: float
    due: list[float] = field(default_factory=list[float])
    took: list[float] = field(default_factory=list[float])
    status: list[int] = field(default_factory=list[int])

    def good(self, deadline_s: float) -> int:
        """Answers within the deadline."""
        pairs = zip(self.status, self.took, strict=True)
        return sum(status == 200 and took <= deadline_s for status, took in pairs)

    def quantile(self, share: float, status: int = 200) -> float:
        """Seconds within which that share of the answers of a status came; 0 without any."""
        of_it = [took for got, took in zip(self.status, self.took, strict=True) if got == status]
        return float(np.quantile(of_it, share)) if of_it else 0.0

    def codes(self) -> dict[int, int]:
        """How many answers there were of each status."""
        return dict(sorted(Counter(self.status).items()))


def poisson(rate: float, seconds: float, seed: int) -> list[float]:
    """Times from 0 on at which requests leave: `rate` a second, as many strangers send them."""
    random = np.random.default_rng(seed)
    count = int(rate * seconds * 1.5) + 100
    times = np.cumsum(random.exponential(1 / rate, count))
    return [float(time) for time in times[times < seconds]]


class _Line(asyncio.Protocol):
    """One keep-alive connection, with at most one request under way."""

    def __init__(self, idle: list[_Line]) -> None:
        self._idle = idle
        self._seen = b""
        self._done: Callable[[int], None] | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def ask(self, request: bytes, done: Callable[[int], None]) -> None:
        assert self.transport is not None
        self._done = done
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._seen += data
        head, found, body = self._seen.partition(b"\r\n\r\n")
        if not found:
            return
        size = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < size or self._done is None:
            return
        self._seen, done, self._done = b"", self._done, None
        self._idle.append(self)
        done(int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self._idle:
            self._idle.remove(self)
        if self._done is not None:
            done, self._done = self._done, None
            done(LOST)


class Load:
    """Sends requests to one server over as many connections as it needs.

    tries: requests that were sent in all, those of callers who tried again included.
    """

    def __init__(self, port: int, again: int = 0) -> None:
        """again: how often a caller who is refused (503) tries again, at once."""
        self._port = port
        self._again = again
        self.tries = 0
        self._idle: list[_Line] = []
        self._lines = 0
        self._open = 0
        self._pending: set[asyncio.Task[None]] = set()

    async def send(self, times: Sequence[float], seconds: float, request: bytes) -> Answers:
        """Sends the request at each of the times, and waits for the last answer for a while."""
        answers = Answers(seconds)
        began = perf_counter()
        self._open = 0
        for due in times:
            wait = began + due - perf_counter()
            if wait > 0.0005:
                await asyncio.sleep(wait)
            self._open += 1
            self._ask(request, answers, began, due, self._again)
        for _ in range(int(_PATIENCE_S / _LOOK_S)):
            if not self._open:
                break
            await asyncio.sleep(_LOOK_S)
        for _ in range(self._open):
            answers.due.append(seconds)
            answers.took.append(_PATIENCE_S)
            answers.status.append(LOST)
        return answers

    async def close(self) -> None:
        """Closes the connections."""
        for line in [*self._idle]:
            if line.transport is not None:
                line.transport.close()
        await asyncio.sleep(_LOOK_S)

    def _ask(self, request: bytes, answers: Answers, began: float, due: float, again: int) -> None:
        self.tries += 1

        def done(status: int) -> None:
            if status == _REFUSED and again:
                self._ask(request, answers, began, due, again - 1)
                return
            self._open -= 1
            answers.due.append(due)
            answers.took.append(perf_counter() - began - due)
            answers.status.append(status)

        if self._idle:
            self._idle.pop().ask(request, done)
        elif self._lines < _MOST_LINES:
            self._lines += 1
            task = asyncio.ensure_future(self._connect(request, done))
            self._pending.add(task)
            task.add_done_callback(self._pending.discard)
        else:
            done(LOST)

    async def _connect(self, request: bytes, done: Callable[[int], None]) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, line = await loop.create_connection(
                lambda: _Line(self._idle), "127.0.0.1", self._port
            )
        except OSError:
            self._lines -= 1
            done(LOST)
            return
        line.ask(request, done)


def request(path: str, body: bytes, deadline_s: float, key: str = "") -> bytes:
    """The bytes of a request that is to be answered within the deadline."""
    lines = [
        f"POST {path} HTTP/1.1",
        "host: 127.0.0.1",
        "content-type: application/json",
        f"x-request-timeout: {int(deadline_s * 1000)}",
        f"content-length: {len(body)}",
        *([f"authorization: Bearer {key}"] if key else []),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
