"""`fairlead misuse`: who is suspected of copying or probing a model, and the end of a suspicion."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from fairlead.assembly.asking import asked
from fairlead.cli.main import COMMANDS
from fairlead.core.errors import BadUsage

SUMMARY = COMMANDS["misuse"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with whom."""
    add = parser.add_argument
    add("action", choices=["list", "forgive"], help="list suspicions, or end those of a caller")
    add("caller", nargs="?", default="", metavar="CALLER", help="for forgive: as list shows it")
    add("--model", default="", metavar="MODEL", help="for forgive: of this model only")
    add("--state", default="./.fairlead", metavar="DIR", help="the state folder of the server")
    add("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Lists or forgives; works while the server runs and while it does not."""
    folder = Path(args.state)
    if args.action == "forgive" and not args.caller:
        raise BadUsage("nobody is named", fix="fairlead misuse list shows who is suspected")
    if args.action == "list" and args.caller:
        raise BadUsage("list takes no caller", fix="fairlead misuse list")
    if args.action == "list":
        _list(asked(folder, {"kind": "suspects"})["suspects"], as_json=args.json)
        return 0
    told = {"kind": "forgive", "caller": args.caller, "model": args.model}
    count = asked(folder, told)["forgiven"]
    if args.json:
        print(json.dumps({"forgiven": count}))
    else:
        print(f"{count} suspicion{'s' * (count != 1)} of {args.caller} ended")
    return 0 if count else 1


def _list(suspects: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"suspects": suspects}, indent=2))
        return
    for one in suspects:
        print(f"{one['since']}  {one['model']} version {one['version']}  {one['caller']}")
        print(f"  {one['words']}")
    if not suspects:
        print("nobody is suspected")
