"""`fairlead prices`: show what machines and services cost, and fetch what the providers say now."""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from fairlead.assembly.config import read
from fairlead.assembly.price_services import CLOUDS, Wanted, keep, refresh
from fairlead.cli.main import COMMANDS
from fairlead.core.clock import today
from fairlead.core.errors import BadUsage, FileUnreadable
from fairlead.costs.price_rows import written
from fairlead.costs.priced import Machine, Meter
from fairlead.costs.prices import KEPT, Prices, packaged, prices_in
from fairlead.documents.tables import table

SUMMARY = COMMANDS["prices"]
_MOST_KEY = 4096


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do; for which providers and regions; where prices are kept."""
    add = parser.add_argument
    add(
        "action",
        choices=["show", "refresh"],
        help="show: the prices that a bill would be made of, with source, date and confidence; "
        "refresh: fetch those of machines from the providers' public price services",
    )
    add("--state", metavar="DIR", help="the state folder. Default: .fairlead")
    add("--config", metavar="FILE", help="Settings file. Default: ./fairlead.toml.")
    add("--prices", default="", metavar="FILE", help="for show: a CSV file over all others")
    add("--provider", default="", metavar="NAME", help="for show: of one alone, such as aws")
    add(
        "--region",
        action="append",
        default=[],
        metavar="REGION",
        help="for show: of one alone, such as us-east-1; for refresh: of which providers' regions, "
        "such as aws/eu-central-1, as often as needed (default: those that are packaged)",
    )
    add("--meters", action="store_true", help="for show: what is paid by use, not machines")
    add("--csv", action="store_true", help="for show: machines as a file that --prices takes")
    add("--json", action="store_true", help="for show: print one JSON object")
    add(
        "--from",
        dest="clouds",
        default=",".join(CLOUDS),
        metavar="NAMES",
        help="for refresh: which providers, such as aws,azure (default: all; gcp needs a key)",
    )
    add(
        "--output",
        default="",
        metavar="FILE",
        help=f"for refresh: where to keep them (default: {KEPT} in the state folder, which later "
        "commands take); nothing is changed unless everything was fetched",
    )
    add("--gcp-key", default="", metavar="FILE", help="for refresh: a file that holds a key")
    add(
        "--address",
        action="append",
        default=[],
        metavar="NAME=URL",
        help="for refresh: another address of a service, such as a mirror: aws=https://...",
    )


def run(args: argparse.Namespace) -> int:
    """Shows, or fetches."""
    if args.action == "refresh":
        _refresh(args)
    else:
        _show(args)
    return 0


def _state(args: argparse.Namespace) -> Path:
    """The state folder, where every command that prices something looks."""
    settings = read({"server.state": args.state} if args.state else {}, args.config)
    return Path(settings.server.state)


def warn_of_age(prices: Prices, moment: date) -> None:
    """Says it loudly where prices of machines are older than 90 days."""
    if prices.stale(moment):
        _say(
            f"warning: prices of machines are up to {prices.age_days(moment)} days old "
            f"(of {prices.oldest}): `fairlead prices refresh` fetches those of today"
        )


def _show(args: argparse.Namespace) -> None:
    if len(args.region) > 1 or args.csv + args.json > 1 or (args.csv and args.meters):
        raise BadUsage(
            "show takes one region, and --csv (machines only) or --json",
            fix="See `fairlead prices --help`",
        )
    prices = prices_in(_state(args), Path(args.prices) if args.prices else None)
    moment = today()
    region = args.region[0] if args.region else ""
    machines = prices.in_reach(args.provider, region)
    meters = [
        m for m in prices.meters
        if args.provider in ("", m.provider) and region in ("", m.region, "any")
    ]  # fmt: skip
    warn_of_age(prices, moment)
    if args.csv:
        sys.stdout.write(written(machines))
    elif args.json:
        print(json.dumps(_as_json(prices, machines, meters, moment), indent=2))
    else:
        print(_meters(meters) if args.meters else _machines(machines))
        age = f"the oldest price of a machine is of {prices.oldest}"
        _say(f"table {prices.version}; {age}; US dollars; `--json` has every source")


def _machines(machines: tuple[Machine, ...]) -> str:
    head = ("machine", "region", "vCPU", "GiB", "GPU", "USD/h", "of", "hosted", "spot", "sure")
    rows = [
        (
            one.title,
            one.region,
            f"{one.vcpu:g}",
            f"{one.memory_gib:g}",
            f"{one.gpu_count:g} {one.gpu}" if one.gpu else "",
            f"{one.hourly.usd:.6g}",
            one.hourly.date,
            f"{one.hosting.usd:.6g} {one.hosting.confidence}" if one.hosting else "",
            f"{one.spot.usd:.6g}" if one.spot else "",
            one.hourly.confidence,
        )
        for one in machines
    ]
    return table(head, rows) if rows else "no machines"


def _meters(meters: list[Meter]) -> str:
    head = ("service", "region", "meter", "USD", "unit", "free a month", "of", "sure")
    rows = [
        (
            f"{one.provider}/{one.service}",
            one.region,
            f"{one.name} above {one.above:g}" if one.above else one.name,
            f"{one.price.usd:.10g}",
            one.unit,
            f"{one.free:g}" if one.free else "",
            one.price.date,
            one.price.confidence,
        )
        for one in meters
    ]
    return table(head, rows) if rows else "no meters"


def _as_json(
    prices: Prices, machines: tuple[Machine, ...], meters: list[Meter], today: date
) -> dict[str, Any]:
    return {
        "version": prices.version,
        "oldest": prices.oldest.isoformat(),
        "age_days": prices.age_days(today),
        "stale": prices.stale(today),
        "machines": [_plain(one) for one in machines],
        "meters": [_plain(one) for one in meters],
    }


def _plain(one: Machine | Meter) -> dict[str, Any]:
    """Every field; a price as an object."""
    found = asdict(one)
    for name in ("hourly", "spot", "hosting", "price"):
        price = getattr(one, name, None)
        if price is not None:
            found[name] = price._asdict()
    return found


def _refresh(args: argparse.Namespace) -> None:
    if args.prices or args.provider or args.csv or args.json or args.meters:
        raise BadUsage(
            "refresh takes --from, --region, --output, --gcp-key, --address and --state",
            fix="See `fairlead prices --help`",
        )
    clouds = [name.strip() for name in args.clouds.split(",") if name.strip()]
    wanted = Wanted(
        clouds=[_cloud(name) for name in clouds],
        regions=_regions(args.region),
        hosts=dict(_address(told) for told in args.address),
        key=_key(args.gcp_key),
        today=today(),
    )
    known = packaged()
    machines = refresh(wanted, known, _say)
    if not machines:
        _say("nothing was fetched, and nothing is changed")
        return
    path = Path(args.output) if args.output else _state(args) / KEPT
    keep(machines, path, known.machines)
    print(f"{path}: prices of {len(machines)} machines")


def _cloud(name: str) -> str:
    if name not in CLOUDS:
        raise BadUsage(
            f"prices of {name[:60]!r} cannot be fetched", fix=f"Known: {', '.join(CLOUDS)}"
        )
    return name


def _regions(told: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for one in told:
        cloud, slash, region = one.partition("/")
        if not slash or not region.replace("-", "").isalnum():
            raise BadUsage(f"{one[:80]!r} is no region", fix="Such as aws/eu-central-1")
        found[_cloud(cloud)].append(region)
    return found


def _address(told: str) -> tuple[str, str]:
    cloud, _, address = told.partition("=")
    return _cloud(cloud), address


def _key(file: str) -> str:
    """What a file holds, which is never printed. Raises FileUnreadable."""
    if not file:
        return ""
    try:
        with open(file, encoding="ascii") as opened:
            found = opened.read(_MOST_KEY).strip()
    except (OSError, UnicodeDecodeError):
        found = ""
    if not found or len(found.split()) != 1:
        raise FileUnreadable("it holds no key", where=file, fix="Write the key alone into it")
    return found


def _say(words: str) -> None:
    print(words, file=sys.stderr)
