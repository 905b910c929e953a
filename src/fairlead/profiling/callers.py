"""Callers of a server who ask again as soon as they are answered: light, so that it is the server
that is measured. One thread, one socket each, and no more of HTTP than an answer's length."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from time import sleep

from fairlead.core.clock import now
from fairlead.core.errors import ServerUnreachable

_AT_ONCE = 1 << 18
_PATIENCE_S = 60.0
_END = b"\r\n\r\n"
_LENGTH = b"content-length:"
_OK = (b"HTTP/1.1 200", b"HTTP/1.1 201")
_TOLD = 300
_NOT_NOW, _APART_S, _AWAKE_S = 503, 0.1, 15.0


class NotAnswered(Exception):
    """The server refused a request, or answered in a way that is not understood.

    status: of HTTP; 0 where none is known.
    """

    def __init__(self, what: str, status: int = 0) -> None:
        super().__init__(what)
        self.status = status


@dataclass(frozen=True, slots=True)
class Heard:
    """What callers got.

    waits: seconds of each call, sorted. seconds: from the first question to the last answer.
    """

    waits: Sequence[float]
    seconds: float

    @property
    def per_s(self) -> float:
        """Answers in a second."""
        return len(self.waits) / self.seconds

    def quantile(self, share: float) -> float:
        """Seconds within which that share of the calls was answered."""
        return self.waits[min(len(self.waits) - 1, int(share * len(self.waits)))]


def ask_once(port: int, request: bytes) -> bytes:
    """The whole answer to one request, its head included. Raises as `keep_asking` does."""
    line = _Line(port, [request])
    try:
        line.ask()
        while True:
            found = line.take(line.socket.recv(_AT_ONCE))
            if found is not None:
                return found
    except OSError as error:
        raise _gone(error) from None
    finally:
        line.socket.close()


def ask_awake(port: int, request: bytes) -> bytes:
    """As `ask_once`, but asks again for a while where the server says that it cannot now: a model
    that sleeps is loaded by who asks first."""
    end = now() + _AWAKE_S
    while True:
        try:
            return ask_once(port, request)
        except NotAnswered as error:
            if error.status != _NOT_NOW or now() > end:
                raise
        sleep(_APART_S)


def keep_asking(
    port: int, requests: Sequence[bytes], callers: int, seconds: float, least: int = 3
) -> Heard:
    """So many callers for some seconds, and until each has had `least` answers.

    Every caller asks all requests in turn. The first answer of each is not counted. Raises
    NotAnswered, and ServerUnreachable where a connection ends.
    """
    with selectors.DefaultSelector() as waiting:
        lines = [_Line(port, [*requests[i:], *requests[:i]]) for i in _starts(requests, callers)]
        try:
            for line in lines:
                waiting.register(line.socket, selectors.EVENT_READ, line)
                line.ask()
            return _listen(waiting, lines, seconds, least)
        except OSError as error:
            raise _gone(error) from None
        finally:
            for line in lines:
                line.socket.close()


def keep_pausing(
    port: int, requests: Sequence[bytes], pause_s: float, seconds: float, least: int
) -> list[float]:
    """Seconds of each call of a lone caller who asks so long after every answer.

    For some seconds, and until there are `least` of them. The first answer of each request is not
    counted. Raises as `keep_asking` does.
    """
    line = _Line(port, requests)
    waits: list[float] = []
    end = now() + seconds
    try:
        while now() < end or len(waits) < least + len(requests):
            if pause_s:
                sleep(pause_s)
            line.ask()
            while line.take(line.socket.recv(_AT_ONCE)) is None:
                pass
            waits.append(now() - line.asked)
        return waits[len(requests) :]
    except OSError as error:
        raise _gone(error) from None
    finally:
        line.socket.close()


def _starts(requests: Sequence[bytes], callers: int) -> list[int]:
    return [caller % len(requests) for caller in range(callers)]


def _listen(
    waiting: selectors.BaseSelector, lines: Sequence[_Line], seconds: float, least: int
) -> Heard:
    waits: list[float] = []
    counted: dict[_Line, int] = {line: -1 for line in lines}
    began = last = now()
    silent = now()
    while now() < began + seconds or min(counted.values()) < least:
        ready = waiting.select(_PATIENCE_S)
        if not ready or now() - silent > _PATIENCE_S:
            raise NotAnswered(f"no answer came within {_PATIENCE_S:.0f} s")
        for key, _ in ready:
            line: _Line = key.data
            if line.take(line.socket.recv(_AT_ONCE)) is None:
                continue
            last = silent = now()
            if counted[line] >= 0:
                waits.append(last - line.asked)
            elif all(count >= 0 for other, count in counted.items() if other is not line):
                began = last  # all have been answered once: from here on it counts
                waits.clear()
            counted[line] += 1
            line.ask()
    return Heard(sorted(waits), max(last - began, 1e-9))


class _Line:
    """One connection, with one request under way. asked: when."""

    def __init__(self, port: int, requests: Sequence[bytes]) -> None:
        try:
            self.socket = socket.create_connection(("127.0.0.1", port), _PATIENCE_S)
        except OSError as error:
            raise _gone(error) from None
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._requests = requests
        self._next = 0
        self._seen = b""
        self.asked = 0.0

    def ask(self) -> None:
        """Sends the next request."""
        request = self._requests[self._next]
        self._next = (self._next + 1) % len(self._requests)
        self.asked = now()
        self.socket.sendall(request)

    def take(self, data: bytes) -> bytes | None:
        """The answer, once all of it is there. Raises NotAnswered for one that is an error."""
        if not data:
            raise ConnectionResetError("it ended the connection")
        seen = self._seen = self._seen + data if self._seen else data
        head = seen.find(_END)
        if head < 0:
            return None
        at = seen[:head].lower().find(_LENGTH)
        if at < 0:
            raise NotAnswered("an answer does not say how long it is")
        size = int(seen[at + len(_LENGTH) : seen.find(b"\r\n", at)])
        if len(seen) < head + len(_END) + size:
            return None
        if not seen.startswith(_OK):
            raise _refused(seen, head + len(_END))
        self._seen = b""
        return seen


def _refused(answer: bytes, body: int) -> NotAnswered:
    status, told = answer[9:12].decode(errors="replace"), answer[body : body + _TOLD]
    what = f"the server answered {status}: {told.decode(errors='replace')}"
    return NotAnswered(what, int(status) if status.isdigit() else 0)


def _gone(error: OSError) -> ServerUnreachable:
    return ServerUnreachable(f"the server that is measured does not answer: {error}")
