"""A plan of machines, and a decision among offers, as people read them in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.core.figures import dollars, figure, span
from fairlead.costs.bill import Line
from fairlead.costs.capacity import MOST_HEADROOM, Capacity, Seen
from fairlead.costs.decision import Decision
from fairlead.costs.fleet import Run
from fairlead.costs.market import Option
from fairlead.costs.speeds import at_its_slowest
from fairlead.costs.traffic import Traffic

_SHOWN = 8


def traffic_lines(traffic: Traffic) -> list[str]:
    """What is expected, and what nobody said."""
    told = [
        f"traffic    {traffic.said}",
        f"           {traffic.per_month:,.0f} calls a month, {figure(traffic.mean_per_s)} a second,"
        f" {figure(traffic.peak_per_s)} in the busiest hour; variance over mean in 10 s "
        f"{traffic.dispersion:.3g}",
    ]
    return told + [f"           assumed: {one}" for one in traffic.assumed]


def capacity_text(plan: Capacity) -> str:
    """The answer, how sure it is, and what happens next."""
    goal, machines = plan.goal, plan.machines
    each = "1 worker" if machines.workers == 1 else f"{machines.workers} workers"
    told = [
        *traffic_lines(plan.traffic),
        f"goal       99 % of calls within {span(goal.p99_s)}, at most {goal.refused:.2%} refused"
        + (", also with one machine less" if goal.spare else ""),
        "",
        f"needed     {_machines(plan.replicas)} of {each}; up to {plan.max_batch} rows in one "
        "execution",
        _seen("then", plan.seen),
        f"safe       up to {figure(plan.safe_per_s)} calls a second"
        f"{' at least' if plan.headroom >= MOST_HEADROOM else ''}: {plan.headroom:.2g} times the "
        "busiest hour",
        _seen("twice", plan.double),
    ]
    if slowest := at_its_slowest(plan.profile):
        told.append(f"reckoned   as measured{slowest}")
    if plan.without_one is not None:
        told.append(_seen("one dies", plan.without_one))
    else:
        told.append("one dies   nobody answers until it is back: --spare plans one more")
    return "\n".join(told)


def elastic_text(run: Run | None) -> str:
    """The busiest day with machines that come and go."""
    if run is None:
        return "elastic    a day of so many calls is not simulated: machines are never all away"
    outcome, days = run.outcome, run.outcome.seconds / 86400
    return (
        f"elastic    {run.paid_s / 3600 / days:.3g} machine hours in the busiest day, at most "
        f"{_machines(run.most)} at once; {1000 * run.cold_share:.3g} of 1,000 calls wait for one; "
        f"p50 {span(outcome.quantile(0.5))}, p99 {span(outcome.quantile(0.99))}, "
        f"{outcome.refused_share:.2%} refused or late"
    )


def _machines(count: int) -> str:
    return f"{count:,} machine" + "s" * (count != 1)


def _seen(word: str, seen: Seen) -> str:
    return (
        f"{word:<10} p50 {span(seen.p50_s)}, p95 {span(seen.p95_s)}, p99 {span(seen.p99_s)}; "
        f"{seen.refused:.2%} refused; {seen.load:.0%} busy, {seen.joined:.2g} in an execution"
    )


def decision_text(decision: Decision) -> str:
    """The cheapest, the others, what moves it, and how old the prices are."""
    market, prices = decision.market, decision.market.prices
    told = [
        f"model      {market.profile.model} version {market.profile.version}, measured on "
        f"{market.profile.taken} on {market.profile.offer or market.profile.machine}",
        *traffic_lines(market.traffic),
        f"goal       99 % of calls within {span(market.goal.p99_s)}",
        f"prices     of {prices.version}, the oldest of a machine is "
        f"{prices.age_days(decision.today)} days old",
    ]
    if decision.stale:
        told.append(
            "           OLDER THAN 90 DAYS: run `fairlead prices refresh` before you decide"
        )
    told += ["", *_cheapest(decision), "", *_others(decision), "", *_moves(decision)]
    return "\n".join(told)


def _cheapest(decision: Decision) -> list[str]:
    if not decision.cheapest:
        return ["nothing that was looked at reaches the goal"]
    told: list[str] = []
    for number, one in enumerate(decision.cheapest, 1):
        told += [f"{number}. {one.title}: {_amounts(one)}", *_bill(one.offer.lines)]
    return told


def _amounts(one: Option) -> str:
    bill = one.offer
    each = f", {dollars(bill.per_million)} a million" if bill.per_million is not None else ""
    low, high = dollars(one.low), dollars(one.high)
    band = f" ({low} to {high})" if low != high else ""
    wait = f"; p99 {span(one.p99_s)}" if one.p99_s is not None else ""
    return (
        f"{dollars(bill.monthly)} a month{band}{each}; {dollars(bill.idle_per_day)} a day idle"
        f"{wait}\n     speed: {one.speed}, within {one.band:.0%}"
    )


def _bill(lines: Sequence[Line]) -> list[str]:
    return [
        f"     {dollars(one.monthly):>10}  {one.what}: {one.quantity:,.6g} {one.unit} at "
        f"${one.usd:.6g}  [{one.confidence}, {one.date or 'undated'}, {one.source}]"
        for one in lines
    ]


def _others(decision: Decision) -> list[str]:
    if not decision.others:
        return []
    told = ["not among them:"]
    for one, why in decision.others[:_SHOWN]:
        amount = f", {dollars(one.offer.monthly)}" if one.offer.lines else ""
        told.append(f"   {one.title}{amount}: {why}")
    more = len(decision.others) - _SHOWN
    return told + ([f"   and {more} more: --json has all of them"] if more > 0 else [])


def _moves(decision: Decision) -> list[str]:
    told = ["what moves it:"]
    for one in decision.even:
        told.append(
            f"   above {figure(one.per_s)} calls a second, on average, {one.above} is cheaper than "
            f"{one.below}"
        )
    for one in decision.busier:
        best = f"{one.title}, {dollars(one.monthly)}" if one.title else "nothing reaches the goal"
        told.append(f"   at {one.factor:g} times the traffic: {best}")
    growth = decision.market.traffic.growth
    if growth:
        told.append(f"   in a year, as it grows: {(1 + growth) ** 12:.2g} times the traffic")
    if decision.cheapest:
        told.append(
            f"   prices: within {decision.age_band:.0%}, as others of {decision.age_days} days have"
            " moved"
        )
    return told
