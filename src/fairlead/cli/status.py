"""`fairlead status`: how a running server does."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from time import sleep
from typing import Any

from fairlead.cli.main import COMMANDS
from fairlead.core.errors import BadUsage, FairleadError

SUMMARY = COMMANDS["status"]
NOT_READY = 3
_BETWEEN_S = 1.0
_HOME, _REST = "\x1b[H", "\x1b[J"
"""Where a view is painted over the one before, and what was below it is wiped out."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of which server, how often, and in which form."""
    add = parser.add_argument
    add("--state", default="./.fairlead", metavar="DIR", help="the state folder of the server")
    add("--watch", action="store_true", help="look again every second, until Ctrl-C")
    add("--json", action="store_true", help="print one JSON object")
    add("--check", action="store_true", help=f"exit with status {NOT_READY} unless it is ready")


def run(args: argparse.Namespace) -> int:
    """Two readings, a second apart, make one view."""
    if args.watch and args.check:
        raise BadUsage("--check looks once", fix="Leave --watch out")
    folder = Path(args.state)
    before = reading(folder)
    if args.watch:
        _watch(folder, before, as_json=args.json)
    sleep(_BETWEEN_S)
    told = _figures(before, reading(folder))
    print(json.dumps(told) if args.json else _view(told))
    return NOT_READY if args.check and not told["ready"] else 0


def reading(folder: Path) -> Mapping[str, Any]:
    """What the bookkeeper of a state folder tells now. Raises FileUnreadable, ServerUnreachable."""
    from fairlead.assembly.asking import told_by_server

    return told_by_server(folder, {"kind": "status", "id": 1})["status"]


def _figures(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    from fairlead.serving.overseeing import figures

    return figures(before, after)


def _view(told: Mapping[str, Any]) -> str:
    from fairlead.assembly.terminal import coloured, width_of
    from fairlead.core.clock import wall_ns
    from fairlead.documents.status_view import view

    out = sys.stdout
    return view(told, wall_ns() / 1e9, width_of(out), colour=coloured(out))


def _watch(folder: Path, before: Mapping[str, Any], *, as_json: bool) -> None:
    """A view every second, over the one before on a terminal; it ends with Ctrl-C."""
    over = sys.stdout.isatty() and not as_json
    if over:
        print("\x1b[2J", end="")
    while True:
        sleep(_BETWEEN_S)
        try:
            after = reading(folder)
        except FairleadError as error:
            # It may come back: whoever watches wants to see that, too.
            shown = json.dumps({"error": error.line()}) if as_json else error.line()
        else:
            told = _figures(before, after)
            before = after
            shown = json.dumps(told) if as_json else _view(told)
        if over:
            print(_HOME + shown.replace("\n", "\x1b[K\n") + "\x1b[K\n" + _REST, end="", flush=True)
        else:
            print(shown + ("" if as_json else "\n"), flush=True)
