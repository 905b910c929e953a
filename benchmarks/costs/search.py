"""`python -m benchmarks.costs.search`: the search for settings beside the whole grid, on 3 models.

The whole grid is measured in rounds, of which each place keeps its best: whatever else a machine
does only takes time away. The search is judged on that surface, where it may try few places, and
once more live: what it then finds is worth what the surface says of that place. Places that are the
same to a server are one, measured once a round. On a machine that others keep busy the live search
is disturbed as the grid is, and the last line of each model says by how much.
"""

from __future__ import annotations

import os
import sys
import time

from benchmarks.costs.small import MODELS
from benchmarks.reliability.stand import options, shown
from benchmarks.report import Part, Promise
from fairlead.assembly.profile_process import Executing, Version
from fairlead.costs.searching import CALLERS, Found, Outcome, Place, grid_of, search
from fairlead.packages.read import open_package
from fairlead.profiling import processes
from fairlead.serving.machine import usable_cores

_SHARE_OF_TRIALS, _SHARE_OF_BEST = 0.25, 0.95


def run(rounds: int, seconds: float) -> list[Part]:
    """Each model: `rounds` times the whole grid, `seconds` for a trial."""
    return [_one(name, rounds, seconds) for name in MODELS]


def _one(name: str, rounds: int, seconds: float) -> Part:
    package = open_package(MODELS[name]())
    version = Version(package.name, package.version, str(package.folder.resolve()))
    company = min(2 * usable_cores(), CALLERS[-1])
    began, busy = time.perf_counter(), processes.busy()
    with Executing(version) as tries:
        grid = grid_of(package.limits.max_batch, tries.loaded()["at_once"])
        places = list(dict.fromkeys(grid.same(place) for place in grid.places))

        def measure(place: Place, bar: float) -> Outcome:
            told = tries.execute(place, seconds, bar)
            return Outcome(told["rows_per_s"], told["p99_s"])

        surface: dict[Place, Outcome] = {}
        for _ in range(rounds):
            for place in places:
                found = measure(place, 0.0)
                best = surface.get(place, found)
                surface[place] = Outcome(
                    max(best.rows_per_s, found.rows_per_s), min(best.p99_s, found.p99_s)
                )
        live = search(grid, measure, company)
        own = processes.spent([os.getpid(), *tries.processes])
        others = max(0.0, processes.busy() - busy - own) / (time.perf_counter() - began)
    judged = search(grid, lambda place, bar: surface[place], company)
    top = max(surface, key=lambda place: surface[place].rows_per_s)
    most = surface[top].rows_per_s

    def told(of: str, one: Found) -> str:
        rate = surface[one.throughput].rows_per_s
        return (
            f"{of:<22} {_words(one.throughput)}: {rate:,.0f} rows/s, {rate / most:.1%} "
            f"of the best, in {one.trials} trials ({one.trials / grid.size:.1%} of the grid, "
            f"{one.trials / len(places):.1%} of the different)"
        )

    share, used = surface[judged.throughput].rows_per_s / most, judged.trials / grid.size
    lines = [
        f"N: {grid.size} trials in the grid, {len(places)} different to a server; {rounds} rounds, "
        f"{seconds:g} s a trial",
        f"{'the best of the grid':<22} {_words(top)}: {most:,.0f} rows/s",
        told("search on the surface", judged),
        told("search live", live),
        f"other programs kept {others:.1f} processors busy",
    ]
    return Part(
        f"{name} model",
        lines,
        {"grid": grid.size, "different": len(places), "trials": judged.trials, "share": share},
        [
            Promise(
                f"{name}: share of the grid's best rows/s", _SHARE_OF_BEST, share, f"{share:.1%}"
            ),
            Promise(
                f"{name}: share of its trials", _SHARE_OF_TRIALS, used, f"{used:.1%}", most=True
            ),
        ],
    )


def _words(place: Place) -> str:
    return f"up to {place[0]} rows, {place[1]} at once, {place[2]} callers"


if __name__ == "__main__":
    asked = options(__doc__ or "", rounds=6, seconds=0.4)
    sys.exit(shown(run(asked.rounds, asked.seconds)))
