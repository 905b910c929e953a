"""Confidence goal: which answers are sure enough to be given."""

from __future__ import annotations

from fairlead.readiness.facts import FAIL, PASS, WARN, Facts, Finding, Question

GROUP = "Confidence goal"
_HALF = 0.5


def _goal(facts: Facts) -> Finding:
    guards, roles = facts.run.guards, {spec.role for spec in facts.package.signature.outputs}
    if "intervals" in guards:
        told = guards["intervals"]
        return Finding(PASS, f"intervals that hold the truth {told['coverage']:.0%} of the time")
    if not roles & {"label", "scores", "value"}:
        return Finding(PASS, "it gives neither labels nor values that could be right or wrong")
    learnt = guards.get("confidence")
    fix = facts.packed(labelled=True, more="--error-goal 0.02")
    if not learnt:
        return Finding(facts.grave, "no goal: nothing was learnt from labelled rows", fix)
    if "error_goal" not in learnt:
        fix = facts.amended("guards", "error_goal = 0.02")
        return Finding(facts.grave, "no goal: every answer is given, however unsure", fix)
    told = f"at most {learnt['error_goal']:.2%} wrong, with {learnt['assurance']:.0%} assurance"
    if learnt["threshold"] is None:
        fix = facts.amended("guards", f"error_goal = {min(0.5, 2 * learnt['error_goal']):g}")
        return Finding(FAIL, f"{told}: it cannot be kept, {learnt.get('reason', '')}", fix)
    return Finding(PASS, told)


def _given(facts: Facts) -> Finding:
    learnt = facts.run.guards.get("confidence", {})
    share = learnt.get("coverage")
    if share is None:
        return Finding(PASS, "every one: no goal holds any back")
    told = f"{share:.1%} of the evaluation rows"
    fix = facts.amended("guards", f"error_goal = {min(0.5, 2 * learnt['error_goal']):g}")
    if share == 0:
        return Finding(FAIL, told, fix)
    return Finding(WARN if share < _HALF else PASS, told, fix)


QUESTIONS = (
    Question("confidence-goal", "How many wrong answers are too many?", _goal, True),
    Question("answers-given", "How many questions get an answer?", _given, True),
)
