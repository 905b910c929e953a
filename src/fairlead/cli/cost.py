"""`fairlead cost`: what a month of serving a model costs, on everything that has a price."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from fairlead.cli.capacity import add_goal
from fairlead.cli.main import COMMANDS
from fairlead.core.errors import BadUsage

SUMMARY = COMMANDS["cost"]
_MOST_LOG = 1 << 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is expected, where it might run, at which prices."""
    add_goal(parser)
    add = parser.add_argument
    add(
        "--on",
        default="",
        metavar="WHERE",
        help="providers and kinds of offer, such as aws,gcp,local or cloudrun,vm. Default: all",
    )
    add(
        "--region",
        action="append",
        default=[],
        metavar="PROVIDER/REGION",
        help="such as aws/us-east-1; may be given several times. Default: where prices are known",
    )
    add("--prices", default="", metavar="FILE", help="negotiated rates (docs/reference/prices.md)")
    add(
        "--elastic",
        action="store_true",
        help="machines come and go with the hours of the week instead of standing for the busiest",
    )
    add(
        "--log-bytes",
        type=float,
        metavar="N",
        help="bytes of log for a call, on average. By default as much as our own log writes: a "
        "line for one in a hundred calls that went well",
    )
    add("--power", default="", metavar="IDLE:BUSY", help="watts that a machine of your own draws")
    add(
        "--power-source",
        default="wall meter",
        choices=["wall meter", "RAPL", "NVML", "TDP"],
        help="how that is known. Default: wall meter",
    )
    add("--country", default="", metavar="CODE", help="where it stands, such as DE")
    add("--tariff", type=float, metavar="USD", help="what a kWh costs there, in US dollars")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object")
    form.add_argument("--html", action="store_true", help="print one page that needs nothing else")
    add("--output", metavar="FILE", help="write there")


def run(args: argparse.Namespace) -> int:
    """Reckons, offline, and prints."""
    from fairlead.assembly.bounds import bounds_of
    from fairlead.assembly.config import read
    from fairlead.assembly.costed import (
        elsewhere,
        goal_for,
        profile_for,
        regions_of,
        traffic_for,
    )
    from fairlead.assembly.output import write_output
    from fairlead.core.clock import today
    from fairlead.costs.decision import decide
    from fairlead.costs.market import LOG_BYTES, Wish
    from fairlead.costs.power import parse_power
    from fairlead.costs.prices import prices_in
    from fairlead.costs.text import decision_text
    from fairlead.documents.cost_page import cost_page

    log_bytes = LOG_BYTES if args.log_bytes is None else args.log_bytes
    if not 0 <= log_bytes <= _MOST_LOG:
        raise BadUsage(f"--log-bytes is a number from 0 to {_MOST_LOG:,}")
    settings = read({"server.state": args.state} if args.state else {}, args.config)
    profile = profile_for(args.model, settings, args.measured)
    traffic = traffic_for(args.traffic, profile.model)
    wish = Wish(
        on=tuple(name.strip() for name in args.on.split(",") if name.strip()),
        regions=regions_of(args.region),
        elastic=args.elastic,
        log_bytes=log_bytes,
        power=parse_power(args.power, args.power_source) if args.power else None,
        country=args.country,
        tariff=args.tariff,
        bounds=bounds_of(settings),
    )
    decision = decide(
        profile,
        traffic,
        goal_for(args.p99, args.refused, args.spare, profile, traffic.rows),
        prices_in(Path(settings.server.state), Path(args.prices) if args.prices else None),
        wish,
        elsewhere(args.measured),
        today=today(),
    )
    if args.json:
        told = json.dumps(decision.to_json(), indent=1)
    else:
        told = cost_page(decision.to_json()) if args.html else decision_text(decision)
    if args.output:
        write_output(args.output, told, "the bill")
    else:
        print(told)
    return 0
