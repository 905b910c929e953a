"""Cost statement: what it takes to run, and who pays for that."""

from __future__ import annotations

from fairlead.readiness.facts import OWNER, PASS, WARN, Facts, Finding, Question, mib, span

GROUP = "Cost statement"
_DEAR_S = 3600.0


def _needs(facts: Facts) -> Finding:
    run = facts.run
    told = f"{span(run.cpu_s)} of processor time for 1,000 rows, {mib(run.model)} of memory"
    million = 1000 * run.cpu_s / 3600
    told += f"; {million:.3g} core hours for a million"
    fix = "pack it as ONNX where its format allows (docs/reference/formats.md)"
    return Finding(WARN if run.cpu_s > _DEAR_S else PASS, told, fix)


def _stated(facts: Facts) -> Finding:
    if text := facts.package.expect.cost.strip():
        return Finding(PASS, text)
    told = "nothing is said"
    if facts.measured is not None:
        told += f"; measured: {span(facts.measured.cpu_s)} of processor time for 1,000 rows"
    return Finding(OWNER, told, facts.amended("expect", 'cost = "free"'))


QUESTIONS = (
    Question("running-cost", "What does it take to run?", _needs, True),
    Question("cost-stated", "Who pays for running it?", _stated),
)
