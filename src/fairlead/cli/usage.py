"""`fairlead usage`: who used how much of which model, and whether the ledger is right."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fairlead.assembly.ledgers import opened
from fairlead.assembly.pricing import prices_of
from fairlead.cli.main import COMMANDS
from fairlead.core.errors import BadUsage
from fairlead.core.names import check_name
from fairlead.usage.cost_words import (
    COLUMNS,
    HOW,
    SHORT,
    UNSAID,
    columns_of,
    lines,
    short_of,
    summary,
    unpriced,
    with_true_costs,
)
from fairlead.usage.costs import costs, with_costs
from fairlead.usage.export import as_csv, as_table, write_parquet
from fairlead.usage.ledger import JOURNAL
from fairlead.usage.payloads import read
from fairlead.usage.query import DIMENSIONS, totals
from fairlead.usage.true_cost import true_costs
from fairlead.usage.verify import GOOD, WORDS, pending, verify

SUMMARY = COMMANDS["usage"]
_ONLY = ("tenant", "model", "key", "plan")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is asked, of whom and when, and how it is written."""
    add = parser.add_argument
    add(
        "action", nargs="?", default="show", choices=["show", "verify", "payloads"],
        help="show usage (the default); compute every sum again from the journal and compare; or "
        "print the sample of rows that a model's owner lets be kept",
    )  # fmt: skip
    add("of", nargs="?", default="", metavar="MODEL", help="for payloads: the model")
    add("--by", default="", metavar="WORDS", help=f"a row for each: {', '.join(DIMENSIONS)}")
    add("--zone", default="UTC", metavar="ZONE", help="where days begin, such as Europe/Berlin")
    add("--since", default="", metavar="TIME", help="from this day or time on: 2026-11-25[T08:15]")
    add("--until", default="", metavar="TIME", help="up to, and without, this day or time")
    for name in _ONLY:
        add(f"--{name}", default=None, metavar=name.upper(), help=f"of this {name} only")
    add(
        "--cost", action="store_true",
        help="and what it cost, by the prices of its time: callers by their plans (exactly), and "
        "you by the machine's price, its idle time allotted by compute time",
    )  # fmt: skip
    add("--state", default="./.fairlead", metavar="DIR", help="the state folder of the server")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object")
    form.add_argument("--csv", action="store_true", help="print comma-separated values")
    form.add_argument("--parquet", default="", metavar="FILE", help="write a Parquet file")


def run(args: argparse.Namespace) -> int:
    """Shows or verifies; works while the server runs and while it does not."""
    folder = Path(args.state)
    if (args.action == "payloads") != bool(args.of):
        raise BadUsage("payloads, and nothing else, names a model", fix="fairlead usage payloads M")
    if args.action == "payloads":
        return _payloads(folder, check_name(args.of), as_json=args.json)
    if args.action == "verify":
        if args.csv or args.parquet or args.by or args.cost:
            raise BadUsage("verify takes none of --by, --cost, --csv and --parquet")
        return _verify(folder, as_json=args.json)
    return _show(folder, args)


def _show(folder: Path, args: argparse.Namespace) -> int:
    by = [word.strip() for word in args.by.split(",") if word.strip()]
    only = {name: value for name in _ONLY if (value := getattr(args, name)) is not None}
    asked = args.zone, args.since, args.until, only
    with opened(folder) as ledger:
        left = pending(ledger.store, folder / JOURNAL)
        rows = totals(ledger.store, by, *asked)
        machine = None
        if args.cost:
            with_costs(rows, by, costs(ledger.store, prices_of(folder), by, *asked))
            found = true_costs(ledger, by, *asked)
            with_true_costs(rows, by, found)
            machine = summary(found)
    if args.json:
        told = {"zone": args.zone, "since": args.since, "until": args.until, "by": by, **only}
        whole = {"machine": machine} if args.cost else {}
        whole |= {"unknown": f"{UNSAID}. {HOW}"} if args.cost and machine is None else {}
        print(json.dumps(told | {"pending": left, "usage": rows} | whole, indent=2))
        return 0
    if args.cost:
        by = _with_columns(rows, by, machine, short=not (args.csv or args.parquet))
    if left:
        print(f"{left} more are in the journal and not counted here yet", file=sys.stderr)
    if args.csv:
        sys.stdout.write(as_csv(rows, by))
    elif args.parquet:
        write_parquet(rows, by, Path(args.parquet))
    else:
        print(as_table(rows, by))
        if machine:
            print("", *lines(machine), sep="\n")
    return 0


def _with_columns(
    rows: list[dict[str, Any]], by: list[str], machine: Mapping[str, Any] | None, *, short: bool
) -> list[str]:
    """Makes the costs columns of text, behind what is grouped by; those of the machine where
    anything is known of it. short: for people, else nothing is rounded."""
    without = unpriced(rows) if machine else 0
    for row in rows:
        row["cost"] = " + ".join(f"{amount} {code}" for code, amount in row["cost"].items())
        own = row.pop("machine")
        row |= short_of(own) if short else columns_of(own)
    if machine is None:
        print(f"{UNSAID}. {HOW}", file=sys.stderr)
        return [*by, "cost"]
    if without:
        print(f"{without} requests came while no price was on record: no cost", file=sys.stderr)
    return [*by, "cost", *(SHORT if short else COLUMNS)]


def _payloads(folder: Path, model: str, *, as_json: bool) -> int:
    """A line of JSON for each call; with `--json` one object with all of them."""
    between = ""
    if as_json:
        sys.stdout.write('{"payloads": [')
    for payload in read(folder, model):
        told = payload._asdict()
        moment = datetime.fromtimestamp(told.pop("wall_ns") / 1e9, UTC)
        line = json.dumps({"time": moment.isoformat(timespec="milliseconds"), **told})
        sys.stdout.write(f"{between}{line}" if as_json else f"{line}\n")
        between = ", "
    if as_json:
        sys.stdout.write("]}\n")
    return 0


def _verify(folder: Path, *, as_json: bool) -> int:
    with opened(folder) as ledger:
        findings = list(verify(ledger.store, folder / JOURNAL))
        folded = ledger.store.folded()
    good = all(finding.verdict in GOOD for finding in findings)
    if as_json:
        shown: list[dict[str, Any]] = [
            {**finding._asdict(), "means": WORDS[finding.verdict]} for finding in findings
        ]
        print(json.dumps({"good": good, "segments": shown, "removed": folded}, indent=2))
        return int(not good)
    for finding in findings:
        if finding.verdict not in GOOD:
            print(f"{finding.segment}: {finding.verdict}: {WORDS[finding.verdict]}")
    held = [finding for finding in findings if finding.verdict == "agrees"]
    events = sum(finding.events for finding in held)
    files = f"{len(held):,} segment{'s' * (len(held) != 1)}"
    print(f"{events:,} records of {files} agree with the ledger")
    if folded:
        print(f"{folded:,} records are of segments that have been removed since")
    return int(not good)
