"""What operating systems give in different ways: cores, shared memory, a pipe that wakes a loop."""

from __future__ import annotations

import fcntl
import os
import tempfile
from contextlib import suppress
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def usable_cores() -> int:
    """Cores that this process may keep busy: those it is bound to, within a container's quota."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min(cores, _quota(cores)))


def _quota(otherwise: int) -> int:
    """Whole cores of the container's CPU time, rounded up."""
    try:
        share, period = _QUOTA.read_text().split()
        return -(-int(share) // int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return otherwise


def anonymous_file(content: bytes = b"", size: int = 0) -> int:
    """An inheritable descriptor of a nameless file with this content and at least this size."""
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("fairlead")
    else:
        with tempfile.TemporaryFile() as file:
            handle = os.dup(file.fileno())
    with os.fdopen(os.dup(handle), "wb") as file:
        file.write(content)
    if size > len(content):
        os.ftruncate(handle, size)
    os.set_inheritable(handle, True)
    return handle


def waking_pipe() -> tuple[int, int]:
    """A pipe on which neither end ever waits, for signals to wake a select; not inherited."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    return read, write


def locked(handle: int) -> bool:
    """Whether the file's lock is this process's now; it goes with its last descriptor."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def die_before(score: int) -> None:
    """When memory runs out, Linux is to end this process rather than those with a lower score.

    Runners have 1000, so that a model that takes too much costs itself; the supervisor has 0.
    """
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(score))
