"""What the profile of a version says of the traffic that its owner expects, for the check."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fairlead.assembly.settings import Settings
from fairlead.core.errors import GoalImpossible
from fairlead.core.package import Package
from fairlead.costs.capacity import Goal, Machines, Planner
from fairlead.costs.decision import decide
from fairlead.costs.prices import prices_in
from fairlead.costs.profile import Profile
from fairlead.costs.sizing import alone_s
from fairlead.costs.traffic import Traffic, traffic_of
from fairlead.readiness.facts import Planned

_CALLS = 5000


def planned(package: Package, profile: Profile | None, settings: Settings) -> Planned | None:
    """What follows of a profile; None without one, or where nobody has said what is expected."""
    expect = package.expect
    if profile is None or not expect.requests_per_second:
        return None
    rows = expect.rows_per_request
    traffic = traffic_of(f"{expect.requests_per_second:.9f}/s, rows {rows}")
    seconds = expect.latency_ms / 1000 or 10 * alone_s(profile, rows)
    return _planned(profile, traffic, Goal(seconds), settings)


def _planned(profile: Profile, traffic: Traffic, goal: Goal, settings: Settings) -> Planned:
    today = datetime.now(UTC).date()
    prices = prices_in(Path(settings.server.state))
    decision = decide(profile, traffic, goal, prices, today=today, busier=False)
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
        plan = Planner(profile, traffic, machines, calls=_CALLS).plan(goal)
    except GoalImpossible as error:
        return Planned(**found, why=error.what)
    return Planned(**found, p99_s=plan.seen.p99_s, machines=plan.replicas, headroom=plan.headroom)
