"""`fairlead audit`: who did what to keys, tenants and plans, and whether the trail is whole."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.assembly.asking import every_page, managed
from fairlead.cli.main import COMMANDS
from fairlead.core.errors import BadUsage
from fairlead.documents.tables import table

if TYPE_CHECKING:
    from fairlead.core.audit import Record

SUMMARY = COMMANDS["audit"]
BROKEN = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and which records."""
    add = parser.add_argument
    add(
        "action",
        nargs="?",
        choices=["list", "verify"],
        default="list",
        metavar="ACTION",
        help="list: show records, oldest first, as without a word; verify: check that none was "
        f"altered, moved, put in or taken out, and exit with status {BROKEN} when one was",
    )
    add("--since", metavar="WHEN", help="for list: records from then on, as 7d or 2026-11-01")
    add("--object", metavar="OBJECT", help="for list: records about a key, a tenant or a plan")
    add("--state", default="./.fairlead", metavar="DIR", help="the state folder of the server")
    add("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Works while the server runs and while it does not."""
    folder = Path(args.state)
    if args.action == "verify":
        if args.since is not None or args.object is not None:
            raise BadUsage("verify looks at every record", fix="fairlead audit verify")
        return _verify(folder, as_json=args.json)
    _list(args, folder)
    return 0


def _records(folder: Path, given: dict[str, Any]) -> Iterator[Record]:
    from fairlead.serving.acts import record_from_json

    for value in every_page(folder, "audit.list", given, "records"):
        yield record_from_json(value)


def _list(args: argparse.Namespace, folder: Path) -> None:
    from fairlead.access.times import parse_moment, told
    from fairlead.core.clock import wall_ns

    given: dict[str, Any] = {} if args.object is None else {"object": args.object}
    if args.since is not None:
        given["since_ns"] = parse_moment(args.since, wall_ns(), "since")
    records = [record.to_json() for record in _records(folder, given)]
    for record in records:
        record["time"] = told(record.pop("time_ns"))
    if args.json:
        print(json.dumps({"records": records}, indent=2))
        return
    rows = [(r["number"], r["time"], r["who"], r["from"], r["act"], r["object"]) for r in records]
    head = ("number", "time", "who", "from", "act", "object")
    print(table(head, rows) if rows else "no records")


def _verify(folder: Path, *, as_json: bool) -> int:
    from fairlead.access.audit import check_trail
    from fairlead.core.audit import Head

    noted = managed(folder, "audit.noted", {})
    head = Head(noted["number"], bytes.fromhex(noted["hash"]))
    checked = check_trail(_records(folder, {}), [head])
    if as_json:
        facts = {"records": checked.records, "whole": not checked.fault, "fault": checked.fault}
        print(json.dumps(facts | {"number": checked.number or None}, indent=2))
    elif checked.fault:
        print(f"{checked.fault}; the {checked.records} before it fit")
    else:
        print(f"all {checked.records} records fit")
    return BROKEN if checked.fault else 0
