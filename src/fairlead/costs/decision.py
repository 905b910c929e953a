"""From all options to a decision: the cheapest that reach the goal and why the next ones are not
among them, from how many calls on another kind is cheaper, and what moves the bill.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from fairlead.core.errors import GoalImpossible
from fairlead.core.figures import dollars
from fairlead.costs.capacity import Goal
from fairlead.costs.market import Market, Option, Wish
from fairlead.costs.offering import KINDS
from fairlead.costs.prices import STALE_DAYS, Prices
from fairlead.costs.profile import Profile
from fairlead.costs.traffic import MONTH_S, Traffic

CHEAPEST = 3
_BUSIER = (0.5, 2.0, 10.0)
_AGE_BAND, _AGE_DAYS, _MOST_AGE_BAND = 0.10, 503, 0.25
"""Of 736 machines in two price tables 503 days apart, one in five had another price, most of those
by 6 to 10 %."""


@dataclass(frozen=True, slots=True)
class BreakEven:
    """From so many calls per second on, on average, the dearer of two is the cheaper one."""

    below: str
    above: str
    per_s: float


@dataclass(frozen=True, slots=True)
class Busier:
    """The cheapest at so many times the traffic; "" where nothing reaches the goal."""

    factor: float
    title: str
    monthly: float


@dataclass(frozen=True, slots=True)
class Decision:
    """options: all of them, those that reach the goal first, the cheapest first. today: when it was
    made."""

    market: Market
    options: tuple[Option, ...]
    even: tuple[BreakEven, ...]
    busier: tuple[Busier, ...]
    today: date

    @property
    def cheapest(self) -> tuple[Option, ...]:
        """At most three that reach the goal."""
        return tuple(one for one in self.options if one.meets)[:CHEAPEST]

    @property
    def others(self) -> tuple[tuple[Option, str], ...]:
        """The rest, each with why it is not among the cheapest."""
        best = self.cheapest[0].offer.monthly if self.cheapest else 0.0
        rest = [one for one in self.options if one not in self.cheapest]
        return tuple((one, one.why or f"{dollars(one.offer.monthly - best)} more") for one in rest)

    @property
    def age_days(self) -> int:
        """Of the oldest price that the cheapest ones hang on; 0 where none has a date."""
        dates = [one.offer.oldest for one in self.cheapest if one.offer.oldest]
        whole = [date.fromisoformat((told + "-01-01")[:10]) for told in dates]
        return max(((self.today - one).days for one in whole), default=0)

    @property
    def age_band(self) -> float:
        """How far prices of that age may be off, by how far others have moved."""
        return min(_MOST_AGE_BAND, _AGE_BAND * self.age_days / _AGE_DAYS)

    @property
    def stale(self) -> bool:
        """Whether the prices are older than 90 days."""
        return self.market.prices.stale(self.today)

    def to_json(self) -> dict[str, Any]:
        """For machines. `offers` is the list of all options."""
        market, traffic = self.market, self.market.traffic
        return {
            "model": f"{market.profile.model}/{market.profile.version}",
            "measured": {
                "on": market.profile.machine, "offer": market.profile.offer,
                "taken": market.profile.taken,
            },
            "traffic": {
                "said": traffic.said, "per_month": traffic.per_month,
                "mean_per_s": traffic.mean_per_s, "peak_per_s": traffic.peak_per_s,
                "dispersion": traffic.dispersion, "assumed": list(traffic.assumed),
                "growth_per_month": traffic.growth,
            },
            "goal": {"p99_s": market.goal.p99_s, "refused_share": market.goal.refused,
                     "spare": market.goal.spare},
            "prices": {
                "version": market.prices.version, "oldest": market.prices.oldest.isoformat(),
                "age_days": market.prices.age_days(self.today), "stale": self.stale,
                "stale_after_days": STALE_DAYS, "band": round(self.age_band, 4),
            },
            "cheapest": [one.title for one in self.cheapest],
            "others": [{"title": one.title, "why": why} for one, why in self.others],
            "break_even": [
                {"below": one.below, "above": one.above, "per_s": one.per_s,
                 "per_month": one.per_s * MONTH_S}
                for one in self.even
            ],
            "at_times_the_traffic": [
                {"factor": one.factor, "cheapest": one.title, "monthly": one.monthly}
                for one in self.busier
            ],
            "offers": [one.to_json() for one in self.options],
        }  # fmt: skip


def decide(
    profile: Profile,
    traffic: Traffic,
    goal: Goal,
    prices: Prices,
    wish: Wish | None = None,
    measured: Sequence[Profile] = (),
    *,
    today: date,
    busier: bool = True,
) -> Decision:
    """Raises GoalImpossible for a goal or OfferUnknown for a place that cannot be.

    busier: also at other amounts of traffic, which takes as long again for each.
    """
    if not 0 < goal.p99_s < float("inf"):
        raise GoalImpossible(f"99 % of calls within {goal.p99_s} s is no goal")

    def at(factor: float) -> Market:
        more = traffic if factor == 1.0 else traffic.times(factor)
        return Market(profile, more, goal, prices, wish, measured)

    market = at(1.0)
    options = tuple(market.options())
    told: list[Busier] = []
    for factor in _BUSIER if busier else ():
        best = next((one for one in at(factor).options() if one.meets), None)
        told.append(Busier(factor, best.title if best else "", best.offer.monthly if best else 0))
    return Decision(market, options, _even(market, options), tuple(told), today)


def _even(market: Market, options: Sequence[Option]) -> tuple[BreakEven, ...]:
    """Between the cheapest of what is paid by the call and the cheapest machine.

    Both grow with the calls, a machine only by what leaves it; what is free is counted as used up.
    Nothing is said where the machine would not bear so many calls.
    """
    by_call = [
        one
        for one in options
        if one.meets
        and KINDS[one.offer.kind].books == "calls"
        and not KINDS[one.offer.kind].stays  # its bill does not grow evenly with the calls
    ]
    machines = [one for one in options if one.meets and one.offer.machine]
    if not by_call or not machines:
        return ()
    machine = min(machines, key=lambda one: one.offer.monthly)
    fixed, each = market.line(machine)
    found: list[BreakEven] = []
    for one in by_call:
        beside, more = market.line(one)
        if more > each and fixed > beside:
            per_s = (fixed - beside) / (more - each) / MONTH_S
            if per_s <= machine.carried_per_s:
                found.append(BreakEven(one.title, machine.title, per_s))
    return tuple(sorted(found, key=lambda even: -even.per_s))
