"""`fairlead card`: the model card of a packed model, and whether its figures are true."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from fairlead.cli.main import COMMANDS
from fairlead.core.errors import BadUsage, FileUnreadable

SUMMARY = COMMANDS["card"]
FORMATS = ("md", "html", "json", "cyclonedx", "toolkit")
DIFFERS = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, the form of its card, and what it is verified with."""
    add = parser.add_argument
    add("model", metavar="MODEL[@VERSION]", help="the model; its newest version if none is named")
    add("--repository", required=True, metavar="DIR", help="the folder of packed models")
    add(
        "--format",
        choices=FORMATS,
        default="md",
        help="Markdown with what hubs read; one HTML file; JSON; CycloneDX 1.6; the JSON of the "
        "Model Card Toolkit (default md)",
    )
    add("--output", metavar="FILE", help="write it there instead of printing it")
    add(
        "--verify",
        action="store_true",
        help="measure every figure again, name those that differ, and exit with status "
        f"{DIFFERS} when one does; times are told where they are far off, and decide nothing",
    )
    add(
        "--evaluation",
        metavar="ROWS",
        help="the evaluation rows, where the package does not hold them",
    )
    add("--target", metavar="COLUMN", help="the column of them that is the label")


def run(args: argparse.Namespace) -> int:
    """Prints, writes or verifies the card."""
    from fairlead.packing.amend import find

    if bool(args.evaluation) != bool(args.target):
        raise BadUsage("--evaluation and --target go together", fix="Give both or neither")
    if args.evaluation and not args.verify:
        raise BadUsage("rows are given to verify the card", fix="Add --verify")
    package = find(Path(args.repository), args.model)
    if args.verify:
        return _verify(package, args)
    text = _text(package, args.format)
    if not args.output:
        print(text, end="")
        return 0
    try:
        Path(args.output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise FileUnreadable(
            f"the card cannot be written: {error.strerror}", where=args.output
        ) from None
    print(f"the card of {package.name} version {package.version} in {args.output}")
    return 0


def _text(package: Any, form: str) -> str:
    from fairlead.documents.card_cyclonedx import cyclonedx
    from fairlead.documents.card_facts import card_of
    from fairlead.documents.card_html import html_page
    from fairlead.documents.card_markdown import markdown
    from fairlead.documents.card_toolkit import toolkit
    from fairlead.packing.card import known_card

    card = card_of(known_card(package))
    if form == "md":
        return markdown(card)
    if form == "html":
        return html_page(card)
    told = {"json": lambda: card, "cyclonedx": lambda: cyclonedx(card)}
    return json.dumps(told.get(form, lambda: toolkit(card))(), indent=2) + "\n"


def _verify(package: Any, args: argparse.Namespace) -> int:
    from fairlead.packing.verify_card import NEAR, differences, slower

    given = (Path(args.evaluation), args.target) if args.evaluation else None
    exact = not (found := differences(package, given, 0.0))
    if found:
        found = differences(package, given)
    what = f"{package.name} version {package.version}"
    for line in slower(package):
        print(f"  note: {line}")
    if not found:
        how = "to the last digit" if exact else f"within {NEAR:g} of itself"
        print(f"every figure of the card of {what} is what is measured now, {how}")
        return 0
    count = "1 figure" if len(found) == 1 else f"{len(found)} figures"
    print(f"{count} of the card of {what} not as measured now:")
    for line in found:
        print(f"  {line}")
    return DIFFERS
