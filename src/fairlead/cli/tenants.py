"""`fairlead tenants`: who pays and owns keys, with which plan, in which time zone."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairlead.assembly.asking import every_page, managed
from fairlead.cli.main import COMMANDS
from fairlead.core.errors import BadUsage
from fairlead.documents.tables import table

SUMMARY = COMMANDS["tenants"]

_WANTS = {"create": 1, "list": 0, "show": 1, "plan": 2, "zone": 2}
"""How many words each action takes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with which tenant."""
    add = parser.add_argument
    add(
        "action",
        choices=list(_WANTS),
        help="make a tenant, list tenants, show one, give it another plan, or another time zone",
    )
    add("tenant", nargs="?", default="", metavar="TENANT", help="its name; not for list")
    add(
        "value",
        nargs="?",
        default="",
        metavar="VALUE",
        help="for plan: the plan, as gold or gold@3, or none; for zone: a name such as "
        "Europe/Berlin",
    )
    add("--plan", metavar="PLAN", help="for create: its plan, as gold or gold@3")
    add(
        "--zone",
        metavar="ZONE",
        help="for create: the time zone in which its days and months begin; UTC when nothing is "
        "said",
    )
    add("--state", default="./.fairlead", metavar="DIR", help="the state folder of the server")
    add("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Works while the server runs and while it does not."""
    _check(args)
    folder = Path(args.state)
    if args.action == "list":
        _list(folder, as_json=args.json)
        return 0
    given: dict[str, Any] = {"name": args.tenant}
    if args.action == "create":
        given |= {} if args.plan is None else {"plan": args.plan}
        given |= {} if args.zone is None else {"zone": args.zone}
        told = managed(folder, "tenants.create", given, make=True)
    elif args.action == "show":
        told = managed(folder, "tenants.show", given)
    else:
        value = "" if (args.action, args.value) == ("plan", "none") else args.value
        told = managed(folder, "tenants.change", given | {args.action: value})
    print(json.dumps(told, indent=2) if args.json else table(None, [*_words(told).items()]))
    return 0


def _check(args: argparse.Namespace) -> None:
    given = [word for word in (args.tenant, args.value) if word]
    wanted = _WANTS[args.action]
    if len(given) != wanted:
        form = " ".join(["TENANT", args.action.upper()][:wanted])
        raise BadUsage(
            f"{args.action} takes {['nothing', 'a tenant', 'a tenant and a value'][wanted]}",
            fix=f"fairlead tenants {args.action} {form}".rstrip(),
        )
    if args.action != "create" and (args.plan is not None or args.zone is not None):
        raise BadUsage(
            "--plan and --zone are for create",
            fix="fairlead tenants plan TENANT PLAN changes a plan",
        )


def _words(tenant: Mapping[str, Any]) -> dict[str, str]:
    return {field: str(value) for field, value in tenant.items() if value is not None}


def _list(folder: Path, *, as_json: bool) -> None:
    tenants = list(every_page(folder, "tenants.list", {}, "tenants"))
    if as_json:
        print(json.dumps({"tenants": tenants}, indent=2))
        return
    rows = [(t["name"], t["plan"] or "-", t["zone"], t["created"]) for t in tenants]
    print(table(("tenant", "plan", "zone", "since"), rows) if rows else "no tenants")
