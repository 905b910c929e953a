"""Takes the profile of a version: executions in a process of their own, then a real server.

Every part is kept as soon as it is measured, so that a run may be stopped and gone on with.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from fairlead.core.clock import now, wall_ns
from fairlead.core.errors import NotProfiled
from fairlead.core.package import Package
from fairlead.costs.profile import Payload, Point, Profile, Service, Setting
from fairlead.costs.scaling import fit
from fairlead.costs.searching import CALLERS, Found, Grid, Outcome, Place, grid_of, search
from fairlead.packages.manifest import NAME as MANIFEST
from fairlead.packing.profile import machine
from fairlead.profiling.kept import Kept
from fairlead.profiling.reckoning import (
    busy_times,
    loop_seconds,
    slowed,
    unsteady,
    way_of,
)
from fairlead.profiling.serving import Served
from fairlead.serving.machine import usable_cores
from fairlead.serving.memory_bounds import usable_memory

_SEARCH, _SERVICES = 0.3, 0.16
"""Shares of the budget."""
_TRIALS = 24
_MEASURING = 0.8
_LONGEST_S, _SHORTEST_S = 0.8, 0.01
_TOO_SLOW_S = 2.0
"""An execution that takes longer is not tried with twice the rows, unless a server would."""
_OFF_THE_LOOP = 1.25
"""By so much threads must be better to be chosen for a model that the worker's loop can run."""
_BUSY_FROM = 2
"""The first of the points (`serving.CALLERS`) at which the callers leave a server no pause."""
_ARCHES = {"aarch64": "arm64", "AMD64": "x86_64"}
_GPUS = Path("/proc/driver/nvidia/gpus")

Say = Callable[[float, str], None]
"""Is told how much is done, from 0 to 1, and what is done now."""


class Tries(Protocol):
    """A loaded version in a process of its own."""

    def loaded(self) -> dict[str, Any]:
        """{"load_s", "inline", "slots", "max_rows", "answered", "joins", "at_once"}."""
        ...

    def execute(self, place: Place, seconds: float, bar: float) -> dict[str, Any]:
        """A trial, as `profiling/executions.py: Executed` tells it."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be measured. seconds: that it may take in all. offer: the machine's own name in
    the price table, "" elsewhere."""

    package: Package
    seconds: float
    offer: str = ""

    @property
    def measuring_s(self) -> float:
        """Of them, those in which anything is measured: the rest is for starting and packing."""
        return _MEASURING * self.seconds


@dataclass(frozen=True, slots=True)
class Taken:
    """A profile, and how it was found: trials of how many in the whole grid.

    others: processors that other programs kept busy while a server was measured.
    """

    profile: Profile
    trials: int
    grid: int
    others: float


def take(
    job: Job,
    tries: Tries,
    server: Callable[[], AbstractContextManager[Served]],
    kept: Kept,
    say: Say,
) -> Taken:
    """The profile of a version. Raises NotProfiled, LoadFailed, FileUnreadable."""
    package = job.package
    say(0.0, "loading the model")
    loaded = kept.get("loaded", tries.loaded)
    if not loaded["answered"]:
        raise NotProfiled(
            "the model does not answer a row of zeros, and its package has no example",
            where=f"{package.name} version {package.version}",
            fix="Give it rows: --rows FILE",
        )
    most = package.limits.max_batch if loaded["joins"] else 1
    grid = grid_of(most, loaded["at_once"])
    run = _Run(job, tries, kept, say, loaded, grid)
    found = run.searched()
    services = run.services(found)
    told = _served(kept, say, server, job.measuring_s)
    profile = _profile(job, loaded, found, services, told)
    return Taken(profile, found.trials, grid.size, told["others"])


@dataclass(frozen=True, slots=True)
class _Run:
    """The executions of a profile under way."""

    job: Job
    tries: Tries
    kept: Kept
    say: Say
    loaded: dict[str, Any]
    grid: Grid

    def searched(self) -> Found:
        """The best settings, among few that are tried."""
        seconds = _between(self.job.measuring_s * _SEARCH / _TRIALS)
        end = now() + 1.4 * _SEARCH * self.job.measuring_s
        count = 0
        times: dict[Place, int] = {}

        def measure(place: Place, bar: float) -> Outcome:
            nonlocal count
            count += 1
            batch, threads, callers = place
            words = f"{callers} callers, up to {batch} rows joined, {threads} at once"
            self.say(0.05 + 0.35 * min(1.0, count / _TRIALS), words)
            times[place] = times.get(place, 0) + 1
            told = self.kept.get(
                f"trial {batch} {threads} {callers}" + " again" * (times[place] - 1),
                lambda: self.tries.execute(place, seconds, bar),
            )
            return Outcome(told["rows_per_s"], told["p99_s"])

        company = min(2 * usable_cores(), self.grid.callers[-1])
        return search(self.grid, measure, company, lambda: now() > end)

    def services(self, found: Found) -> tuple[Service, ...]:
        """The time of one execution by rows, as a server runs it, and with the best settings."""
        own = 1 if self.loaded["inline"] else self.loaded["slots"]
        wanted = {own, 1, found.throughput[1], self.loaded["at_once"]}
        threads = sorted(wanted, key=lambda t: (t != own, t))
        most = max(self.loaded["max_rows"], found.throughput[0], found.latency[0])
        sizes = [b for b in self.grid.batches if b <= most or b == 1]
        seconds = _between(self.job.measuring_s * _SERVICES / (len(sizes) * len(threads)))
        made: list[Service] = []
        for place, at_once in enumerate(threads):
            for number, rows in enumerate(sizes):
                done = (place + number / len(sizes)) / len(threads)
                self.say(0.4 + 0.2 * done, f"executions of {rows} rows, {at_once} at once")
                told = self._service(rows, at_once, seconds)
                quantiles = tuple(float(f"{value:.6g}") for value in told["quantiles"])
                made.append(Service(rows, at_once, quantiles, told["cpu_s"]))
                if made[-1].mean_s > _TOO_SLOW_S and rows >= self.loaded["max_rows"]:
                    break
        return tuple(made)

    def _service(self, rows: int, threads: int, seconds: float) -> dict[str, Any]:
        place = (rows, threads, rows * threads)
        return self.kept.get(
            f"service {rows} {threads}", lambda: self.tries.execute(place, seconds, 0.0)
        )


def _between(seconds: float) -> float:
    return max(_SHORTEST_S, min(_LONGEST_S, seconds))


def _served(
    kept: Kept, say: Say, server: Callable[[], AbstractContextManager[Served]], seconds: float
) -> dict[str, Any]:
    """What a real server of one worker did: kept as a whole, since its memory is one story."""

    def measured() -> dict[str, Any]:
        say(0.6, "starting a server")
        with server() as running:
            return running.measured(seconds, lambda done, words: say(0.65 + 0.35 * done, words))

    return kept.get("served", measured)


def _profile(
    job: Job,
    loaded: dict[str, Any],
    found: Found,
    services: tuple[Service, ...],
    told: dict[str, Any],
) -> Profile:
    package = job.package
    points = tuple(Point(**one) for one in told["points"])
    at_once = 1 if loaded["inline"] else loaded["slots"]
    one = next(s for s in services if s.rows == 1 and s.threads == 1)  # as for a lone caller
    inline, slots, busy = loaded["inline"], loaded["slots"], told["busy"]
    loop = loop_seconds(services, at_once, busy, inline=inline)
    kept_busy = busy[_BUSY_FROM:]
    each = busy_times(services, loop, kept_busy, inline=inline, slots=slots, cores=usable_cores())
    times = slowed(each)
    fact = package.files.get(package.graph)
    return Profile(
        model=package.name,
        version=package.version,
        runtime=package.runtime,
        taken=datetime.fromtimestamp(wall_ns() / 1e9, UTC).date().isoformat(),
        machine=machine(),
        cores=usable_cores(),
        arch=_ARCHES.get(platform.machine(), platform.machine()),
        gpu=_gpu(),
        memory_bytes=usable_memory(),
        offer=job.offer,
        load_s=loaded["load_s"],
        disk_bytes=_disk(package),
        base_bytes=told["base_bytes"],
        steady_bytes=told["steady_bytes"],
        peak_bytes=told["peak_bytes"],
        inline=loaded["inline"],
        slots=loaded["slots"],
        max_rows=loaded["max_rows"],
        call_s=loop[0],
        turn_s=loop[1],
        slowed=times,
        unsteady=unsteady(each),
        path_s=max(0.0, points[0].p50_s - times * one.quantiles[50]),
        services=services,
        points=points,
        scaling=fit(points),
        payloads=tuple(Payload(**each) for each in told["payloads"]),
        latency=_setting(found, found.latency, _speed, inline=loaded["inline"]),
        throughput=_unbound(
            _setting(found, found.throughput, _rate, inline=loaded["inline"]),
            package.limits.max_batch,
        ),
        graph_sha256=fact.sha256 if fact is not None else "",
        ways=tuple(way_of(pause, waits, one, times) for pause, waits in told.get("pauses", ())),
    )


def _rate(found: Found, place: Place) -> float:
    return found.tried[place].rows_per_s


def _speed(found: Found, place: Place) -> float:
    return 1 / max(found.tried[place].p99_s, 1e-12)


def _setting(
    found: Found, place: Place, score: Callable[[Found, Place], float], *, inline: bool
) -> Setting:
    """What was found; threads are not worth their changes where the worker's loop nearly does."""
    if inline and place[1] > 1:
        score_of = partial(score, found)
        on_loop = [other for other in found.tried if other[1] == 1 and other[2] == place[2]]
        best = max(on_loop, key=score_of, default=place)
        place = best if score_of(best) * _OFF_THE_LOOP >= score_of(place) else place
    batch, threads, callers = place
    outcome = found.tried[place]
    at_once = 0 if inline and threads == 1 else threads
    return Setting(batch, at_once, callers, outcome.rows_per_s, outcome.p99_s)


def _unbound(setting: Setting, limit: int) -> Setting:
    """The setting without a bound that was not reached: more callers might fill more."""
    fills = -(-setting.callers // max(1, setting.threads))
    reached = setting.max_batch < fills or setting.callers < CALLERS[-1]
    return setting if reached else replace(setting, max_batch=limit)


def _disk(package: Package) -> int:
    manifest = package.folder / MANIFEST
    own = manifest.stat().st_size if manifest.is_file() else 0
    return own + sum(fact.size for fact in package.files.values())


def _gpu() -> str:
    """The name of the first graphics processor that the system tells of."""
    for file in sorted(_GPUS.glob("*/information")):
        for line in file.read_text(errors="replace").splitlines():
            if line.startswith("Model:"):
                return line.partition(":")[2].strip()
    return ""
