"""The list of cases that every server of these protocols must get right names real tests."""

from __future__ import annotations

import ast
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CASES = tomllib.loads((Path(__file__).parent / "golden.toml").read_text())["case"]
COUNT = 71


@cache
def named_in(file: str) -> set[str]:
    """The names of the tests of a file."""
    tree = ast.parse((ROOT / file).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_no_case_is_missing_or_there_twice():
    assert [case["number"] for case in CASES] == [*range(1, COUNT + 1)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["number"]))
def test_each_case_has_tests_that_are_there_or_says_why_it_has_none(case):
    assert case.keys() <= {"number", "rule", "tests", "lacks", "pending"}
    assert case["rule"]
    named = case.get("tests", [])
    assert bool(named) != bool(case.get("pending")), "it has tests, or a reason for none"
    assert len(named) == len({*named})
    for test in named:
        file, _, name = test.partition("::")
        assert name.startswith("test_")
        assert name in named_in(file), test
