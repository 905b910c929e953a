"""`fairlead pack`: a trained file becomes a package in a repository."""

from __future__ import annotations

import argparse
import json
import shutil
from functools import partial
from pathlib import Path

from fairlead.cli.main import COMMANDS
from fairlead.core.errors import BadUsage

SUMMARY = COMMANDS["pack"]
ACTIONS = "reject (default), abstain, warn, shadow or off"
_GUARDS = ("false_alarm_rate", "novelty", "error_goal", "assurance", "embedding")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file, its name and place, its rows, and how it is read."""
    add = parser.add_argument
    add("file", metavar="FILE", help="a trained file, a SavedModel folder or source.py:function")
    add("--name", required=True, metavar="NAME", help="the model's name")
    add("--repository", required=True, metavar="DIR", help="the folder of packed models")
    add("--version", type=int, metavar="N", help="the version to write; the next one if left out")
    _add_rows(parser)
    _add_reading(parser)
    add("--config", metavar="FILE", help="settings file (default ./fairlead.toml)")
    add("--json", action="store_true", help="print one JSON object about the package at the end")


def _add_rows(parser: argparse.ArgumentParser) -> None:
    """The owner's rows, and what the guards that are learnt from them do."""
    add = parser.add_argument
    add(
        "--reference",
        metavar="ROWS",
        help="rows like the training rows, without labels: .csv, .parquet, .npz or .jsonl",
    )
    add("--evaluation", metavar="ROWS", help="held-out rows with labels, in a file of their own")
    add("--target", metavar="COLUMN", help="the column of the evaluation rows that is the label")
    add("--no-evidence", action="store_true", help="do not keep the evaluation rows in the package")
    add(
        "--private",
        action="store_true",
        help="learn the guards from aggregates: the package holds no row, nor a value of one",
    )
    add(
        "--false-alarm-rate",
        type=float,
        metavar="SHARE",
        help="the share of good rows that may be called novel (default 0.01)",
    )
    add("--novelty", metavar="ACTION", help="for rows unlike the training rows: " + ACTIONS)
    add("--error-goal", type=float, metavar="SHARE", help="wrong answers among those given")
    add(
        "--assurance",
        type=float,
        metavar="SHARE",
        help="the confidence with which the error goal is kept (default 0.95)",
    )
    add("--embedding", metavar="OUTPUT", help="the output that shows what the model makes of a row")


def _add_reading(parser: argparse.ArgumentParser) -> None:
    """How the file is read, and by whom."""
    add = parser.add_argument
    add(
        "--model-toml",
        metavar="FILE",
        help="the owner's words: [inputs] for pictures and text, [guards], [limits] and the others",
    )
    add("--input-names", metavar="A,B", default="", help="names for the model's inputs, in order")
    add("--signature", metavar="NAME", default="", help="which signature of a SavedModel is served")
    add("--one-signature", action="store_true", help="leave its further signatures out")
    add(
        "--python",
        metavar="PATH",
        default="",
        help="the interpreter that reads the file and runs what is kept native",
    )
    add(
        "--requirements",
        metavar="FILE",
        default="",
        help="what that interpreter must have installed, as name==version lines",
    )
    add(
        "--allow",
        action="append",
        default=[],
        metavar="MODULE.NAME",
        help="an object that a pickle may hold beyond the built-in list; may be repeated",
    )
    add("--allow-code", action="store_true", help="let TorchScript run its own code, locked in")
    add(
        "--weak-airlock",
        action="store_true",
        help="read the file also where this machine cannot cut the airlock's network",
    )


def run(args: argparse.Namespace) -> int:
    """Packs, saying each step."""
    from fairlead.assembly.apart import apart

    return apart(partial(_pack, args), args.file) if args.alone else _pack(args)


def _pack(args: argparse.Namespace) -> int:
    from fairlead.assembly.config import read as read_settings
    from fairlead.packing.airlock.process import Airlock
    from fairlead.packing.declared import Declared, read_declared
    from fairlead.packing.faithful import Wanted
    from fairlead.packing.from_file import pack_file, requirements_text
    from fairlead.packing.pack import read_measured

    if bool(args.evaluation) != bool(args.target):
        raise BadUsage("--evaluation and --target go together", fix="Give both or neither")
    if args.version is not None and args.version < 1:
        raise BadUsage("--version must be 1 or more")
    settings = read_settings({}, args.config).airlock
    python = _interpreter(args.python)
    declared = read_declared(Path(args.model_toml)) if args.model_toml else Declared()
    wanted = Wanted(
        name=args.name,
        repository=Path(args.repository),
        version=args.version,
        reference=declared.rows(Path(args.reference)) if args.reference else None,
        evaluation=declared.rows(Path(args.evaluation)) if args.evaluation else None,
        target=args.target or "",
        input_names=tuple(n.strip() for n in args.input_names.split(",") if n.strip()),
        signature=args.signature,
        one_signature=args.one_signature,
        evidence=not args.no_evidence,
        private=args.private,
        python=python,
        requirements=requirements_text(args.requirements),
        declared=declared,
        guards={k: v for k in _GUARDS if (v := getattr(args, k)) is not None},
    )
    airlock = Airlock(
        python=python,
        allow=(*settings.allow, *args.allow),
        weak=settings.weak or args.weak_airlock,
    )
    say = _quiet if args.json else _say
    package = pack_file(args.file, wanted, airlock, say, allow_code=args.allow_code)
    if args.json:
        told = {
            "name": package.name,
            "version": package.version,
            "folder": str(package.folder),
            "runtime": package.runtime,
            "isolated": package.isolated,
            "reason": package.reason,
            **read_measured(package),
        }
        print(json.dumps(told, indent=1))
    else:
        print(f"Serve it: fairlead serve {args.repository}")
    return 0


def _interpreter(given: str) -> str:
    """The interpreter's path from anywhere, "" for none. Raises BadUsage."""
    if not given:
        return ""
    found = shutil.which(given)
    if found is None:
        raise BadUsage(
            f"there is no interpreter {given}",
            fix="Give --python the path of a Python 3.10 or newer",
        )
    # Its links stay as they are: those of a virtual environment say which one it is.
    return str(Path(found).absolute())


def _say(step: str, result: str) -> None:
    print(f"{step:<9} {result}", flush=True)


def _quiet(step: str, result: str) -> None:
    """With --json, only the object is printed."""
