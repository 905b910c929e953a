"""`fairlead drift`: have the rows moved since training? A report, and counting anew."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.cli.main import COMMANDS
from fairlead.core.errors import FileUnreadable, NothingWatched, PackageInvalid

if TYPE_CHECKING:
    from fairlead.core.package import Package
    from fairlead.documents.drift_facts import Known
    from fairlead.guards.betting import Betting
    from fairlead.guards.drift import Drift
    from fairlead.serving.guard_state import GuardState

SUMMARY = COMMANDS["drift"]
ALARMED = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is asked for, of which model, and the form of the answer."""
    add = parser.add_argument
    add(
        "action",
        choices=["report", "restart"],
        help="report: say what has moved, and by how much; restart: count anew, after you looked",
    )
    add(
        "model",
        metavar="MODEL[@VERSION]",
        help="the model; the newest version that was watched if none is named",
    )
    add("--state", default="./.fairlead", metavar="DIR", help="the state folder of the server")
    add("--html", metavar="FILE", help="write the report as a page that needs nothing else")
    add("--json", action="store_true", help="print one JSON object")
    add("--check", action="store_true", help=f"exit with status {ALARMED} while an alarm stands")


def run(args: argparse.Namespace) -> int:
    """Reports or restarts; works while the server runs and while it does not."""
    if args.action == "restart":
        return _restart(args)
    from fairlead.assembly.output import write_output
    from fairlead.documents.drift_facts import alarmed, drift_facts
    from fairlead.documents.drift_report import html_page, json_text, text

    facts = drift_facts(_known(Path(args.state), args.model))
    if args.html:
        write_output(args.html, html_page(facts), "the report")
    print(json_text(facts) if args.json else text(facts))
    return ALARMED if args.check and alarmed(facts) else 0


def _restart(args: argparse.Namespace) -> int:
    from fairlead.assembly.asking import asked
    from fairlead.core.names import check_name, parse_version

    name, at, number = args.model.partition("@")
    check_name(name)
    version = parse_version(number) if at else None
    told = {"kind": "restart", "model": name, "version": version}
    count = asked(Path(args.state), told)["restarted"]
    if not count:
        raise NothingWatched(f"nothing of {args.model} has been watched here")
    print(f"counting anew for {count} version{'s' * (count != 1)} of {name}")
    return 0


def _known(folder: Path, model: str) -> Known:
    """What is kept of a version. Raises FileUnreadable, NothingWatched or PackageInvalid."""
    from fairlead.core.names import check_name, parse_version
    from fairlead.documents.drift_facts import Known
    from fairlead.serving.guard_state import read_guard_state

    name, at, number = model.partition("@")
    check_name(name)
    kept = read_guard_state(folder, name, parse_version(number) if at else None)
    about: dict[str, Any] = kept.states.get("about", {})
    package = _package(kept, str(about.get("folder", "")))
    return Known(
        kept.model,
        kept.version,
        _drift(kept, package),
        str(about.get("since", "")),
        kept.updated,
        _bet(kept),
        kept.states.get("accuracy", {}),
        _private(package),
    )


def _package(kept: GuardState, folder: str) -> Package:
    """The package that was watched. Raises NothingWatched or PackageInvalid."""
    from fairlead.packages.read import open_package

    what = f"{kept.model} version {kept.version}"
    if "drift" not in kept.states:
        raise NothingWatched(
            f"{what} has learnt nothing that rows could be held against",
            fix="Pack it with --reference",
        )
    if not Path(folder).is_dir():
        raise PackageInvalid(
            f"the package of {what} is not where it was served from",
            where=folder,
            fix="Put it back: it holds what training rows were like",
        )
    return open_package(Path(folder))


def _private(package: Package) -> frozenset[str]:
    """The columns whose values are told to nobody."""
    from fairlead.guards.contract import Contract
    from fairlead.guards.files import CONTRACT
    from fairlead.packages.read import read_verified

    if CONTRACT not in package.files:
        return frozenset()
    try:
        contract = Contract.from_toml(read_verified(package, CONTRACT).decode())
    except ValueError as error:
        raise PackageInvalid(f"contract: {error}", where=str(package.folder)) from None
    return frozenset(rule.name for rule in contract.rules if rule.private)


def _drift(kept: GuardState, package: Package) -> Drift:
    """What was learnt, from the package, with what has been seen since."""
    from fairlead.guards.drift import Drift
    from fairlead.guards.files import DRIFT
    from fairlead.packages.read import read_verified

    try:
        drift = Drift.from_bytes(read_verified(package, DRIFT))
        drift.restore(kept.states["drift"])
    except (ValueError, KeyError) as error:
        raise PackageInvalid(
            f"what was seen of {kept.model} version {kept.version} does not belong to its "
            f"package: {error}",
            where=str(package.folder),
            fix="Start the server again: it begins anew with the package that is there now",
        ) from None
    return drift


def _bet(kept: GuardState) -> Betting | None:
    from fairlead.guards.betting import Betting

    state: dict[str, Any] | None = kept.states.get("bet")
    if state is None:
        return None
    try:
        bet = Betting(int(state["calibrated"]), float(state["rate"]))
        bet.restore(state)
    except (ValueError, KeyError, TypeError) as error:
        what = f"{kept.model} version {kept.version}"
        raise FileUnreadable(f"the bet on {what} cannot be read: {error}") from None
    return bet
