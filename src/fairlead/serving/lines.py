"""Lines for a stream that nobody may be reading: a thread of their own writes them.

The stream is shared with other processes, so it is left as it is: writing to it may wait for ever.
Only the thread does; what does not fit into the room meanwhile is left out and counted.
"""

from __future__ import annotations

import io
import os
import select
import signal
import stat
from collections import deque
from threading import Event, RLock, Thread
from time import sleep

from fairlead.core.clock import now

_MOST_BYTES = 4 << 20
_AT_ONCE, _AT_ONCE_IN_FILES = 4096, 1 << 16
"""Bytes that a pipe takes in one piece, so that no other process's line lands within one of ours
(POSIX: PIPE_BUF), and that a file is given at once."""
_LINGER_S = 0.02
"""Seconds that the thread rests after writing: lines gather, and it wakes fifty times a second."""
_LOOK_S = 0.005
_NOT_OURS = (
    signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1, signal.SIGUSR2,
)  # fmt: skip
"""Signals by which processes of the server live: their main thread takes them."""


class Lines:
    """What waits to be written to one stream.

    lost: lines that were left out, because there was no room or the stream refused them.
    """

    def __init__(self, handle: int, most: int = _MOST_BYTES) -> None:
        """handle: the descriptor of the stream. most: bytes that may wait."""
        self._handle = handle
        self._most = most
        # Whoever has it may be interrupted by what says something too: a signal, or the end of an
        # object that the collector finds.
        self._lock = RLock()
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._wake = Event()
        self._thread = Thread(target=self._run, name="lines", daemon=True)
        self._begun = False
        self._torn = False
        self.lost = 0

    def put(self, lines: bytes) -> None:
        """Has whole lines written, in order, or leaves them out; never waits."""
        size = len(lines)
        with self._lock:
            if self._size + size > self._most:
                self.lost += lines.count(b"\n")
                return
            self._size += size
            self._waiting.append(lines)
            if not self._begun:
                self._begun = True
                try:
                    self._thread.start()
                except RuntimeError:  # no thread can be had now; the next lines try again
                    self._begun = False
        if not self._wake.is_set():
            self._wake.set()

    def flush(self, within_s: float) -> bool:
        """Waits until everything is written, so many seconds at most; whether it is."""
        end = now() + within_s
        while self._size and now() < end:
            sleep(_LOOK_S)
        return not self._size

    def _run(self) -> None:
        # A signal that came to this thread would be lost to a program that replaces this one.
        signal.pthread_sigmask(signal.SIG_BLOCK, _NOT_OURS)
        while True:
            self._wake.wait()
            self._wake.clear()
            with self._lock:
                waiting, self._waiting = self._waiting, deque()
            taken = b"".join(waiting)
            start, size = 0, len(taken)
            while start < size:
                stop = self._stop(taken, start)
                self._write(taken[start:stop])
                start = stop
            with self._lock:
                self._size -= size
            sleep(_LINGER_S)

    def _stop(self, lines: bytes, start: int) -> int:
        """Where the piece ends that begins at `start`: behind a line, the first at least."""
        most = start + _at_once(self._handle)
        if most >= len(lines):
            return len(lines)
        return (lines.rfind(b"\n", start, most) + 1) or lines.find(b"\n", most) + 1 or len(lines)

    def _write(self, piece: bytes) -> None:
        """Writes whole lines; what the stream refuses is lost, and half a line is ended."""
        whole = b"\n" + piece if self._torn else piece
        rest = whole
        while rest:
            try:
                rest = rest[os.write(self._handle, rest) :]
            except BlockingIOError:
                # Another process has made the stream one that does not wait.
                select.select([], [self._handle], [], 1.0)
            except OSError:
                break
        if len(rest) < len(whole):
            self._torn = not whole.endswith(b"\n", 0, len(whole) - len(rest))
        if rest:
            with self._lock:
                self.lost += rest.removeprefix(b"\n").count(b"\n")


def _at_once(handle: int) -> int:
    try:
        regular = stat.S_ISREG(os.fstat(handle).st_mode)
    except OSError:
        return _AT_ONCE
    return _AT_ONCE_IN_FILES if regular else _AT_ONCE


class Apart(io.TextIOBase):
    """Standard error for everything else that writes to it, such as the interpreter itself."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._part = ""

    @property
    def encoding(self) -> str:  # type: ignore[override] - TextIOBase has a plain attribute
        return "utf-8"

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        """Takes text; it is written line by line."""
        whole, end, rest = (self._part + text).rpartition("\n")
        self._part = rest[-_AT_ONCE:]
        if end:
            self._lines.put((whole + end).encode("utf-8", "backslashreplace"))
        return len(text)
