"""Memory that this process may have: the machine's, within every control group around it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_GROUPS, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_MACHINE = Path("/proc/meminfo")


class _Kind(NamedTuple):
    """How a version of control groups says how much may be had, and what of it is no file's."""

    most: str
    held: tuple[str, ...]


_FIRST = _Kind("memory.limit_in_bytes", ("total_rss", "total_shmem"))
_SECOND = _Kind("memory.max", ("anon", "shmem", "sock", "slab_unreclaimable", "kernel_stack"))


def usable_memory() -> int:
    """Bytes of memory that this machine has, or a group around this process when it has fewer."""
    whole = _whole()
    return min([whole, *(most for most, _ in _bounds(whole))])


def free_memory() -> int:
    """Bytes of memory that can still be had, of the machine and within the groups.

    Files that the kernel keeps in memory are as good as free.
    """
    whole = _whole()
    return min(_available(whole), *(max(0, m - held) for m, held in _bounds(whole)), whole)


def memory_share() -> float:
    """Of the memory that may be had the part that is had, by the machine or the fullest group."""
    whole = _whole()
    groups = (held / most for most, held in _bounds(whole) if most)
    return max(1 - _available(whole) / whole, *groups, 0.0)


def _whole() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _available(otherwise: int) -> int:
    with suppress(OSError, ValueError, KeyError, IndexError):
        facts = dict(line.split(":", 1) for line in _MACHINE.read_text().splitlines())
        return int(facts["MemAvailable"].split()[0]) << 10
    return otherwise


def _bounds(whole: int) -> Iterator[tuple[int, int]]:
    """Of each group that has less than the machine: bytes that it may have, and that it has."""
    for folder, kind in _groups():
        with suppress(OSError, ValueError):
            most = int((folder / kind.most).read_text())
            if most < whole:
                told = dict(map(str.split, (folder / "memory.stat").read_text().splitlines()))
                yield most, sum(int(told.get(name, 0)) for name in kind.held)


def _groups() -> Iterator[tuple[Path, _Kind]]:
    """This process's own groups, and those around them as far as they are seen from here."""
    with suppress(OSError, ValueError):
        for line in _OWN.read_text().splitlines():
            _, kinds, place = line.split(":", 2)
            if kinds and "memory" not in kinds.split(","):
                continue
            base, kind = (_GROUPS / "memory", _FIRST) if kinds else (_GROUPS, _SECOND)
            own = base / place.lstrip("/")
            yield from ((one, kind) for one in (own, *own.parents) if one.is_relative_to(base))
