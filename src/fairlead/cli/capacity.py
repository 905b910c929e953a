"""`fairlead capacity`: how many machines a goal needs under the traffic that is expected."""

from __future__ import annotations

import argparse
import json
import os

from fairlead.cli.main import COMMANDS
from fairlead.core.errors import BadUsage

SUMMARY = COMMANDS["capacity"]


def add_goal(parser: argparse.ArgumentParser) -> None:
    """The model, the traffic and the goal, which `fairlead cost` has too."""
    add = parser.add_argument
    add(
        "model",
        nargs="?",
        default="",
        metavar="MODEL|DIR",
        help="a model in ./models as NAME or NAME@VERSION, a package or a repository of one model, "
        "that was profiled (`fairlead profile`); of several versions the newest",
    )
    add(
        "--traffic",
        required=True,
        metavar="WORDS|FILE",
        help='such as "100k/day, peak 4x, open 8-18, weekdays, growth 5%%/month, bursty"; or an '
        "access log, JSON lines, CSV, or a state folder with a journal",
    )
    add(
        "--p99",
        default="",
        metavar="TIME",
        help="99 of 100 calls are answered within it, such as 100ms. Default: ten times what a "
        "call that is alone takes",
    )
    add(
        "--refused",
        type=float,
        default=0.1,
        metavar="PERCENT",
        help="of all calls, those that may be refused in the busiest hour. Default: 0.1",
    )
    add("--spare", action="store_true", help="one machine may die and the goal still be reached")
    add(
        "--measured",
        action="append",
        default=[],
        metavar="FILE",
        help="a profile from another machine (`fairlead profile --json FILE --offer MACHINE`); "
        "may be given several times",
    )
    add("--state", metavar="DIR", help="the state folder that holds profiles. Default: .fairlead")
    add("--config", metavar="FILE", help="Settings file. Default: ./fairlead.toml.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is asked, of which machines."""
    add_goal(parser)
    add = parser.add_argument
    add("--workers", type=int, default=0, metavar="N", help="of each machine. Default: its cores")
    add("--cores", type=int, default=0, metavar="N", help="of each. Default: as measured")
    add(
        "--elastic",
        action="store_true",
        help="also simulate the busiest day with machines that come and go, none at night",
    )
    add("--seed", type=int, default=1, metavar="N", help="the same one gives the same answer")
    add("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Simulates, and says how many are needed."""
    from fairlead.assembly.bounds import bounds_of
    from fairlead.assembly.config import read
    from fairlead.assembly.costed import goal_for, profile_for, traffic_for
    from fairlead.costs.capacity import Machines, Planner
    from fairlead.costs.text import capacity_text, elastic_text

    settings = read({"server.state": args.state} if args.state else {}, args.config)
    profile = profile_for(args.model, settings, args.measured)
    traffic = traffic_for(args.traffic, profile.model)
    cores = args.cores or profile.cores or os.cpu_count() or 1
    if args.workers < 0 or args.cores < 0:
        raise BadUsage("--workers and --cores are 1 at least")
    if args.seed < 0:
        raise BadUsage("--seed is a whole number from 0 on")
    planner = Planner(
        profile,
        traffic,
        Machines(args.workers or cores, cores),
        seed=args.seed,
        bounds=bounds_of(settings),
    )
    goal = goal_for(args.p99, args.refused, args.spare, profile, traffic.rows)
    plan = planner.plan(goal)
    elastic = planner.elastic(goal, 0) if args.elastic else None
    if args.json:
        told = plan.to_json()
        if args.elastic:
            told["elastic"] = elastic.to_json() if elastic is not None else None
        print(json.dumps(told, indent=1))
        return 0
    print(capacity_text(plan))
    if args.elastic:
        print(elastic_text(elastic))
    return 0
