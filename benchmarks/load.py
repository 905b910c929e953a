"""Load on one server for a moment: wrk's figures, and who else used the machine meanwhile."""

from __future__ import annotations

import json
import resource
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from benchmarks import machine
from benchmarks.places import HERE, tool

FOREIGN_LIMIT = 0.5
"""What was measured while others used more than this many cores is thrown away."""

_TRIES, _TRIES_WITHOUT_PATIENCE = 6, 2
_QUIET, _LOOK_S = 0.25, 0.25


class Noisy(Exception):
    """Others used the machine all the time."""


class Measured(Protocol):
    """A figure that knows how many cores others used while it was taken."""

    @property
    def foreign(self) -> float: ...


_M = TypeVar("_M", bound=Measured)


class Patience:
    """How long a run waits, in all, for others to leave the machine alone.

    waited_s: seconds that it has waited; thrown_away: figures that were taken in vain.
    """

    def __init__(self, seconds: float, limit: float = FOREIGN_LIMIT) -> None:
        """limit: cores that others may use while a figure is taken."""
        self._seconds = seconds
        self._limit = limit
        self.waited_s = 0.0
        self.thrown_away = 0

    def wait_for_quiet(self) -> None:
        """Returns when the machine is nearly idle, or at once when no patience is left."""
        while self.waited_s < self._seconds:
            before = machine.busy_seconds()
            time.sleep(_LOOK_S)
            if (machine.busy_seconds() - before) / _LOOK_S <= _QUIET:
                return
            self.waited_s += _LOOK_S

    def undisturbed(self, measure: Callable[[], _M]) -> _M:
        """The first figure that nobody disturbed. Raises Noisy after some tries."""
        tries = 0
        while tries < (_TRIES if self.waited_s < self._seconds else _TRIES_WITHOUT_PATIENCE):
            tries += 1
            self.wait_for_quiet()
            found = measure()
            if found.foreign <= self._limit:
                return found
            self.thrown_away += 1
        raise Noisy(f"other programs used more than {self._limit} cores in {tries} tries")


@dataclass(frozen=True, slots=True)
class Cell:
    """One server under one load.

    per_s: answers per second; errors: requests without a good answer.
    server, generator, foreign: cores used by the server, by wrk, and by everything else.
    """

    per_s: float
    p50_us: float
    p99_us: float
    errors: int
    server: float
    generator: float
    foreign: float

    def to_json(self) -> dict[str, Any]:
        return {name: round(value, 3) for name, value in asdict(self).items()}


def load(
    url: str,
    body: Path,
    session: int,
    *,
    connections: int,
    seconds: int,
    key: str = "",
    headers: Sequence[str] = (),
) -> Cell:
    """One run of wrk with one thread and keep-alive.

    key: that is shown with every request. headers: further header lines of every request.
    """
    command = [tool("wrk", "wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    command += ["-H", f"Authorization: Bearer {key}"] if key else []
    command += [word for line in headers for word in ("-H", line)]
    command += ["--timeout", "30s", "-s", str(HERE / "wrk.lua"), url, "--", str(body)]
    watch = Watch(session)
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    cores = watch.cores()
    line = next((n for n in run.stdout.splitlines() if n.startswith("FIGURES ")), None)
    if line is None:
        raise RuntimeError(f"wrk failed: {(run.stderr or run.stdout).strip()[-300:]}")
    found = json.loads(line.removeprefix("FIGURES "))
    return Cell(
        found["requests"] / found["seconds"],
        found["p50_us"],
        found["p99_us"],
        found["errors"],
        *cores,
    )


class Watch:
    """Who uses the processors from now on.

    session: of a server that is not a child of ours, 0 when there is none.
    """

    def __init__(self, session: int = 0) -> None:
        self._session = session
        self._before = self._now()

    def cores(self) -> tuple[float, float, float]:
        """Cores used since by the server, by our ended children, and by everything else."""
        moment, busy, server, children, own = (
            after - before for after, before in zip(self._now(), self._before, strict=True)
        )
        foreign = max(0.0, busy - server - children - own)
        return server / moment, children / moment, foreign / moment

    def _now(self) -> tuple[float, ...]:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (
            time.perf_counter(),
            machine.busy_seconds(),
            machine.cpu_seconds(self._session) if self._session else 0.0,
            children.ru_utime + children.ru_stime,
            time.process_time(),
        )
