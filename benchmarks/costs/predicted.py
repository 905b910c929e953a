"""What a profile and the simulation foretell, beside what a real server did with the same calls.

Usage: python -m benchmarks.costs.predicted [--models small network code] [--seconds 20]
       [--rounds 3] [--seed 1] [--budget 20] [--first] [--keep]

Each round takes a profile as an owner does (`fairlead profile`), starts `fairlead serve` with one
worker, and sends it calls over the loopback in an open loop: at five rates up to 80 % of what it
can do, and in two bursty traces. The same times of coming are simulated. Latency counts from the
moment at which a call should have left. Every figure is the median of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import machine
from benchmarks.costs import subjects
from benchmarks.costs.compared import BOUND, FIGURES, Cell, missed, shown
from benchmarks.costs.sending import Answers, Lines
from benchmarks.places import RESULTS
from fairlead.core.clock import now
from fairlead.costs.arrivals import dispersion_of, drawn, share_on
from fairlead.costs.profile import Profile, profile_of
from fairlead.costs.simulation import Outcome, Seconds, simulate, worker_of
from fairlead.packages.read import open_package
from fairlead.packages.repository import Found
from fairlead.profiling import requests
from fairlead.profiling.callers import NotAnswered, ask_once
from fairlead.profiling.loopback import loopback
from fairlead.profiling.requests import asked_of
from fairlead.serving.loading import read_example

LOADS = (0.1, 0.25, 0.45, 0.65, 0.8)
_LINES = 1600
_LEAST_CALLS, _LONGEST_S, _BURSTS_S = 600, 60.0, 25.0
_DRAWS = 3
_METRICS = b"GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
_COUNTS = tuple(f"fairlead_{name}_total{{" for name in ("batches", "rows", "compute_seconds"))
_USUAL, _LOOP, _SENDER = 1, 2, 3
_WARM_S, _PATIENCE_S = 1.0, 30.0


@dataclass(frozen=True, slots=True)
class Trace:
    """Calls that come. name: for people. load: of what the server can do, on average."""

    name: str
    load: float
    times: NDArray[np.float64]
    seconds: float


def traces(most_per_s: float, seconds: float, seed: int) -> list[Trace]:
    """Five steady rates, and two that are not: one a little, one so that calls are refused."""
    found: list[Trace] = []
    for number, load in enumerate(LOADS):
        rate = load * most_per_s
        lasts = min(_LONGEST_S, max(seconds, _LEAST_CALLS / rate))
        times = drawn(rate, lasts, 1.0, np.random.default_rng(seed + number))
        found.append(Trace(f"{load:.0%}", load, times, lasts))
    rate = 0.5 * most_per_s
    lasts = max(_BURSTS_S, seconds)
    times = drawn(rate, lasts, 4.0, np.random.default_rng(seed + 10))
    found.append(Trace("50%, dispersion 4", 0.5, times, lasts))
    # So that calls come at 1.25 times what it can do while they come.
    strong = _dispersion_for(rate, 0.4)
    times = drawn(rate, lasts, strong, np.random.default_rng(seed + 11))
    found.append(Trace("50%, on and off", 0.5, times, lasts))
    return found


def _dispersion_for(per_s: float, share: float) -> float:
    """The dispersion with which calls come in so much of the time."""
    low, high = 1.0, 1e9
    for _ in range(100):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if share_on(per_s, middle) > share else (low, middle)
    return low


def profiled(subject: subjects.Subject, folder: Path, budget: float) -> Profile:
    """As an owner takes it, on the command line."""
    told = folder / "profile.json"
    command = [sys.executable, "-P", "-m", "fairlead", "profile", str(subject.folder), "--quiet"]
    command += ["--budget", f"{budget:g}", "--fresh", "--json", str(told)]
    command += ["--state", str(folder / "state")]
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
    return profile_of(json.loads(told.read_text()))


def foretold(trace: Trace, profile: Profile, seed: int, faster: float = 1.0) -> Outcome:
    """Simulated some times, with other draws of the executions. faster: those alone."""
    worker = worker_of(profile, cores=profile.cores)
    worker = replace(worker, seconds=Seconds(profile.services, faster / profile.slowed))
    found = Outcome(trace.seconds)
    for draw in range(_DRAWS):
        random = np.random.default_rng(seed + draw)
        found.add(simulate(trace.times, trace.seconds, worker, random))
    return found


def served(
    subject: subjects.Subject,
    wanted: Sequence[Trace],
    say: Callable[[Trace, Answers, float, tuple[float, float]], None],
) -> None:
    """What a real server does with each, told as it comes.

    As (trace, answers, foreign cores, (rows, seconds) of an execution as the server counts them).
    """
    package = open_package(subject.folder)
    row = asked_of(package, read_example(package), None).rows[0]
    request = requests.rest(package.name, row)
    found = Found(package.name, package.version, subject.folder)
    with loopback(found, dict(os.environ)) as running:
        _wake(running.port, request)
        first = os.sched_getscheduler(0) == os.SCHED_RR
        if first:
            _before_others(running.worker[0], _LOOP)
            _before_others(0, _SENDER)
        lines = Lines(running.port, _LINES)
        try:
            middle = wanted[len(LOADS) // 2]
            lines.send([t for t in middle.times.tolist() if t < _WARM_S], request)
            for trace in wanted:
                before = _counted(running.port)
                own, all_ = _spent(running.worker), machine.busy_seconds()
                answers = lines.send(trace.times.tolist(), request)
                used = _spent(running.worker) - own
                foreign = (machine.busy_seconds() - all_ - used) / trace.seconds
                batches, rows, seconds = np.subtract(_counted(running.port), before).tolist()
                say(trace, answers, foreign, (rows / batches, seconds / batches))
        finally:
            lines.close()
            if first:
                _before_others(0, _USUAL)


def _counted(port: int) -> list[float]:
    """Executions, their rows and their seconds, as the server counts them."""
    lines = ask_once(port, _METRICS).decode().splitlines()
    return [
        sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))
        for name in _COUNTS
    ]


def _before_others(process: int, rank: int) -> None:
    """The loop must not wait for an execution, nor he who sends for either: they are elsewhere."""
    os.sched_setscheduler(process, os.SCHED_RR, os.sched_param(rank))


def _wake(port: int, request: bytes) -> None:
    """The model is loaded by the first who ask."""
    end = now() + _PATIENCE_S
    while True:
        try:
            ask_once(port, request)
            return
        except NotAnswered:
            if now() > end:
                raise


def _spent(processes: Sequence[int]) -> float:
    from fairlead.profiling.processes import spent

    return spent(processes) + sum(os.times()[:2])


def run_round(
    subject: subjects.Subject, cells: dict[str, Cell], options: argparse.Namespace, seed: int
) -> None:
    """One profile, one server, all traces."""
    with tempfile.TemporaryDirectory(prefix="fairlead-predicted-") as name:
        profile = profiled(subject, Path(name), options.budget)
    # By the mean times, as the simulation has them: the best point is what a machine whose speed
    # changes did in its fastest seconds.
    most = 1 / worker_of(profile, cores=profile.cores).call_each_s
    print(_about(subject, profile, most), flush=True)

    def say(trace: Trace, answers: Answers, foreign: float, each: tuple[float, float]) -> None:
        cell = cells.setdefault(trace.name, Cell(subject.name, trace.name))
        told = foretold(trace, profile, seed)
        slower = each[1] / _usual_s(profile, each[0], told)
        again = foretold(trace, profile, seed, 1 / slower)
        cell.calls = len(trace.times)
        cell.dispersion = dispersion_of(trace.times)
        for figure, part in zip(FIGURES, (0.5, 0.95, 0.99), strict=False):
            cell.foretold[figure].append(told.quantile(part))
            cell.rescaled[figure].append(again.quantile(part))
            cell.measured[figure].append(answers.quantile(part))
        cell.foretold["refused"].append(told.refused_share)
        cell.rescaled["refused"].append(again.refused_share)
        cell.measured["refused"].append(answers.refused)
        cell.slower.append(slower)
        cell.slip_s.append(float(np.quantile(answers.slips, 0.99)))
        cell.foreign.append(foreign)
        print(_progress(cell), flush=True)

    served(subject, traces(most, options.seconds, seed), say)


def _usual_s(profile: Profile, rows: float, told: Outcome) -> float:
    """Seconds of an execution of so many rows, by the profile; at once as in the simulation."""
    seconds = Seconds(profile.services, 1 / profile.slowed)

    def mean(joined: float) -> float:
        least = int(joined)
        low, high = seconds.mean(least), seconds.mean(least + 1)
        return low + (high - low) * (joined - least)

    return told.busy_s / told.executions / mean(told.joined) * mean(rows)


def _about(subject: subjects.Subject, profile: Profile, most: float) -> str:
    one = profile.service(1)
    how = "on the loop" if profile.inline else f"{profile.slots} at once in threads"
    seen = [point.calls_per_s for point in profile.points]
    return (
        f"{subject.name}: {how}, up to {profile.max_rows} rows; an execution "
        f"{one.quantiles[50] * 1e3:.3f} ms (p99 {one.quantiles[99] * 1e3:.3f}), the loop "
        f"{profile.call_s * 1e6:.0f} us a call and {profile.turn_s * 1e6:.0f} an execution, "
        f"{profile.slowed:.2f} times slower when busy, "
        f"the way {profile.path_s * 1e6:.0f} us, at most {most:,.0f} calls/s "
        f"(2 to 64 callers were answered {min(seen[1:]):,.0f} to {max(seen):,.0f})"
    )


def _progress(cell: Cell) -> str:
    each = [
        f"{figure} {cell.foretold[figure][-1] * 1e3:.3f} ({cell.rescaled[figure][-1] * 1e3:.3f})/"
        f"{cell.measured[figure][-1] * 1e3:.3f} ms"
        for figure in FIGURES[:3]
    ]
    refused = f"refused {cell.foretold['refused'][-1]:.2%}/{cell.measured['refused'][-1]:.2%}"
    return (
        f"  {cell.trace:18} {', '.join(each)}, {refused}; slip p99 "
        f"{cell.slip_s[-1] * 1e6:.0f} us, others {cell.foreign[-1]:.2f} cores, "
        f"executions {cell.slower[-1]:.2f} times as long"
    )


def main() -> int:
    """0 when all is within the bound, 1 when something is not, 2 when it cannot be measured."""
    options = _options()
    try:
        if options.first:  # and all that is started from here
            _before_others(0, _USUAL)
    except PermissionError as error:
        print(f"the kernel does not give precedence here: {error.strerror}", file=sys.stderr)
        return 2
    cells: dict[str, dict[str, Cell]] = {name: {} for name in options.models}
    with tempfile.TemporaryDirectory(prefix="fairlead-subjects-") as name:
        made = [subjects.KINDS[kind](Path(name)) for kind in options.models]
        for number in range(options.rounds):
            for subject in made:  # in turn, so that an hour's noise does not meet one alone
                run_round(subject, cells[subject.name], options, options.seed + 100 * number)
    every = [cell for each in cells.values() for cell in each.values()]
    print(*shown(every), sep="\n")
    if options.keep:
        _keep(every, options)
    return 1 if missed(every) else 0


def _keep(cells: Sequence[Cell], options: argparse.Namespace) -> None:
    path = RESULTS / f"costs-{datetime.now(UTC):%Y-%m-%d}.json"
    made: dict[str, Any] = {
        "machine": machine.describe(),
        "rounds": options.rounds,
        "seed": options.seed,
        "bound": BOUND,
        "missed": missed(cells),
        "missed_rescaled": missed(cells, rescaled=True),
        "cells": [{**asdict(c), "errors": {f: c.error(f) for f in FIGURES}} for c in cells],
    }
    path.write_text(json.dumps(made, indent=1) + "\n")
    print(f"written to {path}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", choices=[*subjects.KINDS], default=[*subjects.KINDS])
    parser.add_argument("--seconds", type=float, default=20.0, help="length of one load")
    parser.add_argument("--rounds", type=int, default=3, help="times each figure is measured")
    parser.add_argument("--budget", type=float, default=20.0, help="seconds of each profile")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="write the figures to results/")
    parser.add_argument(
        "--first",
        action="store_true",
        help="run before all others on this machine, in the real-time class (Linux, root): where "
        "they are many, it is their noise that is measured without it",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
