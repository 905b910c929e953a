"""The deployment check as JSON and for a terminal: facts in, documents out.

A report is what readiness/report.py makes: {"model", "version", "exposure", "when", "verdict",
"answers"}.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from textwrap import wrap
from typing import Any

from fairlead.documents.tables import plain

Report = Mapping[str, Any]

VERDICTS = ("fail", "warn", "owner must say", "pass")
"""From what stops it to what needs nobody."""

FOR = {
    "laptop": "for this laptop alone",
    "internal": "for the people of the house",
    "internet": "for the internet",
}
"""What an exposure is called in a sentence."""

_WORDS = re.compile(r"(?P<lines>.+) under \[(?P<section>\w+)\] of model\.toml; (?P<then>.+)")
"""A fix that is a line of model.toml and the command that takes it (readiness/facts.py)."""

_APART = re.compile(r'(?<=["\d]) and (?=[\w"])')
"""Between the lines of such a fix."""
_MOST_SHOWN = 3

_WIDTH = 96
_MARKS = {"fail": "FAIL", "warn": "warn", "owner must say": "say!", "pass": "pass"}
_COLOURS = {"fail": "1;31", "warn": "33", "owner must say": "36", "pass": "32"}


def json_text(reports: Sequence[Report]) -> str:
    """One object: the report of a single version, or {"models": [report, ...]}."""
    told = reports[0] if len(reports) == 1 else {"models": list(reports)}
    return json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False)


def counts(report: Report) -> dict[str, int]:
    """How many answers have each verdict."""
    found = Counter(str(answer["verdict"]) for answer in report["answers"])
    return {verdict: found[verdict] for verdict in VERDICTS}


def summary(report: Report) -> str:
    """The verdict in a line."""
    told = ", ".join(f"{n} {verdict}" for verdict, n in counts(report).items() if n)
    whom = FOR.get(str(report["exposure"]), str(report["exposure"]))
    ready = "NOT READY" if report["verdict"] == "fail" else "ready"
    return plain(f"{report['model']} version {report['version']}: {ready} {whom}: {told}")


def text(reports: Sequence[Report], *, colours: bool = False) -> str:
    """Everything that is not in order, by group, with what helps; then the verdict."""
    if len(reports) == 1:
        return _one(reports[0], colours)
    return "\n\n\n".join(
        f"{_painted(_title(report), '1;4', colours)}\n\n{_one(report, colours)}"
        for report in reports
    )


def _title(report: Report) -> str:
    return plain(f"== {report['model']} version {report['version']} ==")


def _one(report: Report, colours: bool) -> str:
    lines: list[str] = []
    for group, answers in groupby(report["answers"], lambda answer: answer["group"]):
        every = list(answers)
        shown = [answer for answer in every if answer["verdict"] != "pass"]
        good = len(every) - len(shown)
        if shown:
            more = f"  ({good} pass)" if good else ""
            lines += ["", f"{_painted(plain(group), '1', colours)}{more}"]
        for answer in shown:
            lines += _answer(answer, colours)
    good = counts(report)["pass"]
    lines += _together(report)
    told = [*lines, "", summary(report)] if lines else [summary(report)]
    if good:
        told.append(f"What passes is in --json and --html: {good} of {len(report['answers'])}")
    return "\n".join(told).strip("\n")


def _answer(answer: Mapping[str, Any], colours: bool) -> list[str]:
    verdict = str(answer["verdict"])
    mark = _painted(_MARKS.get(verdict, "????"), _COLOURS.get(verdict, "0"), colours)
    found = wrap(plain(answer["measured"]), _WIDTH) or [""]
    lines = [f"  {mark}  {plain(answer['question'])}", *(f"        {line}" for line in found)]
    if answer["fix"]:
        words = _WORDS.fullmatch(answer["fix"])
        fix = answer["fix"] if words is None else _briefly(words["lines"], words["section"])
        lines.append(f"        fix: {plain(fix)}")  # in one piece, to be copied
    return lines


def _briefly(lines: str, section: str) -> str:
    """Lines of model.toml; of many the first, since all stand together at the end."""
    several = _APART.split(lines)
    if len(several) > _MOST_SHOWN:
        lines = f"{several[0]} and {len(several) - 1} more, below,"
    return f"{lines} under [{section}] of model.toml"


def _together(report: Report) -> list[str]:
    """Every line that belongs into model.toml, by section, and the command that takes them all."""
    sections: dict[str, dict[str, str]] = {}
    commands: dict[str, None] = {}
    for answer in report["answers"]:
        words = _WORDS.fullmatch(answer["fix"])
        if words is None:
            continue
        commands[words["then"]] = None
        for line in _APART.split(words["lines"]):
            sections.setdefault(words["section"], {}).setdefault(line.partition(" = ")[0], line)
    if not sections:
        return []
    lines = ["", "model.toml, with what is yours in place of the dots:"]
    for section, found in sections.items():
        lines += [f"  [{section}]", *(f"  {plain(line)}" for line in found.values())]
    return [*lines, *(f"then: {plain(command)}" for command in commands)]


def _painted(words: str, code: str, colours: bool) -> str:
    return f"\x1b[{code}m{words}\x1b[0m" if colours else words
