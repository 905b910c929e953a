"""The command `fairlead`: finds the command's module, runs it, and says errors in one line.

A command is a module of this folder with `SUMMARY`, `add_arguments(parser)` and
`run(args) -> exit status`. Only the module of the command that is asked for is imported, so that
`fairlead --help` costs nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from fairlead.core.errors import BadUsage, FairleadError

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

COMMANDS = {
    "inspect": "Say what a trained file is and needs, without executing anything in it",
    "pack": "Turn a trained file into a package: convert, compare with the original, write",
    "amend": "Write the next version of a packed model with other words, limits or settings",
    "card": "Show the model card of a packed model, and verify its figures",
    "check": "Answer what a person must ask before a model goes into the world, by measuring",
    "profile": "Measure what a model needs and how fast it is here, and find its best settings",
    "capacity": "Say how many machines a goal needs under the traffic that is expected",
    "cost": "Say what serving a model costs a month, on everything that has a price",
    "serve": "Serve a repository, a package or a trained file over HTTP",
    "status": "Show how a running server does: processes, models, rates, times",
    "predict": "Answer every row of a file with a model of a running server",
    "misuse": "Show who is suspected of copying or probing a model, and end a suspicion",
    "drift": "Report whether the rows have moved since training, and by how much",
    "keys": "Make, list, show, rotate and revoke keys",
    "tenants": "Make and list tenants, and give them plans",
    "models": "Say which versions of models are served; promote, roll back, label, load",
    "plans": "Keep and show plans: bundles of scopes, limits, disclosure and prices",
    "audit": "Show who did what to keys, tenants and plans, and verify that the trail is whole",
    "usage": "Show who used how much of which model, and verify it against the journal",
    "prices": "Show what machines and services cost, with source and date, and fetch new prices",
    "state": "Back up a state folder, restore one, and show what is in it",
    "config": "Show every setting and where its value comes from",
}
"""Every command and its summary; the module's own SUMMARY says the same."""

FAILED, INTERRUPTED, PIPE_CLOSED = 2, 130, 141


class Parser(argparse.ArgumentParser):
    """A parser whose errors are Fairlead errors instead of a page of usage."""

    def error(self, message: str) -> NoReturn:
        raise BadUsage(message, fix=f"See `{self.prog} --help`")

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        # argparse's own hides that the reader of our output has gone.
        print(self.format_help(), end="", file=file)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line (sys.argv by default) and returns the exit status.

    0 done; 2 an error, said in one line on standard error; 130 interrupted; 141 the reader of
    our output has gone.
    """
    if sys.platform == "win32":
        print("Fairlead needs Linux or macOS: use WSL (`wsl --install`)", file=sys.stderr)
        return FAILED
    try:
        try:
            return _run(list(sys.argv[1:] if argv is None else argv), alone=argv is None)
        finally:
            sys.stdout.flush()
    except FairleadError as error:
        print(f"fairlead: {error.line()}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Python flushes stdout once more at exit; give it somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED


def command_parser(name: str) -> argparse.ArgumentParser:
    """The complete parser of one command."""
    module = import_module(f"fairlead.cli.{name}")
    parser = Parser(prog=f"fairlead {name}", description=module.SUMMARY, allow_abbrev=False)
    module.add_arguments(parser)
    return parser


def _run(argv: list[str], *, alone: bool) -> int:
    """alone: this process does nothing else, and may part from itself (assembly/apart.py)."""
    top = _top_parser()
    args = top.parse_args(argv[:1])
    name: str | None = args.command
    if name is None:
        top.print_help()
        return 0
    if name not in COMMANDS:
        near = get_close_matches(name, COMMANDS, 1)
        known = f"Did you mean `fairlead {near[0]}`?" if near else f"Known: {', '.join(COMMANDS)}"
        raise BadUsage(f"there is no command {name[:80]!r}", fix=known)
    options = command_parser(name).parse_args(argv[1:], argparse.Namespace(alone=alone))
    status: int = import_module(f"fairlead.cli.{name}").run(options)
    return status


def _top_parser() -> Parser:
    width = max(map(len, COMMANDS))
    table = "\n".join(f"  {name:<{width}}  {summary}" for name, summary in COMMANDS.items())
    parser = Parser(
        prog="fairlead",
        usage="fairlead COMMAND ...",
        description="Turns a trained model file into a service that others can safely depend on.",
        epilog=f"commands:\n{table}\n\n`fairlead COMMAND --help` explains a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="say the version and exit")
    parser.add_argument("command", nargs="?", metavar="COMMAND", help=argparse.SUPPRESS)
    return parser


class _Version(argparse.Action):
    def __call__(self, *_: object, **__: object) -> NoReturn:
        from fairlead.core.version import __version__

        print(f"fairlead {__version__}")
        raise SystemExit(0)
