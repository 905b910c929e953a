"""One bookkeeper at a time: the next one begins only when the one before it has ended.

Who is ready to take over tells the other to end, so that nobody is there for milliseconds only.
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from pathlib import Path

from fairlead.serving.machine import locked

FILE = "bookkeeper.lock"
"""In the state folder; it holds the number of the process that has it locked, and of the one that
came last, which alone may have it next."""

_LOOK_S = 0.005
_HOLDER, _LAST, _WIDTH = 0, 20, 20
"""Where in the file the two numbers begin, and bytes of each."""


def succeed(folder: Path, pipe: int) -> int:
    """Ends the bookkeeper of a state folder, if there is one, and takes its place.

    pipe: closes when the supervisor is gone. Returns the descriptor of the lock, or -1 when it did,
    or when another has come since to take that place.
    """
    handle = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    own = os.getpid()
    _write(handle, _LAST, own)
    seen = told = 0
    while not locked(handle):
        before = _number(handle, _HOLDER)
        # Read once, it may be what a dead one left, beside whoever has the lock since a moment.
        if before == seen and before not in (0, own, told):
            told = before
            with suppress(ProcessLookupError, PermissionError):
                os.kill(before, signal.SIGTERM)
        seen = before
        if select.select([pipe], [], [], _LOOK_S)[0] or _number(handle, _LAST) != own:
            os.close(handle)
            return -1
    if _number(handle, _LAST) != own:
        os.close(handle)
        return -1
    _write(handle, _HOLDER, own)
    return handle


def _write(handle: int, place: int, number: int) -> None:
    os.pwrite(handle, b"%-*d" % (_WIDTH, number), place)


def _number(handle: int, place: int) -> int:
    """The number of a process that stands there; 0 while none is written."""
    text = os.pread(handle, _WIDTH, place).strip(b" \0")
    return int(text) if text.isdigit() else 0
