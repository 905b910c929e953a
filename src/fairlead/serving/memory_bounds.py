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


class _Bound(NamedTuple):
    """Bytes that a machine or a group may have, and that can still be had of them."""

    most: int
    free: int


def usable_memory() -> int:
    """Bytes of memory that this machine has, or a group around this process when it has fewer."""
    return min(bound.most for bound in _bounds())


def free_memory() -> int:
    """Bytes of memory that can still be had, of the machine and within the groups.

    Files that the kernel keeps in memory are as good as free.
    """
    return min(bound.free for bound in _bounds())


def memory_share(left: int) -> float:
    """The part in use, of the machine or the fullest group: of those with fewer bytes left.

    0 where none has. A large machine has enough for a long time, whatever part of it that is.
    """
    short = [bound for bound in _bounds() if bound.free < left]
    return max((1 - bound.free / bound.most for bound in short if bound.most), default=0.0)


def _bounds() -> Iterator[_Bound]:
    """The machine's, and of each group that may have less."""
    machine = _of_machine()
    yield machine
    for folder, kind in _groups():
        with suppress(OSError, ValueError):
            most = int((folder / kind.most).read_text())
            if most < machine.most:
                told = dict(map(str.split, (folder / "memory.stat").read_text().splitlines()))
                held = sum(int(told.get(name, 0)) for name in kind.held)
                yield _Bound(most, max(0, most - held))


def _of_machine() -> _Bound:
    """Both figures from one source: a container may be shown another machine in each."""
    with suppress(OSError, ValueError, KeyError, IndexError):
        facts = dict(line.split(":", 1) for line in _MACHINE.read_text().splitlines())
        most, free = (int(facts[name].split()[0]) << 10 for name in ("MemTotal", "MemAvailable"))
        return _Bound(most, free)
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return _Bound(whole, whole)


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
