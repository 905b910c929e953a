"""`python -m benchmarks.costs.search`: the search for settings beside the whole grid, on 3 models.

Places that are the same to a server are one place, tried once a round; rounds of grid and search
take turns, so that whatever else the machine does is shared. What was found is judged by the
medians of the grid, not by the trial in which it was found.
"""

from __future__ import annotations

import statistics
import sys
from contextlib import ExitStack

from benchmarks.costs.small import MODELS
from benchmarks.reliability.stand import options, shown
from benchmarks.report import Part, Promise
from fairlead.assembly.executing import Executing, Version
from fairlead.costs.searching import CALLERS, Found, Outcome, Place, grid_of, search
from fairlead.packages.read import open_package
from fairlead.serving.machine import usable_cores

_SHARE_OF_TRIALS, _SHARE_OF_BEST = 0.25, 0.95


def run(rounds: int, seconds: float) -> list[Part]:
    """Each model: `rounds` times the whole grid and a search, `seconds` for a trial."""
    return [_one(name, rounds, seconds) for name in MODELS]


def _one(name: str, rounds: int, seconds: float) -> Part:
    package = open_package(MODELS[name]())
    version = Version(package.name, package.version, str(package.folder.resolve()))
    seen: dict[Place, list[float]] = {}
    found: list[Found] = []
    with ExitStack() as stack:
        tries = stack.enter_context(Executing(version))
        grid = grid_of(package.limits.max_batch, tries.loaded()["at_once"])
        places = list(dict.fromkeys(grid.same(place) for place in grid.places))

        def measure(place: Place, bar: float) -> Outcome:
            told = tries.execute(place, seconds, bar)
            return Outcome(told["rows_per_s"], told["p99_s"])

        for _ in range(rounds):
            for place in places:
                seen.setdefault(place, []).append(measure(place, 0.0).rows_per_s)
            found.append(search(grid, measure, min(2 * usable_cores(), CALLERS[-1])))
    medians = {place: statistics.median(rates) for place, rates in seen.items()}
    best = max(medians, key=lambda place: medians[place])
    shares = [medians[one.throughput] / medians[best] for one in found]
    trials = [one.trials for one in found]
    lines = [
        f"grid {grid.size} trials, {len(places)} of them different to a server; {rounds} rounds, "
        f"{seconds:g} s a trial",
        f"grid's best     {_words(best)}: {medians[best]:,.0f} rows/s",
    ]
    lines += [
        f"search {number + 1}        {_words(one.throughput)}: "
        f"{medians[one.throughput]:,.0f} rows/s ({share:.1%}) in {one.trials} trials "
        f"({one.trials / grid.size:.1%} of the grid, {one.trials / len(places):.1%} of "
        "the different)"
        for number, (one, share) in enumerate(zip(found, shares, strict=True))
    ]
    share, used = statistics.median(shares), max(trials) / grid.size
    return Part(
        f"{name} model",
        lines,
        {"grid": grid.size, "different": len(places), "trials": trials, "shares": shares},
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
    asked = options(__doc__ or "", rounds=3, seconds=0.4)
    sys.exit(shown(run(asked.rounds, asked.seconds)))
