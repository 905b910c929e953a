"""Throughput: what was measured here, against what the owner expects."""

from __future__ import annotations

from fairlead.readiness.facts import (
    FAIL,
    OWNER,
    PASS,
    WARN,
    Facts,
    Finding,
    Question,
    counted,
    figure,
    span,
)

GROUP = "Throughput"
SERVER_S = 60e-6
"""Seconds that the server itself spends on a request, beside the model: a little more than
docs/explanation/performance.md measures with everything on at 8 connections."""
_MARGIN = 0.7
_SLUGGISH, _LONG_S = 10.0, 1.0


def capacity(facts: Facts) -> float:
    """Requests in a second that this machine can answer, as far as the model's time says."""
    run, machine = facts.run, facts.machine
    rows = facts.package.expect.rows_per_request
    each = max(1 / run.rows_per_s, 1e-9) * rows
    return min(machine.workers, machine.cores) / (SERVER_S + each)


def _throughput(facts: Facts) -> Finding:
    found, wanted = capacity(facts), facts.package.expect.requests_per_second
    rows = facts.package.expect.rows_per_request
    cores = min(facts.machine.workers, facts.machine.cores)
    told = f"about {figure(found)} requests/s of {counted(rows, 'row')} on {counted(cores, 'core')}"
    told += f", joined {facts.run.batch} at a time" if facts.run.batch > 1 else ""
    if not wanted:
        fix = facts.amended("expect", "requests_per_second = 50")
        return Finding(WARN if found < _SLUGGISH else PASS, told, fix)
    told += f"; {figure(wanted)} are expected"
    workers = _workers(facts, wanted / found)
    fix = facts.served(f"--workers {workers}")
    fix += ", on a machine of as many cores" if workers > facts.machine.cores else ""
    if wanted > found:
        return Finding(FAIL, told, fix)
    return Finding(WARN if wanted > _MARGIN * found else PASS, told, fix)


def _workers(facts: Facts, share: float) -> int:
    used = min(facts.machine.workers, facts.machine.cores)
    return max(used, int(-(-used * share // _MARGIN)))


def _expected(facts: Facts) -> Finding:
    expect = facts.package.expect
    missing = [name for name in ("requests_per_second", "latency_ms") if not getattr(expect, name)]
    if not missing:
        told = f"{figure(expect.requests_per_second)} requests/s of "
        told += counted(expect.rows_per_request, "row")
        return Finding(PASS, f"{told}, within {figure(expect.latency_ms)} ms")
    lines = {"requests_per_second": "requests_per_second = 50", "latency_ms": "latency_ms = 100"}
    told = f"nothing is said of {' and '.join(missing)}"
    if facts.measured is not None:
        told += f"; measured: {figure(capacity(facts))} requests/s, "
        told += f"{span(facts.measured.slow_s + SERVER_S)} for the slowest of a hundred"
    return Finding(OWNER, told, facts.amended("expect", *[lines[name] for name in missing]))


def _latency(facts: Facts) -> Finding:
    slow = facts.run.slow_s + SERVER_S
    wanted = facts.package.expect.latency_ms / 1000
    told = f"{span(facts.run.median_s + SERVER_S)} usually, {span(slow)} for one in a hundred"
    faster = "serve it on a faster machine, or a lighter variant of it"
    if not wanted:
        fix = facts.amended("expect", f"latency_ms = {max(1, round(2000 * slow))}")
        return Finding(WARN if slow > _LONG_S else PASS, told, fix)
    told += f"; {span(wanted)} are expected"
    if slow > wanted:
        return Finding(FAIL, told, faster)
    return Finding(WARN if slow > _MARGIN * wanted else PASS, told, faster)


QUESTIONS = (
    Question("throughput", "How many requests can this machine answer?", _throughput, True),
    Question("latency", "How long does a caller wait?", _latency, True),
    Question("expected-traffic", "How much is it going to be asked, and how quickly?", _expected),
)
