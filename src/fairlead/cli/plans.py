"""`fairlead plans`: bundles of scopes, limits, disclosure and prices, in revisions that stay."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairlead.assembly.asking import every_page, managed
from fairlead.cli.main import COMMANDS
from fairlead.core.errors import BadUsage, FileUnreadable
from fairlead.documents.tables import table, words

SUMMARY = COMMANDS["plans"]

_MOST_BYTES = 64 << 10
_FORM = "Name a TOML file with a table [plan]"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with which plan."""
    add = parser.add_argument
    add(
        "action",
        choices=["put", "list", "show"],
        help="keep a plan as the next revision of its name, list plans, or show one",
    )
    add(
        "plan",
        nargs="?",
        default="",
        metavar="PLAN",
        help="for put: the TOML file that describes it; for show: its name, or gold@3 for a "
        "revision",
    )
    add("--state", default="./.fairlead", metavar="DIR", help="the state folder of the server")
    add("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Works while the server runs and while it does not."""
    if bool(args.plan) == (args.action == "list"):
        raise BadUsage(
            "list takes no plan" if args.plan else "no plan is named",
            fix="fairlead plans put FILE.toml, fairlead plans show NAME, fairlead plans list",
        )
    folder = Path(args.state)
    if args.action == "list":
        _list(folder, as_json=args.json)
    elif args.action == "show":
        _show(managed(folder, "plans.show", {"plan": args.plan}), as_json=args.json)
    else:
        told = managed(folder, "plans.put", {"text": _read(Path(args.plan))}, make=True)
        if args.json:
            print(json.dumps(told, indent=2))
        elif told["new"]:
            print(f"{told['title']} is kept; a tenant has it after: fairlead tenants plan TENANT "
                  f"{told['title']}")  # fmt: skip
        else:
            print(f"{told['title']} says the same already")
    return 0


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            raw = opened.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise FileUnreadable("this is too long for a plan", where=str(file), fix=_FORM)
        return raw.decode()
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise FileUnreadable(
            f"the plan cannot be read: {what}", where=str(file), fix=_FORM
        ) from None


def _list(folder: Path, *, as_json: bool) -> None:
    plans = list(every_page(folder, "plans.list", {}, "plans"))
    if as_json:
        print(json.dumps({"plans": plans}, indent=2))
        return
    rows = [(plan["title"], plan["plan"].get("currency", "-"), _prices(plan)) for plan in plans]
    print(table(("plan", "currency", "prices"), rows) if rows else "no plans")


def _prices(plan: Mapping[str, Any]) -> str:
    return ", ".join(f"{unit} {price}" for unit, price in plan["price"].items()) or "none"


def _show(plan: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(plan, indent=2))
        return
    rows = [("title", plan["title"])]
    for name in ("plan", "price", "free"):
        for field, value in plan[name].items():
            shown = words(value)
            rows.append((field if name == "plan" else f"{name}.{field}", shown))
    print(table(None, rows))
