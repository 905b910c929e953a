"""Inputs, outputs and limits: what one request may be, and whether the answer can be used."""

from __future__ import annotations

from fairlead.core.preparation import Picture, Preparation
from fairlead.readiness.facts import FAIL, MIB, PASS, WARN, Facts, Finding, Question, mib, span

GROUP = "Inputs, outputs and limits"
_LONGEST_S = 300
"""Of limits.request_timeout_max_s, unless somebody raises it."""
_AMPLE = 20
"""So many times what the largest good request needs, a body may be without anybody asking why."""


def _example(facts: Facts) -> Finding:
    run = facts.run
    fix = facts.packed(reference=True)
    if not run.answered:
        return Finding(WARN, "the package has no example, and rows of zeros are refused", fix)
    if not run.real:
        return Finding(facts.mild, "a row of zeros is answered; the package has no example", fix)
    return Finding(PASS, f"its own example, in {span(run.median_s)}")


def _contract(facts: Facts) -> Finding:
    learnt = facts.run.guards.get("contract")
    if learnt:
        told = f"{learnt['columns']} columns, learnt from {learnt['rows']:,} rows"
        return Finding(PASS, told)
    if facts.package.preparations:
        made = ", ".join(_preparation(one) for one in facts.package.preparations)
        return Finding(PASS, made)
    if not facts.package.signature.columns:
        return Finding(PASS, "it has no columns: types, shapes and finite numbers are checked")
    fix = facts.packed(reference=True)
    return Finding(facts.grave, "unlearnt: only names, types and shapes are checked", fix)


def _preparation(one: Preparation) -> str:
    if isinstance(one, Picture):
        return f"a picture of at most {one.max_pixels:,} pixels, made {one.size[0]} x {one.size[1]}"
    return f"a text of at most {one.max_characters:,} characters and {one.max_tokens:,} tokens"


def _finite(facts: Facts) -> Finding:
    run = facts.run
    if run.finite:
        return Finding(PASS, "every number of the answer is finite")
    fix = facts.packed(reference=True)
    verdict = FAIL if run.real else WARN
    return Finding(verdict, "the answer holds NaN or infinity, which JSON cannot say", fix)


def _rows(facts: Facts) -> Finding:
    limits, run = facts.package.limits, facts.run
    needed = limits.max_rows / run.rows_per_s
    told = f"{limits.max_rows:,} rows take about {span(needed)}; the budget is "
    told += span(limits.time_budget_s)
    fitting = max(1, int(run.rows_per_s * limits.time_budget_s / 2))
    fix = facts.amended("limits", f"max_rows = {fitting}")
    if needed > limits.time_budget_s:
        return Finding(facts.by_exposure(WARN, FAIL, FAIL), told, fix)
    return Finding(WARN if needed > limits.time_budget_s / 2 else PASS, told, fix)


def _body(facts: Facts) -> Finding:
    bounds, own = facts.bounds, facts.package.limits
    most = own.max_body_mib or bounds.body_mib
    needed = own.max_rows * (facts.run.request_bytes + 1)
    told = f"{most} MiB; {own.max_rows:,} rows like the example need {mib(needed)}"
    chosen = bool(own.max_body_mib) or bounds.chosen
    enough = max(1, -(-2 * needed // MIB))
    fix = facts.amended("limits", f"max_body_mib = {enough}")
    if most * MIB * facts.machine.workers > facts.machine.free:
        told += f"; one for each worker is more than the {mib(facts.machine.free)} that are free"
        return Finding(facts.grave, told, fix)
    if not chosen and most * MIB > _AMPLE * needed:
        return Finding(facts.by_exposure(PASS, PASS, WARN), f"{told}, and nobody chose it", fix)
    return Finding(PASS, told)


def _patience(facts: Facts) -> Finding:
    given, slow = facts.bounds.timeout_s, facts.run.slow_s
    told = f"after {span(given)}; the slowest of a hundred answers takes {span(slow)}"
    seconds = max(1, round(4 * slow))
    most = f" and request_timeout_max_s = {seconds}" if seconds > _LONGEST_S else ""
    fix = f"request_timeout_s = {seconds}{most} under [limits] of fairlead.toml"
    if slow > given:
        return Finding(FAIL, told, fix)
    return Finding(WARN if slow > given / 3 else PASS, told, fix)


QUESTIONS = (
    Question("example-answered", "Does the model answer its own example?", _example, True),
    Question("valid-rows", "Does it know what a valid row is?", _contract, True),
    Question("answers-finite", "Are the answers numbers that can be used?", _finite, True),
    Question("rows-limit", "Can a request of the most rows be answered in its time?", _rows, True),
    Question("body-limit", "How large may a request be, and need it be?", _body, True),
    Question("request-timeout", "When is a request given up?", _patience, True),
)
