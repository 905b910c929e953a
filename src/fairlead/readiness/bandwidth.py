"""Payload and bandwidth: how long what is sent is under way."""

from __future__ import annotations

from fairlead.readiness.facts import (
    FAIL,
    PASS,
    WARN,
    Facts,
    Finding,
    Question,
    Verdict,
    figure,
    mib,
    span,
)

GROUP = "Payload and bandwidth"
_SLOW_S, _TOO_SLOW_S = 1.0, 10.0
_BUSY_MBIT = 700.0
"""Of the gigabit that a usual machine has."""


def _under_way(facts: Facts, row_bytes: int) -> tuple[float, str]:
    expect = facts.package.expect
    total = row_bytes * expect.rows_per_request
    seconds = 8 * total / (expect.callers_mbit * 1e6)
    told = f"{mib(total)}, {span(seconds)} at {figure(expect.callers_mbit)} Mbit/s"
    return seconds, told


def _verdict(facts: Facts, seconds: float) -> Verdict:
    if facts.exposure == "laptop":
        return PASS
    if seconds > _TOO_SLOW_S:
        return FAIL
    return WARN if seconds > _SLOW_S else PASS


def _request(facts: Facts) -> Finding:
    seconds, told = _under_way(facts, facts.run.request_bytes)
    fix = "send fewer rows at once, Parquet, or bodies with content-encoding: gzip"
    return Finding(_verdict(facts, seconds), told, fix)


def _answer(facts: Facts) -> Finding:
    seconds, told = _under_way(facts, facts.run.answer_bytes)
    fix = "ask for fewer outputs, or for binary ones (docs/how-to/speak-oip.md)"
    return Finding(_verdict(facts, seconds), told, fix)


def _link(facts: Facts) -> Finding:
    expect, run = facts.package.expect, facts.run
    row = max(run.request_bytes, run.answer_bytes) * expect.rows_per_request
    mbit = 8e-6 * row * expect.requests_per_second
    if not mbit:
        return Finding(PASS, f"{mib(row)} a request; nothing is said of how many there will be")
    told = f"{figure(mbit)} Mbit/s at {figure(expect.requests_per_second)} requests/s"
    fix = "compress bodies (content-encoding: gzip), or serve on several machines"
    return Finding(facts.by_exposure(PASS, WARN, WARN) if mbit > _BUSY_MBIT else PASS, told, fix)


QUESTIONS = (
    Question("request-size", "How long does a request take to arrive?", _request, True),
    Question("answer-size", "How long does an answer take to arrive?", _answer, True),
    Question("link", "Does the traffic fit through the server's own link?", _link, True),
)
