"""`python -m benchmarks.guards`: measures what the guards promise, and says what is kept."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from benchmarks import machine
from benchmarks.guards import (
    chain,
    confidence,
    cost,
    disclosure,
    drift,
    misuse,
    mixed,
    novelty,
    private,
    served,
    workers,
)
from benchmarks.places import Missing
from benchmarks.report import Part, summary


def main() -> int:
    """0 when every promise is kept, 1 when one is broken, 2 when it could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guards", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the repetitions")
    parser.add_argument("--seed", type=int, default=0, help="of splits and corruptions")
    parser.add_argument("--only", nargs="+", help="these parts; all otherwise")
    options = parser.parse_args()
    less = 10 if options.quick else 1
    parts: dict[str, Callable[[], Part]] = {
        "cost": cost.run,
        "chain": lambda: chain.run(options.seed),
        "garbage": lambda: novelty.run(options.seed),
        "foreign": lambda: novelty.detection(max(1, 3 // less)),
        "assured": lambda: novelty.resplits(200 // less, options.seed),
        "private": lambda: private.run(options.seed),
        "mixed": lambda: mixed.run(options.seed),
        "images": lambda: mixed.images(options.seed),
        "texts": lambda: mixed.texts(options.seed),
        "served": lambda: served.run(2 if options.quick else 10, options.seed),
        "goals": lambda: confidence.goals(200 // less),
        "sets": lambda: confidence.sets(max(2, 20 // less)),
        "calibration": lambda: confidence.calibration(max(2, 5 // less)),
        "windows": lambda: drift.windows(100 // less),
        "betting": lambda: drift.betting(100 // less),
        "misuse": lambda: misuse.run(60 // less, options.seed),
        "disclosure": lambda: disclosure.run(options.seed),
        "workers": lambda: workers.run(20 // less, options.seed),
    }
    unknown = set(options.only or ()) - set(parts)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(parts)}")
    print("\n".join(f"{name}: {value}" for name, value in machine.describe().items()))
    done: list[Part] = []
    try:
        for name in options.only or parts:
            start = time.perf_counter()
            part = parts[name]()
            took = f"{time.perf_counter() - start:.0f} s"
            print(f"\n## {part.title} ({took})\n", *part.lines, sep="\n")
            print("", *summary([part]), sep="\n", flush=True)
            done.append(part)
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 2
    print("\n## Promises\n", *summary(done), sep="\n")
    return 0 if all(promise.kept for part in done for promise in part.promises) else 1


if __name__ == "__main__":
    sys.exit(main())
