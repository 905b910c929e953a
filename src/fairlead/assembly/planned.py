"""What the profile of a version says of the traffic that its owner expects, for the check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fairlead.assembly.bounds import bounds_of
from fairlead.assembly.settings import Settings
from fairlead.core.clock import today
from fairlead.core.errors import FairleadError, GoalImpossible
from fairlead.core.package import Package
from fairlead.costs.capacity import Goal, Machines, Planner
from fairlead.costs.decision import decide
from fairlead.costs.market import Wish
from fairlead.costs.prices import prices_in
from fairlead.costs.profile import Profile
from fairlead.costs.sizing import usual_goal_s
from fairlead.costs.traffic import Traffic, even
from fairlead.readiness.facts import Planned

_CALLS = 5000


def planned(package: Package, profile: Profile | None, settings: Settings) -> Planned | None:
    """What follows of a profile; None without one, or where nobody has said what is expected.

    What cannot be reckoned says why: it is one answer of many, and never ends the check.
    """
    expect = package.expect
    if profile is None or not expect.requests_per_second:
        return None
    traffic = even(expect.requests_per_second, expect.rows_per_request)
    seconds = expect.latency_ms / 1000 or usual_goal_s(profile, traffic.rows)
    try:
        return _planned(profile, traffic, Goal(seconds), settings)
    except FairleadError as error:
        return Planned(taken=profile.taken, why=error.what)


def _planned(profile: Profile, traffic: Traffic, goal: Goal, settings: Settings) -> Planned:
    prices, bounds = prices_in(Path(settings.server.state)), bounds_of(settings)
    wish = Wish(bounds=bounds)
    decision = decide(profile, traffic, goal, prices, wish, today=today(), busier=False)
    best = decision.cheapest[0] if decision.cheapest else None
    found: dict[str, Any] = {
        "taken": profile.taken,
        "cheapest": best.title if best is not None else "",
        "monthly": best.offer.monthly if best is not None else 0.0,
        "per_million": best.offer.per_million or 0.0 if best is not None else 0.0,
        "prices": prices.version,
        "stale": decision.stale,
    }
    machines = Machines(max(1, profile.cores), max(1, profile.cores))
    try:
        plan = Planner(profile, traffic, machines, calls=_CALLS, bounds=bounds).plan(goal)
    except GoalImpossible as error:
        return Planned(**found, why=error.what)
    return Planned(**found, p99_s=plan.seen.p99_s, machines=plan.replicas, headroom=plan.headroom)
