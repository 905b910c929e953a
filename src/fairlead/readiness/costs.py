"""Cost statement: what it takes to run, and who pays for that."""

from __future__ import annotations

from shlex import quote

from fairlead.readiness.facts import (
    FAIL,
    OWNER,
    PASS,
    WARN,
    Facts,
    Finding,
    Question,
    mib,
    span,
)

GROUP = "Cost statement"
_DEAR_S, _ROOM = 3600.0, 1.5


def _needs(facts: Facts) -> Finding:
    run = facts.run
    told = f"{span(run.cpu_s)} of processor time for 1,000 rows, {mib(run.model)} of memory"
    million = 1000 * run.cpu_s / 3600
    told += f"; {million:.3g} core hours for a million"
    fix = "pack it as ONNX where its format allows (docs/reference/formats.md)"
    return Finding(WARN if run.cpu_s > _DEAR_S else PASS, told, fix)


def _month(facts: Facts) -> Finding:
    """What a month costs where that is cheapest, for the traffic that the owner expects."""
    known = facts.planned
    if known is None:
        return Finding(facts.mild, *_unplanned(facts))
    fix = _cost(facts)
    if not known.cheapest:
        return Finding(WARN, "no offer that has a price reaches what is expected", fix)
    told = f"${known.monthly:,.2f} a month on {known.cheapest}, ${known.per_million:,.3g} a million"
    told += f", by prices of {known.prices}"
    if known.stale:
        return Finding(WARN, f"{told}, some older than 90 days", "fairlead prices refresh")
    return Finding(PASS, told)


def _right(facts: Facts) -> Finding:
    """Whether machines like the one that was measured reach what is expected, by simulation."""
    known = facts.planned
    if known is None:
        return Finding(facts.mild, *_unplanned(facts))
    if known.p99_s is None:
        return Finding(FAIL, known.why, _cost(facts))
    told = f"99 of 100 calls within {span(known.p99_s)} by simulation, "
    told += f"{known.headroom:.2g} times the traffic may come"
    if known.machines > 1:
        told = f"{known.machines} machines like it: {told}"
        return Finding(facts.by_exposure(WARN, WARN, FAIL), told, _cost(facts))
    return Finding(WARN if known.headroom < _ROOM else PASS, told, _cost(facts))


def _cost(facts: Facts) -> str:
    """The command that looks at all machines."""
    expect = facts.package.expect
    words = f"{expect.requests_per_second:.9f}".rstrip("0").rstrip(".")
    goal = f" --p99 {expect.latency_ms:g}ms" if expect.latency_ms else ""
    traffic = quote(f"{words}/s, rows {expect.rows_per_request}")
    return f"fairlead cost {facts.given} --traffic {traffic}{goal}"


def _unplanned(facts: Facts) -> tuple[str, str]:
    if facts.profile is None:
        return "it was never measured under load", f"fairlead profile {facts.given}"
    told = "nobody has said how many requests come"
    return told, facts.amended("expect", "requests_per_second = 50")


def _stated(facts: Facts) -> Finding:
    if text := facts.package.expect.cost.strip():
        return Finding(PASS, text)
    told = "nothing is said"
    if facts.measured is not None:
        told += f"; measured: {span(facts.measured.cpu_s)} of processor time for 1,000 rows"
    return Finding(OWNER, told, facts.amended("expect", 'cost = "free"'))


QUESTIONS = (
    Question("running-cost", "What does it take to run?", _needs, True),
    Question("monthly-cost", "What does a month of it cost?", _month),
    Question("right-machine", "Is this the right machine for it?", _right),
    Question("cost-stated", "Who pays for running it?", _stated),
)
