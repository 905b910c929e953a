"""`fairlead state`: back up a state folder, restore one, and show what is in it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from fairlead.assembly.asking import managed, record
from fairlead.assembly.places import database_here
from fairlead.cli.main import COMMANDS
from fairlead.core.errors import BadUsage, FairleadError, FileUnreadable
from fairlead.documents.tables import table

SUMMARY = COMMANDS["state"]
_ACTS = ("backup", "restore", "show")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, with which file and folder."""
    add = parser.add_argument
    add(
        "action",
        choices=_ACTS,
        help="write everything that outlives a server into one file, also while it runs; put such "
        "a file into a folder; or say what a folder holds and in which formats",
    )
    add(
        "file",
        nargs="?",
        default="",
        metavar="FILE",
        help="for backup and restore: the file, such as state.tar. Guard it: it holds the pepper "
        "of the keys",
    )
    add("--state", default="./.fairlead", metavar="DIR", help="the state folder")
    add(
        "--force",
        action="store_true",
        help="for restore: also into a folder that is not empty; what it holds is moved into a "
        "folder within it",
    )
    add("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Backup and show work while the server runs; restore only while none does."""
    if bool(args.file) != (args.action != "show"):
        raise BadUsage(
            f"{args.action} {'takes no file' if args.file else 'needs a file'}",
            fix="fairlead state backup FILE, restore FILE, or show",
        )
    if args.force and args.action != "restore":
        raise BadUsage("--force is for restore", fix="Leave it out")
    {"backup": _backup, "restore": _restore, "show": _show}[args.action](args)
    return 0


def _backup(args: argparse.Namespace) -> None:
    from fairlead.assembly.backup import back_up

    folder = Path(args.state)
    elsewhere = database_here() is not None
    taken = back_up(folder, Path(args.file), elsewhere=elsewhere)
    told = {"sha256": taken.sha256, "files": taken.files, "size": taken.size}
    if args.json:
        print(json.dumps({"file": args.file, **told}))
    else:
        print(f"{args.file}: {taken.files} files, {taken.size} bytes")
        _say(
            "guard it: it holds the pepper of the keys, and whoever has it can try keys against it"
        )
    if elsewhere:
        _say("keys, plans, audit and usage lie in PostgreSQL and are not in it: pg_dump that, too")
    try:
        managed(folder, "state.backup", told)
    except FairleadError as error:
        _say(f"the backup is whole, but not in the audit trail: {error.line()}")


def _restore(args: argparse.Namespace) -> None:
    from fairlead.assembly.restore import reading, restore
    from fairlead.assembly.server import take_state

    folder = Path(args.state)
    with reading(Path(args.file)) as (read, held):
        lock = take_state(str(folder))
        try:
            done = restore(folder, read, held, force=args.force)
            _recorded(folder, held.sha256, {"made": held.made, "files": len(held.files)})
        finally:
            os.close(lock)
    aside = None if done.aside is None else str(done.aside)
    if args.json:
        print(json.dumps({"made": held.made, "files": len(held.files), "aside": aside}))
        return
    print(f"{folder}: {len(held.files)} files of {held.made}")
    if aside:
        _say(f"what was there is in {aside}: remove it when you no longer need it")
    if held.elsewhere:
        _say("keys, plans, audit and usage were in PostgreSQL: restore that from the same time")


def _recorded(folder: Path, sha256: str, after: dict[str, Any]) -> None:
    try:
        record(folder, "state.restore", sha256, after)
    except FairleadError as error:
        _say(f"restored, but not in the audit trail: {error.line()}")


def _show(args: argparse.Namespace) -> None:
    from fairlead.assembly.inventory import inventory

    folder = Path(args.state)
    if not folder.is_dir():
        raise FileUnreadable(
            "there is no such state folder", where=str(folder), fix="Name it with --state"
        )
    found = inventory(folder)
    elsewhere = database_here() is not None
    if args.json:
        print(json.dumps({"database": "elsewhere" if elsewhere else "here", "parts": found}))
        return
    rows = [
        [one["name"], str(one["files"]), str(one["size"]), _formats(one["formats"])]
        for one in found
    ]
    print(table(["what", "files", "bytes", "formats"], rows))
    if elsewhere:
        _say("keys, plans, audit and usage lie in PostgreSQL")


def _formats(formats: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in formats.items())


def _say(words: str) -> None:
    print(words, file=sys.stderr)
