"""HTTP/1.1 by hand: any bytes out, answers in, for what no client library would do."""

from __future__ import annotations

import json
import socket
import ssl
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any

PATIENCE_S = 20.0


@dataclass(frozen=True)
class Answer:
    """One answer as it came."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        """The value of a header, "" without it; it must not come twice."""
        found = [value for key, value in self.headers if key == name]
        assert len(found) <= 1, found
        return found[0] if found else ""

    @property
    def closes(self) -> bool:
        return self.header("connection") == "close"

    def json(self) -> Any:
        return json.loads(self.body)


class Raw:
    """A connection to a server on this machine."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        """tls: what the caller trusts and shows, for a server that speaks TLS."""
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self._socket = tls.wrap_socket(self._socket, server_hostname="127.0.0.1")
        self._buffer = b""

    def __enter__(self) -> Raw:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def send(self, *pieces: bytes) -> bool:
        """Sends every piece in a segment of its own; whether the other side took them all."""
        try:
            for piece in pieces:
                self._socket.sendall(piece)
        except (ConnectionError, ssl.SSLEOFError):
            return False
        return True

    def read(self, *, bare: bool = False) -> Answer | None:
        """The next answer; None when the connection ended before it began.

        bare: the answer has no body whatever its length says (to HEAD, or 100 Continue).
        """
        head = self._until_blank_line()
        if head is None:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        version, status, _ = first.split(" ", 2)
        assert version == "HTTP/1.1"
        headers = [(k.lower(), v.strip()) for k, v in (line.split(":", 1) for line in lines)]
        answer = Answer(int(status), headers, b"")
        size = 0 if bare or int(status) == 100 else int(answer.header("content-length"))
        while len(self._buffer) < size:
            assert self._more(), "the connection ended within an answer"
        body, self._buffer = self._buffer[:size], self._buffer[size:]
        return Answer(int(status), headers, body)

    def ask(self, *pieces: bytes) -> Answer:
        """Sends, and reads the one answer that must come."""
        self.send(*pieces)
        answer = self.read()
        assert answer is not None, "no answer came"
        return answer

    def ended(self) -> bool:
        """Waits for the end of the connection; False when more bytes come instead."""
        return not self._buffer and not self._more()

    def quiet(self, seconds: float) -> bool:
        """Whether nothing comes for a while, neither bytes nor the end."""
        self._socket.settimeout(seconds)
        try:
            return not self._buffer and self._socket.recv(1, socket.MSG_PEEK) is None
        except TimeoutError:
            return True
        finally:
            self._socket.settimeout(PATIENCE_S)

    def clog(self, piece: bytes, seconds: float = 1.0) -> int:
        """Sends a piece again and again until the other side takes no more; how many bytes."""
        sent, last = 0, time.perf_counter()
        self._socket.setblocking(False)
        while time.perf_counter() - last < seconds:
            try:
                sent += self._socket.send(piece[sent % len(piece) :])
                last = time.perf_counter()
            except BlockingIOError:
                time.sleep(0.01)
            except ConnectionError:
                break
        self._socket.settimeout(PATIENCE_S)
        return sent

    def _until_blank_line(self) -> bytes | None:
        while b"\r\n\r\n" not in self._buffer:
            if not self._more():
                assert not self._buffer, self._buffer
                return None
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        return head

    def _more(self) -> bool:
        try:
            data = self._socket.recv(1 << 20)
        except ConnectionError:
            return False
        self._buffer += data
        return bool(data)


def post(path: str, body: bytes, *headers: str, host: str = "test") -> bytes:
    """The bytes of a POST with a length."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def get(path: str, *headers: str, method: str = "GET") -> bytes:
    """The bytes of a request without a body."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: test", *headers, "", ""]).encode(
        "latin-1"
    )


def chunked(path: str, *chunks: bytes, trailers: str = "") -> bytes:
    """The bytes of a POST in chunks."""
    head = f"POST {path} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head + body + f"0\r\n{trailers}\r\n".encode("latin-1")
