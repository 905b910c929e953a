"""What Linux tells of processes: their children, memory, processor time; elsewhere nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from fairlead.serving.memory import peak, resident

_PROCESSES = Path("/proc")


def below(process: int) -> dict[int, str]:
    """The command lines of all processes below one, by number."""
    parents: dict[int, int] = {}
    for entry in _PROCESSES.glob("[0-9]*"):
        told = _fields(int(entry.name))
        if told:
            parents[int(entry.name)] = int(told[1])
    found: dict[int, str] = {}
    wanted = {process}
    while wanted:
        wanted = {number for number, parent in parents.items() if parent in wanted}
        found |= {number: _command(number) for number in wanted}
    return found


def held(processes: Iterable[int]) -> int:
    """Bytes of memory that they hold now."""
    return sum(map(resident, processes))


def most_held(processes: Iterable[int]) -> int:
    """The most bytes of memory that each has held."""
    return sum(map(peak, processes))


def spent(processes: Iterable[int]) -> float:
    """Seconds of processor time that they have used."""
    told = [_fields(process) for process in processes]
    ticks = sum(int(fields[11]) + int(fields[12]) for fields in told if fields)
    return ticks / os.sysconf("SC_CLK_TCK")


def busy() -> float:
    """Seconds for which all processors of this machine have worked since it started."""
    try:
        told = (_PROCESSES / "stat").read_text().splitlines()[0].split()[1:9]
    except (OSError, IndexError):
        return 0.0
    idle = int(told[3]) + int(told[4])
    return (sum(map(int, told)) - idle) / os.sysconf("SC_CLK_TCK")


def first_thread(process: int) -> tuple[float, float]:
    """Seconds that the first thread of a process has run, and has waited for a processor.

    Zeros where Linux does not tell.
    """
    try:
        told = (_PROCESSES / f"{process}/task/{process}/schedstat").read_text().split()
        return int(told[0]) / 1e9, int(told[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0, 0.0


def _fields(process: int) -> list[str]:
    """What stands behind a process's name in its facts; [] for one that is gone."""
    try:
        return (_PROCESSES / str(process) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _command(process: int) -> str:
    try:
        raw = (_PROCESSES / str(process) / "cmdline").read_bytes()
    except OSError:
        return ""
    return raw.replace(b"\0", b" ").decode(errors="replace")
