"""docs/reference/checks.md has every question of the deployment check under its group."""

from __future__ import annotations

import re

from tests.house.source import HOUSE, ROOT

from fairlead.readiness.report import GROUPS

PAGE = (ROOT / "docs" / "reference" / "checks.md").read_text(encoding="utf-8")


def test_every_question_has_its_heading_below_its_group_and_no_other_is_there():
    found: dict[str, list[str]] = {}
    for level, name in re.findall(r"^(##|###) (.+)$", PAGE, re.M):
        if level == "##":
            found[name] = []
        else:
            found[list(found)[-1]].append(name)
    assert found == {group: [q.id for q in questions] for group, questions in GROUPS.items()}


def test_every_question_says_when_it_passes_and_when_not():
    sections = re.findall(r"^### .+\n\n((?:(?!#).*\n?)+)", PAGE, re.M)
    assert len(sections) == sum(map(len, GROUPS.values()))
    assert all(section.strip().endswith(".") for section in sections)


def test_a_group_that_stands_alone_is_named_in_the_contract_and_asked():
    """A file of the room is a group of questions, or what groups are made of."""
    own = {"__init__", "facts", "report"}
    groups = {f.stem for f in (HOUSE / "readiness").glob("*.py")} - own
    contract = (ROOT / ".importlinter").read_text(encoding="utf-8")
    assert {*re.findall(r"^ {4}fairlead\.readiness\.(\w+)$", contract, re.M)} == groups
    assert len(groups) == len(GROUPS)
