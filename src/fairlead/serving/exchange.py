"""Messages between the workers, the bookkeeper and the command line, over a Unix socket.

A message is a JSON object behind four bytes that say how long it is. Nobody waits for an answer: a
worker sends what it has seen, the bookkeeper sends what has come of it. A line that breaks is made
anew; what could not be sent is the sender's to keep.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from fairlead.core.errors import CATALOGUE, FairleadError, Internal
from fairlead.serving import any_json

SOCKET = "bookkeeper.sock"
"""In the state folder; only its owner may connect."""

_SIZE = struct.Struct("<I")
_CREDENTIALS = struct.Struct("=3i")  # process, user and group, as the kernel knows them
MOST_BYTES = 16 << 20
_MOST_UNSENT = 4 << 20
"""Beyond this much that the other side has not taken, a message is not even tried."""
_MOST_PRESSED = 4 * _MOST_UNSENT

_PATH_LIMIT = 100
"""Bytes; a Unix socket's address holds little more, and state folders may lie deep."""

Message = Mapping[str, Any]


class Line(asyncio.Protocol):
    """One end of a connection. Anything that is no message of ours ends it.

    heard: called with this line and each message. lost: called once when the line has ended.
    """

    def __init__(
        self, heard: Callable[[Line, Message], None], lost: Callable[[Line], None]
    ) -> None:
        self._heard = heard
        self._lost = lost
        self._transport: Any = None
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._lost(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= _SIZE.size:
            size = _SIZE.unpack_from(self._buffer)[0]
            if size > MOST_BYTES:
                self.close()
                return
            if len(self._buffer) < _SIZE.size + size:
                return
            raw = bytes(self._buffer[_SIZE.size : _SIZE.size + size])
            del self._buffer[: _SIZE.size + size]
            try:
                message = any_json.loads(raw)
            except ValueError:
                self.close()
                return
            if not isinstance(message, dict):
                self.close()
                return
            self._heard(self, cast("Message", message))

    def send(self, message: Message) -> bool:
        """Whether the message is on its way; False keeps it the caller's."""
        return self._send(message, _MOST_UNSENT)

    def press(self, message: Message) -> None:
        """Sends a small message for which the other side waits, also while much is unsent.

        One that were lost would be waited for without end: where even this is too much, the line
        ends, and both sides begin anew.
        """
        if not self._send(message, _MOST_PRESSED):
            self.close()

    def _send(self, message: Message, most_unsent: int) -> bool:
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        if transport.get_write_buffer_size() > most_unsent:
            return False
        transport.write(packed(message))
        return True

    @property
    def uid(self) -> int:
        """The user of this machine at the other end; -1 where the system does not tell."""
        sock = self._transport.get_extra_info("socket") if self._transport is not None else None
        if sock is None or not hasattr(socket, "SO_PEERCRED"):
            return -1
        told = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        return _CREDENTIALS.unpack(told)[1]

    def close(self) -> None:
        """Ends the line."""
        if self._transport is not None:
            self._transport.close()


class Within(Line):
    """A line to somebody in this process, who takes every message at once."""

    def __init__(self, heard: Callable[[Message], None]) -> None:
        super().__init__(lambda line, message: None, lambda line: None)
        self._taken = heard

    def send(self, message: Message) -> bool:
        self._taken(message)
        return True

    def press(self, message: Message) -> None:
        self._taken(message)


def error_to_json(error: FairleadError) -> dict[str, Any]:
    """An error as it travels in an answer."""
    return {"id": error.id, "what": error.what, "where": error.where, "fix": error.fix}


def error_of(value: Mapping[str, Any]) -> FairleadError:
    """The error that an answer brings; one of an unknown id is Internal."""
    kind = CATALOGUE.get(str(value.get("id")), Internal)
    error = kind.__new__(kind)
    FairleadError.__init__(
        error, str(value.get("what")), where=value.get("where"), fix=value.get("fix")
    )
    return error


def packed(message: Message) -> bytes:
    """A message as it is sent. Raises ValueError when it is too long."""
    raw = any_json.dumps(message)
    if len(raw) > MOST_BYTES:
        raise ValueError(f"a message of {len(raw)} bytes is too long")
    return _SIZE.pack(len(raw)) + raw


async def listen(
    folder: Path, heard: Callable[[Line, Message], None], lost: Callable[[Line], None]
) -> asyncio.AbstractServer:
    """Answers at the socket of a state folder. One process does; the folder's lock sees to it."""
    loop = asyncio.get_running_loop()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with suppress(FileNotFoundError):
        (folder / SOCKET).unlink()
    before = os.umask(0o177)
    try:
        _at(folder, listener.bind)
    finally:
        os.umask(before)
    return await loop.create_unix_server(lambda: Line(heard, lost), sock=listener)


async def connect(
    folder: Path, heard: Callable[[Line, Message], None], lost: Callable[[Line], None]
) -> Line:
    """A line to the bookkeeper of a state folder. Raises OSError when none answers."""
    loop = asyncio.get_running_loop()
    _, line = await loop.create_unix_connection(lambda: Line(heard, lost), sock=_connected(folder))
    return line


def ask(folder: Path, message: Message, patience_s: float = 5.0) -> Message:
    """Sends one message and returns the answer to it, for the command line.

    Raises OSError when no bookkeeper answers, and the error that it answers with.
    """
    with _connected(folder) as sock:
        sock.settimeout(patience_s)
        sock.sendall(packed(message))
        while True:
            size = _SIZE.unpack(_exactly(sock, _SIZE.size))[0]
            answer = any_json.loads(_exactly(sock, size))
            if answer.get("kind") == "answer":
                if answer.get("error"):
                    raise error_of(answer["error"])
                return answer


def _connected(folder: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _at(folder, sock.connect)
    except BaseException:
        sock.close()
        raise
    return sock


def _at(folder: Path, act: Callable[[str], None]) -> None:
    """Calls `act` with an address of the folder's socket that is short enough for one."""
    address = str(folder / SOCKET)
    if len(os.fsencode(address)) <= _PATH_LIMIT:
        act(address)
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        act(f"/proc/self/fd/{handle}/{SOCKET}")
    finally:
        os.close(handle)


def _exactly(sock: socket.socket, size: int) -> bytes:
    if size > MOST_BYTES:
        raise OSError("the bookkeeper's answer is too long")
    parts: list[bytes] = []
    while size:
        part = sock.recv(min(size, 1 << 16))
        if not part:
            raise OSError("the bookkeeper ended the connection")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
