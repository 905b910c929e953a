"""`python -m benchmarks`: runs the parts, prints the tables, says which promises are kept."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from math import inf
from pathlib import Path

from benchmarks import binary, columns, forest, grpc_race, heavy, machine, race, start
from benchmarks.grpc_load import Broken
from benchmarks.load import Patience
from benchmarks.places import RESULTS, Missing
from benchmarks.report import Part, document, paste, summary
from benchmarks.servers import NotStarted


def main() -> int:
    """0 when every promise is kept, 1 when one is broken, 2 when it could not be measured."""
    options = _options()
    # So that every server that was started is ended.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        if options.shared:
            machine.Precedence.take()
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 2
    patience = Patience(0.0, limit=inf) if options.shared else Patience(options.patience)
    rounds, seconds = options.rounds, options.seconds
    parts: dict[str, Callable[[], list[Part]]] = {
        "start": lambda: [start.run(rounds, patience)],
        "forest": lambda: [forest.run(rounds, patience)],
        "race": lambda: [race.run(rounds, seconds, patience)],
        "heavy": lambda: [heavy.run(rounds, seconds * 2, patience)],
        "grpc": lambda: [grpc_race.run(rounds, seconds, patience)],
        "binary": lambda: binary.run(rounds, seconds, patience),
        "columns": lambda: columns.run(rounds, seconds, patience),
    }
    about = machine.describe()
    print("\n".join(f"{name}: {value}" for name, value in about.items()))
    done: list[Part] = []
    try:
        for name in options.only or parts:
            print(f"\nmeasuring: {name}", flush=True)
            for part in parts[name]():
                print(f"\n{part.title}\n", *part.lines, sep="\n", flush=True)
                done.append(part)
    except (Missing, NotStarted, Broken, race.WrongAnswer) as error:
        print(f"\n{error}", file=sys.stderr)
        return 2
    print("\nPromises\n", *summary(done), sep="\n")
    if not options.only:
        _keep(about, done, patience)
    if options.page:
        paste(options.page, document(about, done))
    return 0 if all(promise.kept for part in done for promise in part.promises) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only",
        nargs="+",
        choices=("start", "forest", "race", "heavy", "grpc", "binary", "columns"),
        help="measure these parts; all otherwise",
    )
    parser.add_argument("--rounds", type=int, default=5, help="times each figure is measured")
    parser.add_argument("--seconds", type=int, default=2, help="length of one load")
    parser.add_argument(
        "--patience",
        type=float,
        default=600.0,
        help="seconds to wait, in all, for other programs to leave the machine alone",
    )
    parser.add_argument(
        "--shared",
        action="store_true",
        help="do not wait for others and throw nothing away, but run before them (Linux, root)",
    )
    parser.add_argument("--page", type=Path, help="a Markdown page to paste the tables into")
    return parser.parse_args()


def _keep(about: dict[str, str], parts: list[Part], patience: Patience) -> None:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}.json"
    content = {
        "machine": about,
        "waited_s": round(patience.waited_s),
        "thrown_away": patience.thrown_away,
        "parts": [
            {
                "title": part.title,
                "promises": [promise.to_json() for promise in part.promises],
                "figures": part.figures,
            }
            for part in parts
        ],
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
    print(f"\nwritten to {path}")


if __name__ == "__main__":
    sys.exit(main())
