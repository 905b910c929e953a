"""`fairlead amend`: the next version of a packed model, with other words, limits or settings."""

from __future__ import annotations

import argparse
from pathlib import Path

from fairlead.cli.main import COMMANDS
from fairlead.core.errors import BadUsage, Unsupported

SUMMARY = COMMANDS["amend"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, and what changes."""
    add = parser.add_argument
    add("model", metavar="MODEL[@VERSION]", help="the model; its newest version if none is named")
    add("--repository", required=True, metavar="DIR", help="the folder of packed models")
    add("--model-toml", metavar="FILE", help="the owner's words, labels, units and limits")
    add("--contract", metavar="FILE", help="the edited contract.toml: what a valid row is")
    add("--settings", metavar="FILE", help="not there yet: it comes with the profile")


def run(args: argparse.Namespace) -> int:
    """Writes the next version and says where."""
    from fairlead.documents.card_words import slips
    from fairlead.packing.amend import amend

    if args.settings:
        raise Unsupported("--settings is not there yet", fix="Amend --model-toml or --contract")
    if not (args.model_toml or args.contract):
        raise BadUsage("nothing changes", fix="Give --model-toml FILE or --contract FILE")
    words = Path(args.model_toml) if args.model_toml else None
    contract = Path(args.contract) if args.contract else None
    package = amend(Path(args.repository), args.model, words, contract)
    for slip in slips(package.words.get("words", {})) if words else ():
        print(f"words     {slip}")
    print(f"{package.name} version {package.version} in {package.folder}")
    return 0
