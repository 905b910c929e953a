"""What operating systems give in different ways: cores, shared memory, a pipe that wakes a loop."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_MACHINE, _USED = Path("/proc/meminfo"), Path("/sys/fs/cgroup/memory.stat")
_MEMORY = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


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


def usable_memory() -> int:
    """Bytes of memory that this machine has, or the container when it may use fewer."""
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for file in _MEMORY:
        with suppress(OSError, ValueError):
            found = min(found, int(file.read_text()))
    return found


def free_memory() -> int:
    """Bytes of memory that can still be had, of the machine and within its container.

    Files that the kernel keeps in memory are as good as free.
    """
    found = usable_memory()
    with suppress(OSError, ValueError, IndexError):
        facts = dict(line.split(":", 1) for line in _MACHINE.read_text().splitlines())
        found = min(found, int(facts["MemAvailable"].split()[0]) << 10)
    with suppress(OSError, ValueError, KeyError):
        told = dict(line.split() for line in _USED.read_text().splitlines())
        used = int(told["anon"]) + int(told.get("shmem", 0))
        found = min(found, max(0, usable_memory() - used))
    return found


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


def die_before(score: int) -> None:
    """When memory runs out, Linux is to end this process rather than those with a lower score.

    Runners have 1000, so that a model that takes too much costs itself; the supervisor has 0.
    """
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(score))
