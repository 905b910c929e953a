"""`fairlead models`: which versions of each model are served, which answers, and how they stand."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fairlead.assembly.asking import managed
from fairlead.cli.main import COMMANDS
from fairlead.core.errors import BadUsage
from fairlead.documents.tables import table

SUMMARY = COMMANDS["models"]

_ACTIONS = {
    "list": "every model with its versions, their states and labels, or one model",
    "load": "load what is wanted of a model now, and try again what has failed",
    "unload": "end a model until it is loaded again or the server starts anew",
    "versions": "say which versions of a model are wanted: latest, latest:N, all, 3,5, or default",
    "label": "point a label to a version; with --remove take it away",
    "promote": "have a version answer when none is named: the candidate, or the newest",
    "rollback": "have the version answer that did before",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, to which model, and with which version."""
    add = parser.add_argument
    add("action", choices=[*_ACTIONS], help="; ".join(f"{a}: {w}" for a, w in _ACTIONS.items()))
    add("model", nargs="?", default="", metavar="MODEL", help="its name")
    add(
        "what",
        nargs="?",
        default="",
        metavar="VERSIONS|LABEL",
        help="for versions: which are wanted; for label: the label",
    )
    add(
        "version",
        nargs="?",
        type=int,
        default=0,
        metavar="VERSION",
        help="for label: the version that it points to",
    )
    add(
        "--to",
        type=int,
        default=0,
        metavar="VERSION",
        help="for promote and rollback: this version",
    )
    add("--remove", action="store_true", help="for label: take it away")
    add("--state", default="./.fairlead", metavar="DIR", help="the state folder of the server")
    add("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Says what is on record also while no server runs; loading and ending need one."""
    _check(args)
    given: dict[str, Any] = {"model": args.model} if args.model else {}
    kind = args.action
    if kind == "versions":
        kind, given["versions"] = "choose", "" if args.what == "default" else args.what
    elif kind == "label":
        given |= {"label": args.what} | ({"version": args.version} if args.version else {})
    elif kind in ("promote", "rollback") and args.to:
        given["version"] = args.to
    make = kind not in ("list", "load", "unload")
    told = managed(Path(args.state), f"models.{kind}", given, make=make)
    if args.json:
        print(json.dumps(told, indent=2))
    elif kind == "list":
        _list(told["models"])
    else:
        print(_sentence(args, told))
    return 0


def _check(args: argparse.Namespace) -> None:
    """Raises BadUsage for words that do not belong together."""
    action = args.action
    if not args.model and action != "list":
        raise BadUsage("no model is named", fix=f"fairlead models {action} MODEL")
    wants = {"versions": "latest, latest:N, all, 3,5 or default", "label": "the label"}
    if action in wants and not args.what:
        raise BadUsage(f"{action} needs {wants[action]}", fix=f"fairlead models {action} MODEL ...")
    if args.what and action not in wants:
        raise BadUsage(f"{action} takes nothing behind the model", fix="Name a version with --to")
    if action == "label" and bool(args.version) == args.remove:
        raise BadUsage(
            "a label needs a version to point to, or --remove",
            fix=f"fairlead models label {args.model} {args.what} VERSION",
        )


def _sentence(args: argparse.Namespace, told: Mapping[str, Any]) -> str:
    model = args.model
    if args.action in ("promote", "rollback"):
        return f"{model} version {told['answers']} answers now; before it was {told['previous']}"
    if args.action == "label":
        gone = f"{model} has no label {args.what} any more"
        return gone if args.remove else f"{args.what} of {model} is version {args.version}"
    if args.action == "versions":
        return f"wanted of {model}: {told['versions'] or 'what the server says of all models'}"
    return f"{model} is {'loaded' if args.action == 'load' else 'not served any more'}"


def _list(models: Sequence[Mapping[str, Any]]) -> None:
    if not models:
        print("no model is known here")
        return
    rows: list[list[str]] = []
    for model in models:
        if "labels" in model:  # what is on record, as no server runs
            labels = ", ".join(f"{name}={at}" for name, at in sorted(model["labels"].items()))
            stable = str(model["stable"] or "newest")
            rows.append([model["name"], stable, "on record", model["versions"] or "", labels])
            continue
        for one in model["versions"]:
            mark = "answers" if one["version"] == model["answers"] else ""
            labels = ", ".join(one["labels"])
            number = str(one["version"])
            rows.append([model["name"], number, one["state"], mark, labels, one["reason"][:60]])
    if len(rows[0]) == 5:
        print(table(["model", "stable", "state", "wanted", "labels"], rows))
    else:
        print(table(["model", "version", "state", "", "labels", "why"], rows))
