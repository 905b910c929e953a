"""`fairlead predict`: the rows of a file through a model of a server."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SUMMARY = "Answer every row of a file with a model of a running server"
_BAR = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, the file, the server, and where the answers go."""
    parser.add_argument("model", metavar="MODEL", help="a model, or MODEL@VERSION")
    parser.add_argument(
        "file", metavar="FILE", help="rows as .csv, .json, .jsonl or .parquet; - for standard input"
    )
    parser.add_argument(
        "--url",
        default="http://127.0.0.1:8080",
        help="of the server, http(s):// or grpc(s)://; http://127.0.0.1:8080",
    )
    parser.add_argument(
        "--key",
        metavar="KEY",
        default="",
        help="where the key is read: file:PATH (of a file for its owner alone) or env:NAME",
    )
    parser.add_argument(
        "--out", metavar="OUT", default="-", help="where the answers go; standard output"
    )
    parser.add_argument(
        "--format", metavar="FORMAT", default="", help="of the answers: csv, json, jsonl or parquet"
    )
    parser.add_argument(
        "--from", dest="kind", metavar="FORMAT", default="", help="the format of FILE"
    )
    parser.add_argument(
        "--batch", metavar="ROWS", type=int, default=500, help="rows in one request; 500"
    )
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=float, default=60.0, help="of one request; 60"
    )


def run(args: argparse.Namespace) -> int:
    """Answers the file; a run that was stopped is gone on with."""
    from fairlead.assembly.places import key_at
    from fairlead.client import files
    from fairlead.client.sync import Client
    from fairlead.core.errors import BadUsage

    if not 1 <= args.batch <= 100_000:
        raise BadUsage("--batch is from 1 to 100,000 rows")
    name, _, version = args.model.partition("@")
    if version and not version.isdigit():
        raise BadUsage(f"{version[:40]!r} is no version", fix="Write MODEL@3")
    kind = files.format_of(args.file, args.kind)
    wanted = files.format_of(args.out if args.out != "-" else args.file, args.format or "")
    key = key_at(args.key) if args.key else ""
    out = args.out if args.out != "-" else f".fairlead-predict-{os.getpid()}"
    about = {"model": args.model, "file": os.path.abspath(args.file), "batch": args.batch}
    partial = files.Partial(out, about)
    with Client(args.url, key=key, timeout=args.timeout) as client:
        number = int(version) if version else None

        def ask(rows: list[files.Row]) -> files.Predictions:
            return client.predict(name, rows, version=number)

        try:
            rows = files.read(args.file, kind)
            files.answer(rows, ask, partial, args.batch, _bar())
            files.write(partial.file, args.out, wanted)
        except BaseException:
            if args.out == "-":
                partial.remove()  # nobody could go on with it
            raise
    partial.remove()
    return 0


def _bar() -> Callable[[int], None]:
    """Shows on a terminal how far it is; elsewhere nothing."""
    if not sys.stderr.isatty():
        return lambda rows: None

    def show(rows: int) -> None:
        filled = "#" * (rows // 1000 % (_BAR + 1))
        print(f"\r{rows:>12,} rows [{filled:<{_BAR}}]", end="", file=sys.stderr, flush=True)

    return show
