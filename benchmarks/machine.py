"""What the kernel says: processor time, memory, and the machine's name."""

from __future__ import annotations

import os
import platform
import re
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.places import Missing

_TICKS = os.sysconf("SC_CLK_TCK")
_SESSION, _USER, _SYSTEM = 3, 11, 12  # fields of /proc/PID/stat after the name
_PRIVATE, _RESIDENT = r"^Private_\w+", r"^Rss"
_FIRST = "-19"
_LIBRARIES = ("onnxruntime", "numpy", "scikit-learn", "uvloop", "httptools", "orjson")


def members(session: int) -> list[int]:
    """Every process of a session: a server and all that it started."""
    found: list[int] = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                if int(_stat(folder)[_SESSION]) == session:
                    found.append(int(folder.name))
    return found


def cpu_seconds(session: int) -> float:
    """Processor time that the living processes of a session have used."""
    ticks = 0
    for process in members(session):
        with suppress(OSError):
            stat = _stat(Path(f"/proc/{process}"))
            ticks += int(stat[_USER]) + int(stat[_SYSTEM])
    return ticks / _TICKS


def private_mb(session: int) -> float:
    """Memory that no other process shares, over all processes of a session, in MB (10**6)."""
    return _memory_mb(session, _PRIVATE)


def resident_mb(session: int) -> float:
    """All memory of a session's processes, what they share counted for each, in MB (10**6)."""
    return _memory_mb(session, _RESIDENT)


def _memory_mb(session: int, kind: str) -> float:
    kib = 0
    for process in members(session):
        with suppress(OSError):
            text = Path(f"/proc/{process}/smaps_rollup").read_text()
            kib += sum(map(int, re.findall(kind + r":\s+(\d+) kB", text, re.MULTILINE)))
    return kib * 1024 / 1e6


def busy_seconds() -> float:
    """Processor time that all programs have used, and that other machines stole from this one.

    Interrupts are left out: on the loopback they are the work of the programs that talk.
    """
    user, nice, system, _, _, _, _, steal = Path("/proc/stat").read_text().split()[1:9]
    return (int(user) + int(nice) + int(system) + int(steal)) / _TICKS


def degrees(process: int) -> int | None:
    """By how many degrees a process's session goes after others; None where none has a share."""
    try:
        return int(Path(f"/proc/{process}/autogroup").read_text().split()[-1])
    except (OSError, IndexError):
        return None


class Precedence:
    """On a machine that others use too: our sessions run before theirs, once `taken`."""

    taken = False

    @classmethod
    def take(cls) -> None:
        """For this process, and from now on for every server. Raises Missing without the right."""
        cls.taken = True
        cls.give(os.getpid())

    @classmethod
    def give(cls, process: int) -> None:
        """For the session that a process leads; nothing happens unless it is taken."""
        if not cls.taken:
            return
        try:
            Path(f"/proc/{process}/autogroup").write_text(_FIRST)
        except OSError as error:
            raise Missing(f"the kernel does not give precedence here: {error.strerror}") from error


def describe() -> dict[str, str]:
    """The machine and the versions that were measured."""
    about = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.+)$", about, re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": model.group(1) if model else platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "shared": "with other programs, ours first" if Precedence.taken else "no",
        **{name: version(name) for name in _LIBRARIES},
    }


def _stat(folder: Path) -> list[str]:
    return (folder / "stat").read_text().rpartition(")")[2].split()
