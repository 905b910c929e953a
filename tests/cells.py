"""Processes in a cell of the kernel's (a control group), with as much as a test gives them.

Needs the right to make one, which root has in most containers; `needs` skips a test elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.processes import children, until

_ROOT = Path("/sys/fs/cgroup")
_MOST = {"memory": ("memory.limit_in_bytes", "memory.max"), "pids": ("pids.max", "pids.max")}
_HELD = ("anon", "shmem", "sock", "slab_unreclaimable", "kernel_stack")
_NOW = {"memory": ("memory.usage_in_bytes", "memory.current"), "pids": ("pids.current",) * 2}


def _own(kind: str) -> tuple[Path, bool]:
    """The folder of this process's own cell, and whether it is one of version 2."""
    second = _ROOT
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, kinds, place = line.split(":", 2)
        if kind in kinds.split(","):
            return _ROOT / kind / place.lstrip("/"), False
        if not kinds:
            second = _ROOT / place.lstrip("/")
    return second, True


def _can(kind: str) -> bool:
    try:
        with cell(kind) as made:
            made.most("max" if made.second else "-1" if kind == "memory" else "max")
            return True
    except OSError:
        return False


class Cell:
    """A cell of one kind: "memory" (bytes) or "pids" (processes and threads)."""

    def __init__(self, kind: str, folder: Path, second: bool) -> None:
        self.folder, self.second = folder, second
        self._most, self._now = _MOST[kind][second], _NOW[kind][second]

    def take(self, processes: Iterable[int]) -> None:
        """Moves processes here, with what they start from now on."""
        for process in processes:
            (self.folder / "cgroup.procs").write_text(str(process))

    def leave(self, process: int) -> None:
        """Moves a process back to where this one's cell was made."""
        (self.folder.parent / "cgroup.procs").write_text(str(process))

    def share(self, part: float) -> None:
        """Bounds the memory so that such a part of it is had by now."""
        lines = (self.folder / "memory.stat").read_text().splitlines()
        told = dict(line.split() for line in lines)
        names = _HELD if self.second else ("total_rss", "total_shmem")
        self.most(int(sum(int(told.get(name, 0)) for name in names) / part))

    def most(self, amount: int | str) -> None:
        """Bounds what all of them together may have."""
        (self.folder / self._most).write_text(str(amount))

    @property
    def now(self) -> int:
        """How much they have."""
        return int((self.folder / self._now).read_text())


@contextmanager
def cell(kind: str) -> Iterator[Cell]:
    """An empty cell; its processes go back at the end. Raises OSError without the right."""
    own, second = _own(kind)
    folder = own / f"fairlead-test-{os.getpid()}"
    folder.mkdir()
    try:
        yield Cell(kind, folder, second)
    finally:
        for process in (folder / "cgroup.procs").read_text().split():
            with suppress(OSError):
                (own / "cgroup.procs").write_text(process)
        until(lambda: not (folder / "cgroup.procs").read_text())
        folder.rmdir()


def everything(process: int) -> list[int]:
    """A process and all that it has started, down to the last."""
    below = [one for child in children(process) for one in everything(child)]
    return [process, *below]


def needs(kind: str) -> pytest.MarkDecorator:
    """Skips a test where no such cell can be made."""
    return pytest.mark.skipif(not _can(kind), reason=f"the kernel gives no cell of {kind} here")
