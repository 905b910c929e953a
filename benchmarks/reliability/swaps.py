"""P1: `python -m benchmarks.reliability.swaps`: versions change under load and no call fails."""

from __future__ import annotations

import sys
from pathlib import Path

from tests import models
from tests.processes import Running

from benchmarks.reliability.load import Load, Seen, never
from benchmarks.reliability.stand import (
    WORKERS,
    none,
    options,
    pause,
    quantile,
    shown,
    standing,
    told,
)
from benchmarks.report import Part, Promise

MOST_SLOWER = 1.5


class Answering:
    """Which version answers. Each line of the log is read once: the load is of this process too."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._read = self._ready = 0

    def __call__(self, version: int) -> bool:
        """Whether this version answers, in each worker, and no other is in memory."""
        lines = self._running.lines[self._read :]
        self._read += len(lines)
        self._ready += sum('"event": "ready"' in line for line in lines)
        if self._ready < version * WORKERS:
            return False
        index = self._running.asked("/v2/repository/index", body={})[1]
        states = {int(one["version"]): one["state"] for one in index}
        return [v for v, state in states.items() if state == "READY"] == [version]


def swaps(count: int, rate: float, seed: int) -> Part:
    """So many versions that appear one after the other, each once the one before answers."""
    with standing() as (running, folder):
        # Made beforehand: what makes them would take time from the load beside it.
        for number in range(2, count + 2):
            models.total(folder / "aside", version=number)
        still = _load(running, rate, seed, lambda: pause(min(60.0, max(5.0, count / 4))))
        swapped = _load(running, rate, seed + 1, lambda: _swap(running, folder, count))
        died = len(running.events("process_died"))
    before, after = quantile(still.waits, 0.99), quantile(swapped.waits, 0.99)
    lines = [f"{count} versions, seed {seed}, {rate:g} calls a second over REST and gRPC; p99 was "
             f"{1e3 * before:.1f} ms before and {1e3 * after:.1f} ms meanwhile.",
             "", *told(swapped)]  # fmt: skip
    return Part("Versions that appear under load", lines, {"p99": [before, after]}, [
        none("P1 calls that failed while versions change", len(swapped.failed), swapped.sent),
        none("P1 answers to another request", swapped.mismatched, swapped.answered),
        none("P1 processes that died", died, count),
        Promise("P1 p99 while versions change, times that before", MOST_SLOWER, after / before,
                f"{after / before:.2f}", most=True),
    ])  # fmt: skip


def _load(running: Running, rate: float, seed: int, meanwhile) -> Seen:
    load = Load(running.port, running.grpc_port, rate, seed, again=never)
    load.start()
    pause(0.5)
    meanwhile()
    return load.stop()


def _swap(running: Running, folder: Path, count: int) -> None:
    answering = Answering(running)
    for number in range(2, count + 2):
        place = Path("total") / str(number)
        (folder / "aside" / place).rename(folder / "models" / place)
        for _ in range(600):
            pause(0.1)
            if answering(number):
                break
        else:
            raise TimeoutError(f"version {number} does not answer")


def dropping(rate: float, seed: int) -> Part:
    """The negative control: the old version is ended before the new one is loaded."""
    with standing() as (running, _):
        seen = _load(running, rate, seed, lambda: _end_and_load(running))
    return Part("Control: a version that ends before the next one is seen to fail", told(seen)[:1],
                {}, [Promise("P1 control: failed calls that are found", 1, len(seen.failed),
                             str(len(seen.failed)))])  # fmt: skip


def _end_and_load(running: Running) -> None:
    for verb in ("unload", "load"):
        assert running.asked(f"/v2/repository/models/total/{verb}", body={})[0] == 200
        pause(0.2)


def main() -> int:
    """Runs it."""
    given = options(__doc__ or "", swaps=200, rate=500.0)
    return shown([swaps(given.swaps, given.rate, given.seed), dropping(50.0, given.seed)])


if __name__ == "__main__":
    sys.exit(main())
