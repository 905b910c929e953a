"""Memory that large requests left behind, given back to the machine when nobody waits.

The allocator keeps what was freed between blocks that are still in use, for the next large
request. A server that was sent a hundred of them would hold hundreds of megabytes for ever.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

_FACTS, _STATUS = "/proc/{}/statm", "/proc/{}/status"
_SLACK = 1 << 20


def resident(process: int | str = "self") -> int:
    """Bytes of memory that a process holds, this one by default; 0 where nothing is said."""
    try:
        return int(Path(_FACTS.format(process)).read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def peak(process: int | str = "self") -> int:
    """The most bytes of memory that a process has held; 0 where nothing is said."""
    try:
        lines = Path(_STATUS.format(process)).read_text().splitlines()
        told = next(line for line in lines if line.startswith("VmHWM:"))
        return int(told.split()[1]) << 10
    except (OSError, StopIteration, ValueError, IndexError):
        return 0


def reset_peak() -> bool:
    """Begins to look anew for the most that this process holds; False where that cannot be."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _trimmer() -> Callable[[int], Any] | None:
    """The allocator's own function for giving memory back, where it has one."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None)


def trim() -> None:
    """Gives back to the machine what the allocator keeps and nobody uses; about a millisecond."""
    found = _trimmer()
    if found is not None:
        found(0)


class Memory:
    """Watches what this process holds beyond what it needed when it was last trimmed."""

    def __init__(self) -> None:
        self._trim = _trimmer()
        self._needed = resident()

    def settle(self) -> None:
        """Gives memory back if more than a little was left behind; costs about a millisecond."""
        held = resident()
        if self._trim is not None and held > self._needed + _SLACK:
            self._trim(0)
            held = resident()
        self._needed = held
