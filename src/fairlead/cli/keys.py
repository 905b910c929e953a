"""`fairlead keys`: make, list, show, rotate and revoke keys, and the pattern that scanners need."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairlead.assembly.asking import every_page, managed
from fairlead.cli.main import COMMANDS
from fairlead.core.errors import BadUsage
from fairlead.documents.tables import table, words

SUMMARY = COMMANDS["keys"]

_CREATE = (
    "name",
    "scope",
    "expires",
    "network",
    "origin",
    "limit",
    "disclosure",
    "novelty",
    "kind",
    "priority",
)
_OPTIONS = {
    "create": (*_CREATE, "tenant"),
    "list": ("tenant",),
    "show": (),
    "rotate": ("grace",),
    "revoke": ("dry_run",),
    "pattern": (),
}
_OF_A_KEY = ("show", "rotate", "revoke")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, with which key, and what a new one is like."""
    add = parser.add_argument
    add(
        "action",
        choices=list(_OPTIONS),
        help="make a key, list keys, show one, put a new one in its place, end it, or print the "
        "regular expression by which scanners of leaked secrets find keys",
    )
    add(
        "key",
        nargs="?",
        default="",
        metavar="ID",
        help="for show, rotate and revoke: the id of a key; for revoke also a pattern with * over "
        "ids and names",
    )
    _add_fields(parser)
    add("--grace", metavar="TIME", help="for rotate: how long the old key goes on working; 24h")
    add("--dry-run", action="store_true", help="for revoke: only say which keys would end")
    add("--state", default="./.fairlead", metavar="DIR", help="the state folder of the server")
    add("--json", action="store_true", help="print one JSON object")


def _add_fields(parser: argparse.ArgumentParser) -> None:
    """What a new key is like."""
    add = parser.add_argument
    add("--name", metavar="NAME", help="for create: what people call the key")
    add(
        "--scope",
        action="append",
        metavar="SCOPE",
        help="for create: what the key allows, such as predict:iris, predict:iris@3, predict:*, "
        "usage:read; may be given several times",
    )
    add(
        "--expires",
        metavar="WHEN",
        help="for create: 30d, 2027-01-31 or never; 90d when nothing is said",
    )
    add(
        "--tenant",
        metavar="TENANT",
        help="for create: who pays, `default` when nothing is said; for list: of this tenant only",
    )
    add(
        "--network",
        action="append",
        metavar="CIDR",
        help="for create: where the key may be used from, such as 10.0.0.0/8; everywhere when "
        "nothing is said; may be given several times",
    )
    add(
        "--origin",
        action="append",
        metavar="ORIGIN",
        help="for create: a web origin whose pages may use the key, such as https://example.org; "
        "may be given several times",
    )
    add(
        "--limit",
        action="append",
        metavar="LIMIT",
        help="for create: how much the key may use, such as requests=100/second or "
        "rows=1000000/month; may be given several times",
    )
    add("--disclosure", metavar="LEVEL", help="for create: the most that its callers are told")
    add(
        "--novelty",
        metavar="ACTION",
        help="for create: what becomes of its rows that are unlike the training rows: reject, "
        "abstain, warn or shadow (only counted), whatever the model's owner has chosen",
    )
    add("--kind", metavar="KIND", help="for create: live, test or admin, which the key shows")
    add(
        "--priority",
        metavar="CLASS",
        help="for create: interactive, batch or shadow: under overload the calls of a lower class "
        "wait for those of a higher one, and are turned away first; interactive when nothing is "
        "said",
    )


def run(args: argparse.Namespace) -> int:
    """Works while the server runs and while it does not."""
    _check(args)
    folder = Path(args.state)
    if args.action == "pattern":
        from fairlead.access.secrets import PATTERN

        print(json.dumps({"pattern": PATTERN}) if args.json else PATTERN)
    elif args.action == "create":
        _create(args, folder)
    elif args.action == "list":
        _list(args, folder)
    elif args.action == "show":
        _show(managed(folder, "keys.show", {"of": args.key}), as_json=args.json)
    elif args.action == "rotate":
        given = {"of": args.key} | ({"grace": args.grace} if args.grace is not None else {})
        _tell(managed(folder, "keys.rotate", given), as_json=args.json)
    else:
        _revoke(args, folder)
    return 0


def _check(args: argparse.Namespace) -> None:
    """Raises BadUsage for what does not belong to the action, or is missing."""
    taken = _OPTIONS[args.action]
    for option in dict.fromkeys(name for names in _OPTIONS.values() for name in names):
        if option not in taken and getattr(args, option) not in (None, False):
            raise BadUsage(
                f"{args.action} takes no --{option.replace('_', '-')}",
                fix="See `fairlead keys --help`",
            )
    wants = args.action in _OF_A_KEY
    if wants and not args.key:
        raise BadUsage("no key is named", fix="fairlead keys list shows their ids")
    if args.key and not wants:
        raise BadUsage(
            f"{args.action} takes no {args.key[:80]!r}", fix="See `fairlead keys --help`"
        )
    if args.action == "create" and not (args.name and args.scope):
        raise BadUsage(
            "a key has a name and a scope", fix="fairlead keys create --name web --scope predict:M"
        )


def _create(args: argparse.Namespace, folder: Path) -> None:
    given = {"name": args.name, "scopes": args.scope, "tenant": args.tenant}
    given |= {"expires": args.expires, "networks": args.network, "origins": args.origin}
    given |= {"limits": args.limit, "disclosure": args.disclosure, "novelty": args.novelty}
    given |= {"kind": args.kind, "priority": args.priority}
    given = {field: value for field, value in given.items() if value is not None}
    _tell(managed(folder, "keys.create", given, make=True), as_json=args.json)


def _tell(key: Mapping[str, Any], *, as_json: bool) -> None:
    """The key on standard output, what is to be said about it on standard error."""
    new = key.get("new_tenant") and key["tenant"] != "default"
    if as_json:
        print(json.dumps(key, indent=2))
    else:
        print(key["key"])
    if new:
        _say(f"tenant {key['tenant']} is new")
    if as_json:
        return
    _say(f"{key['id']}: {key['name']}, of {key['tenant']}, may {', '.join(key['scopes'])}")
    _say(f"it works until {key['expires']}" if key["expires"] else "it never expires")
    if "replaces" in key:
        _say(f"the old key {key['replaces']} works until {key['old_works_until']}")
    _say("the key is shown only now: keep it where only its user can read it")


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _list(args: argparse.Namespace, folder: Path) -> None:
    given = {} if args.tenant is None else {"tenant": args.tenant}
    keys = list(every_page(folder, "keys.list", given, "keys"))
    if args.json:
        print(json.dumps({"keys": keys}, indent=2))
        return
    rows = [
        (
            k["id"],
            k["ending"],
            k["name"],
            k["tenant"],
            k["standing"],
            _end(k),
            " ".join(k["scopes"]),
        )
        for k in keys
    ]
    print(
        table(("id", "ending", "name", "tenant", "standing", "until", "may"), rows)
        if rows
        else "no keys"
    )


def _end(key: Mapping[str, Any]) -> str:
    """When the key ends or has ended, whatever comes first."""
    ends = [key[field] for field in ("revoked", "retires", "expires") if key[field]]
    return str(min(ends)) if ends else "never"


def _show(key: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(key, indent=2))
        return
    rows = [(field, words(value)) for field, value in key.items() if value not in (None, [], "")]
    print(table(None, rows))


def _revoke(args: argparse.Namespace, folder: Path) -> None:
    told = managed(folder, "keys.revoke", {"pattern": args.key, "dry_run": args.dry_run})
    if args.json:
        print(json.dumps(told, indent=2))
        return
    for key in told["keys"]:
        print(f"{key['id']}  {key['name']}")
    count = told["count"]
    if count > len(told["keys"]):
        print(f"... and {count - len(told['keys'])} more")
    verb = "would be revoked" if args.dry_run else "revoked"
    print(f"{count} key{'s' * (count != 1)} {verb}" if count else "nothing that works fits")
    if told["postponed"] and not args.dry_run:
        _say("the database is away: the revocation is kept here, and written when it is back")
