"""`fairlead check`: every question before a model goes into the world, answered by measuring."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, cast

from fairlead.cli.main import COMMANDS

if TYPE_CHECKING:
    from fairlead.readiness.facts import Exposure

SUMMARY = COMMANDS["check"]
FAILED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is checked, for whom, the form of the answer, and the settings it would be served by."""
    from fairlead.assembly.config import add_flags

    add = parser.add_argument
    add(
        "model",
        nargs="?",
        default="",
        metavar="MODEL|DIR",
        help="a repository, a package, a trained file (packed into the cache first), or a model in "
        "./models by its name; ./models, or the working directory, if none is named",
    )
    add(
        "--for",
        dest="exposure",
        choices=["laptop", "internal", "internet"],
        metavar="WHOM",
        help="who is to reach it: laptop, internal or internet. The same finding is worse for "
        "more of them. By default laptop where --host is this machine alone, and internet else",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object")
    form.add_argument("--html", action="store_true", help="print one page that needs nothing else")
    add("--output", metavar="FILE", help="write there, and print only the verdict")
    add_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Checks; exit status 1 when something fails for those who are to reach it."""
    from fairlead.assembly.checking import check, passed
    from fairlead.assembly.config import flags_of, read
    from fairlead.assembly.hosts import is_loopback
    from fairlead.assembly.output import write_output
    from fairlead.assembly.terminal import coloured
    from fairlead.documents.check_page import html_page
    from fairlead.documents.check_report import json_text, summary, text

    settings = read(flags_of(args), args.config)
    usual = "laptop" if is_loopback(settings.server.host) else "internet"
    reports = check(args.model, settings, cast("Exposure", args.exposure or usual), _say)
    if args.json:
        told = json_text(reports)
    elif args.html:
        told = html_page(reports)
    else:
        told = text(reports, colours=not args.output and coloured(sys.stdout))
    if args.output:
        write_output(args.output, told, "the report")
        print("\n".join(map(summary, reports)))
    else:
        print(told)
    return 0 if passed(reports) else FAILED


def _say(words: str) -> None:
    """It takes seconds, so people see how far it is; programs that read a pipe do not."""
    if sys.stderr.isatty():
        print(f"  {words}", file=sys.stderr, flush=True)
