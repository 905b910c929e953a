"""One bookkeeper at a time: the next one begins only when the one before it has ended.

Who is ready to take over tells the other to end, so that nobody is there for milliseconds only.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
from contextlib import suppress
from pathlib import Path

FILE = "bookkeeper.lock"
"""In the state folder; it holds the number of the process that has it locked."""

_LOOK_S = 0.005


def succeed(folder: Path, pipe: int) -> int:
    """Ends the bookkeeper of a state folder, if there is one, and takes its place.

    pipe: closes when the supervisor is gone. Returns the descriptor of the lock, or -1 when it did.
    """
    handle = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    told = 0
    while not _locked(handle):
        before = _number_in(handle)
        if before and before != told:
            told = before
            with suppress(ProcessLookupError, PermissionError):
                os.kill(before, signal.SIGTERM)
        if select.select([pipe], [], [], _LOOK_S)[0]:
            os.close(handle)
            return -1
    os.pwrite(handle, b"%-20d" % os.getpid(), 0)
    return handle


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _number_in(handle: int) -> int:
    """The number of the process that has the lock; 0 while it is not written."""
    text = os.pread(handle, 20, 0).strip()
    return int(text) if text.isdigit() else 0
