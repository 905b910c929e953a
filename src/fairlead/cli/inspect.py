"""`fairlead inspect`: what a trained file is and needs, before anything in it runs."""

from __future__ import annotations

import argparse
import json

from fairlead.cli.main import COMMANDS

SUMMARY = COMMANDS["inspect"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file, and the form of the answer."""
    parser.add_argument(
        "file", metavar="FILE", help="a trained file, a SavedModel folder or source.py:function"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--config", metavar="FILE", help="settings file (default ./fairlead.toml)")
    parser.add_argument(
        "--weak-airlock",
        action="store_true",
        help="look into a pickle also where this machine cannot cut the airlock's network",
    )


def run(args: argparse.Namespace) -> int:
    """Prints the facts."""
    from fairlead.assembly.config import read
    from fairlead.packing.airlock.process import Airlock
    from fairlead.packing.inspection import inspect, summary

    settings = read({}, args.config).airlock
    weak = settings.weak or args.weak_airlock
    facts = inspect(args.file, Airlock(allow=settings.allow, weak=weak))
    print(json.dumps(facts, indent=1) if args.json else "\n".join(summary(facts)))
    return 0
