"""`fairlead profile`: what a model needs and how fast it is on this machine, by measuring."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.cli.main import COMMANDS
from fairlead.core.errors import BadUsage, FileUnreadable

if TYPE_CHECKING:
    from collections.abc import Callable

    from fairlead.assembly.profiled import Profiled

SUMMARY = COMMANDS["profile"]
_LEAST_S, _MOST_S = 1.0, 3600.0
_BAR = 24


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, what it is asked with, how long it may take, and where the result goes."""
    add = parser.add_argument
    add(
        "model",
        metavar="MODEL|DIR",
        help="a model in ./models as NAME or NAME@VERSION, a package, a repository of one model, "
        "or a trained file (packed into the cache first); of several versions the newest",
    )
    add(
        "--rows",
        metavar="FILE",
        help="rows that it is asked with, as .csv, .parquet, .npz or .jsonl; its own example "
        "otherwise",
    )
    add(
        "--budget",
        metavar="SECONDS",
        type=float,
        default=60.0,
        help="what it should take in all, 1 to 3600; a slow model takes longer. Default: 60",
    )
    add(
        "--bandwidth",
        metavar="RATE",
        default="10Mbit",
        help="of a caller's line, such as 500kbit, 10Mbit or 1Gbit. Default: 10Mbit",
    )
    add("--json", metavar="FILE", help="write the whole profile there too; - for standard output")
    add("--plots", metavar="FOLDER", help="draw it as SVG files there")
    add("--fresh", action="store_true", help="begin anew instead of going on with a stopped run")
    add("--quiet", action="store_true", help="do not say what is measured meanwhile")
    add(
        "--offer",
        metavar="MACHINE",
        default="",
        help="this machine, as the price table names it, such as aws/c7g.large",
    )
    add(
        "--amend",
        action="store_true",
        help="write the next version, with the best settings and the profile itself",
    )
    add(
        "--for",
        dest="goal",
        choices=["throughput", "latency"],
        default="throughput",
        help="what --amend sets [limits] max_batch and threads for. Default: throughput",
    )
    add("--state", metavar="DIR", help="the state folder, in which it is kept. Default: .fairlead")
    add("--config", metavar="FILE", help="Settings file. Default: ./fairlead.toml.")


def run(args: argparse.Namespace) -> int:
    """Measures, keeps the result, and shows it."""
    from fairlead.assembly.config import read
    from fairlead.assembly.output import write_output
    from fairlead.assembly.profiled import Wish, profile
    from fairlead.profiling.bandwidth import bits_per_s
    from fairlead.profiling.plots import write_plots

    bandwidth = bits_per_s(args.bandwidth)
    if not _LEAST_S <= args.budget <= _MOST_S:
        raise BadUsage("--budget is from 1 to 3600 seconds")
    rows = Path(args.rows) if args.rows else None
    if rows is not None and not rows.is_file():
        raise FileUnreadable(f"{args.rows} is not there", fix="Name a file of rows")
    settings = read({"server.state": args.state} if args.state else {}, args.config)
    say, tell, done = _progress(quiet=args.quiet)
    try:
        wish = Wish(args.model, rows, args.budget, args.fresh, args.offer)
        found = profile(wish, settings, say, tell)
    finally:
        done()
    told = json.dumps(found.taken.profile.to_json(), indent=1)
    if args.json == "-":
        print(told)
    else:
        print(_report(found, bandwidth))
    said = sys.stderr if args.json == "-" else sys.stdout
    if args.json and args.json != "-":
        write_output(args.json, told, "the profile")
    if args.plots:
        for file in write_plots(found.taken.profile, Path(args.plots)):
            print(f"drawn in {file}", file=said)
    if args.amend:
        print(_amended(found, args.goal), file=said)
    return 0


def _report(found: Profiled, bandwidth: float) -> str:
    from fairlead.profiling.report import text

    taken = found.taken
    told = text(
        taken.profile,
        of=found.of,
        trials=taken.trials,
        grid=taken.grid,
        bandwidth=bandwidth,
        others=taken.others,
    )
    return f"{told}\n\nkept in {found.file}"


def _amended(found: Profiled, goal: str) -> str:
    """Writes the next version, and says where. Raises BadUsage for what is not packed."""
    from fairlead.packing.settled import settled

    if found.repository is None:
        raise BadUsage(
            "only a packed model has a next version",
            fix="Pack it first: fairlead pack FILE --name NAME --repository models",
        )
    own = found.taken.profile
    setting = own.latency if goal == "latency" else own.throughput
    package = settled(
        found.repository,
        found.package,
        max_batch=setting.max_batch,
        threads=setting.threads,
        profile=own.to_json(),
    )
    return f"{package.name} version {package.version} in {package.folder}, set for {goal}"


def _progress(
    *, quiet: bool
) -> tuple[Callable[[float, str], None], Callable[[str], None], Callable[[], None]]:
    """What says how far it is, what says a line, and what ends it: a bar on a terminal."""
    if quiet:
        return lambda done, words: None, lambda line: None, lambda: None
    bar = sys.stderr.isatty()

    def say(done: float, words: str) -> None:
        filled = "#" * round(_BAR * done)
        shown = f"[{filled:<{_BAR}}] {done:4.0%}  {words}" if bar else f"{done:4.0%}  {words}"
        print(f"\r\x1b[K{shown}" if bar else shown, end="" if bar else "\n", file=sys.stderr)
        sys.stderr.flush()

    def tell(line: str) -> None:
        print(line, file=sys.stderr)

    def end() -> None:
        if bar:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    return say, tell, end
