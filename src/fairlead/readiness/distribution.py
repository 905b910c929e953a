"""In-distribution guard: whether rows unlike the training rows are told apart, tried out."""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.readiness.facts import FAIL, PASS, WARN, Facts, Finding, Question, Verdict

GROUP = "In-distribution guard"
_MOST = 0.9


def _novelty(facts: Facts) -> Finding:
    learnt, choice = facts.run.guards.get("novelty"), facts.package.guards.novelty
    if choice == "off":
        fix = facts.amended("guards", 'novelty = "reject"')
        return Finding(facts.grave, "off: every row is answered", fix)
    if not learnt:
        return Finding(facts.grave, "unlearnt: every row is answered", _learn(facts))
    told = f"{choice}, {learnt['false_alarm_rate']:.2%} of good rows mistaken"
    fix = facts.amended("guards", 'novelty = "reject"')
    return Finding(facts.mild if choice in ("shadow", "warn") else PASS, told, fix)


def _strange(facts: Facts) -> Finding:
    held, marked, tried = facts.run.strange
    if not tried:
        return Finding(facts.mild, "not tried: the model takes no rows", _learn(facts))
    told = f"of {tried} rows with one value far away, {held} are held back, {marked} marked"
    if held + marked < _MOST * tried:
        return Finding(facts.grave, told, _learn(facts))
    more = facts.packed(reference=True) + ", with more rows"
    return Finding(facts.mild if held < _MOST * tried else PASS, told, more)


def _usual(facts: Facts) -> Finding:
    passes = facts.run.passes
    told = f"the example is given the decision {passes}"
    known: Mapping[str, Verdict] = {"serve": PASS, "warn": WARN}
    return Finding(known.get(passes, FAIL), told, _learn(facts))


def _learn(facts: Facts) -> str:
    return facts.packed(reference=True)


QUESTIONS = (
    Question("novelty-guard", "Are rows unlike the training rows told apart?", _novelty, True),
    Question("strange-rows", "Is a row that makes no sense held back, tried out?", _strange, True),
    Question("usual-rows", "Is a usual row let through, tried out?", _usual, True),
)
