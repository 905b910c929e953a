"""P14: `python -m benchmarks.reliability.soak`: memory, descriptors and threads stay as they are.

A server answers for a long time, while versions appear, now and then a worker is killed, and some
callers give up. What each process holds is measured every few seconds; a line
through it says how much it grows in an hour.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tests import models
from tests.processes import Running, children

from benchmarks.reliability.load import Load, once
from benchmarks.reliability.stand import none, options, pause, shown, standing, told
from benchmarks.report import Part, Promise

_LOOK_S, _KEPT = 5.0, 3
_MIB = 1 << 20
_SETTLED_S = 120.0
"""What a process does at its beginning is not held against it."""


@dataclass(slots=True)
class Held:
    """What one process held over time: seconds, bytes, descriptors, threads."""

    name: str
    seconds: list[float] = field(default_factory=list[float])
    memory: list[float] = field(default_factory=list[float])
    descriptors: list[int] = field(default_factory=list[int])
    threads: list[int] = field(default_factory=list[int])

    def look(self, process: int, moment: float) -> None:
        """Notes what it holds now."""
        place = Path("/proc") / str(process)
        try:
            memory = int((place / "statm").read_text().split()[1]) * 4096
            descriptors, threads = len(os.listdir(place / "fd")), len(os.listdir(place / "task"))
        except OSError:
            return
        self.seconds.append(moment)
        self.memory.append(memory / _MIB)
        self.descriptors.append(descriptors)
        self.threads.append(threads)


def slope(seconds: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """How much values grow in an hour, and the upper end of its 95 % interval.

    By ordinary least squares over means of minutes, since what follows in seconds is not
    independent (each minute has a new version in it).
    """
    minutes = np.array(seconds) // 60
    each = [np.mean(np.array(values)[minutes == minute]) for minute in np.unique(minutes)]
    at = np.arange(len(each)) / 60.0
    if len(each) < 3:
        return float("nan"), float("inf")
    (grows, _), covariance = np.polyfit(at, each, 1, cov="unscaled")
    rest = np.array(each) - np.polyval(np.polyfit(at, each, 1), at)
    spread = float(np.sqrt((rest**2).sum() / (len(each) - 2) * covariance[0, 0]))
    return float(grows), float(grows) + 1.96 * spread


def soak(
    minutes: float, rate: float, kill_every: float, seed: int, swap_every: float = 60.0
) -> Part:
    """So many minutes of load, with a death every so many minutes and a version every so many
    seconds."""
    held: dict[int, Held] = {}
    kills = 0
    with standing() as (running, folder):
        load = Load(running.port, running.grpc_port, rate, seed, again=once, cancels=0.05)
        load.start()
        began = time.perf_counter()
        version, killed_at = 1, began
        while time.perf_counter() - began < minutes * 60:
            moment = time.perf_counter()
            if moment - began > version * swap_every:
                version += 1
                _swap(folder / "models", version)
            if moment - killed_at > kill_every * 60:
                killed_at, kills = moment, kills + 1
                os.kill(running.workers[0], signal.SIGKILL)
            _look(running, held, moment - began)
            pause(min(_LOOK_S, swap_every))
        seen = load.stop()
    lines = [f"{minutes:g} minutes, {version - 1} new versions, {kills} workers killed, seed "
             f"{seed}, {rate:g} calls a second.", "", *told(seen), "",
             "| process | samples | MiB at last | grows in an hour | up to (95 %) | by its second "
             "half | descriptors | threads |", "|---|--:|--:|--:|--:|--:|--:|--:|"]  # fmt: skip
    worst = 0.0
    for one in held.values():
        late = [n for n, at in enumerate(one.seconds) if at - one.seconds[0] >= _SETTLED_S]
        if len(late) < 60 / _LOOK_S * 3:
            continue
        at, memory = [one.seconds[n] for n in late], [one.memory[n] for n in late]
        grows, most = slope(at, memory)
        half, _ = slope(at[len(at) // 2 :], memory[len(at) // 2 :])
        worst = max(worst, most)
        fds, threads = [one.descriptors[n] for n in late], [one.threads[n] for n in late]
        lines.append(
            f"| {one.name} | {len(late)} | {memory[-1]:.1f} | {grows:+.2f} | {most:+.2f} | "
            f"{half:+.2f} | {min(fds)} to {max(fds)} | {min(threads)} to {max(threads)} |"
        )
    return Part("Memory over time", lines, {}, [
        none("calls that failed in the end", len(seen.failed), seen.sent),
        none("answers to another request", seen.mismatched, seen.answered),
        Promise("P14 MiB that a process grows in an hour, at most (95 %)", 1.0, worst,
                f"{worst:.2f}", most=True),
    ])  # fmt: skip


def _swap(repository: Path, version: int) -> None:
    models.total(repository, version=version)
    old = repository / "total" / str(version - _KEPT)
    shutil.rmtree(old, ignore_errors=True)


def _look(running: Running, held: dict[int, Held], moment: float) -> None:
    held.setdefault(running.process.pid, Held("supervisor")).look(running.process.pid, moment)
    for process, line in children(running.process.pid).items():
        for name in ("worker", "bookkeeper"):
            if f"assembly.{name}" in line:
                held.setdefault(process, Held(name)).look(process, moment)


def main() -> int:
    """Runs it."""
    given = options(__doc__ or "", minutes=60.0, rate=50.0, kill=10.0, swap=60.0)
    return shown([soak(given.minutes, given.rate, given.kill, given.seed, given.swap)])


if __name__ == "__main__":
    sys.exit(main())
