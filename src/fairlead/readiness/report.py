"""Every question put to one version: a report as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.readiness import (
    access,
    bandwidth,
    confidence,
    costs,
    distribution,
    documentation,
    exposure,
    inputs,
    lighter,
    loading,
    machine,
    misuse,
    payment,
    throughput,
    tracking,
)
from fairlead.readiness.facts import FAIL, OWNER, PASS, WARN, Facts, Finding, Question, Verdict

GROUPS: Mapping[str, Sequence[Question]] = {
    group.GROUP: group.QUESTIONS
    for group in (
        exposure,
        inputs,
        access,
        documentation,
        tracking,
        payment,
        misuse,
        machine,
        loading,
        throughput,
        bandwidth,
        distribution,
        confidence,
        costs,
        lighter,
    )
}
"""The questions of each group, in the order in which they are read."""

_WORST: Sequence[Verdict] = (FAIL, OWNER, WARN, PASS)


def report(facts: Facts, when: str) -> dict[str, Any]:
    """Every answer about a version.

    {"model", "version", "exposure", "when", "verdict", "answers": [{"id", "question", "group",
    "verdict", "measured", "fix"}, ...]}. when: the time, as ISO text. The verdict is the worst of
    the answers' ones.
    """
    answers = [
        told(question, group, _found(question, facts))
        for group, questions in GROUPS.items()
        for question in questions
    ]
    return _whole(facts.package.name, facts.package.version, facts.exposure, when, answers)


def broken(name: str, version: int, exposure: str, when: str, found: Finding) -> dict[str, Any]:
    """The report of a version of which nothing can be read: one answer, which fails."""
    question = next(q for q in loading.QUESTIONS if q.id == "loads")
    return _whole(name, version, exposure, when, [told(question, loading.GROUP, found)])


def told(question: Question, group: str, found: Finding) -> dict[str, Any]:
    """One answer as JSON."""
    return {
        "id": question.id,
        "question": question.asks,
        "group": group,
        "verdict": found.verdict,
        "measured": found.measured,
        "fix": found.fix,
    }


def worst(verdicts: Sequence[str]) -> str:
    """The gravest of some verdicts."""
    return next((verdict for verdict in _WORST if verdict in verdicts), PASS)


def _found(question: Question, facts: Facts) -> Finding:
    if question.measures and facts.measured is None:
        return Finding(FAIL, "not measured: it does not load", "see what the answer `loads` says")
    return question.answer(facts)


def _whole(
    name: str, version: int, exposure: str, when: str, answers: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    return {
        "model": name,
        "version": version,
        "exposure": exposure,
        "when": when,
        "verdict": worst([answer["verdict"] for answer in answers]),
        "answers": list(answers),
    }
