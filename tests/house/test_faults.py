"""docs/explanation/faults.md: every row is there once, and shown by tests that there are."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest
from tests.house.source import ROOT

PAGE = ROOT / "docs" / "explanation" / "faults.md"
ATTACKS = [f"A{n}" for n in (*range(19, 27), 32, 33)]
FAULTS = [f"F{n}" for n in (*range(1, 21), *range(25, 43))]
MOST_WITHOUT = 5
"""Rows that may say why the kernel cannot show them, each with the command that fails."""
_ROW = re.compile(r"^\| ([AF]\d+) \| (.+) \| (.+) \| (.+) \|$", re.M)
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_REASON = re.compile(r"\w.*: `[^`]+`")
ROWS = _ROW.findall(PAGE.read_text(encoding="utf-8"))


@cache
def names_in(path: str) -> frozenset[str]:
    """The tests that a file defines."""
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


def test_every_row_is_there_once_and_in_order():
    assert [name for name, *_ in ROWS] == [*ATTACKS, *FAULTS]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_is_shown_by_tests_that_there_are(row):
    _, happens, promised, shown = row
    assert len(happens.split()) > 2
    assert len(promised.split()) > 2
    named = _TEST.findall(shown)
    assert named or _REASON.fullmatch(shown), shown
    if named:
        assert shown == "<br>".join(f"`{path}::{name}`" for path, name in named)
    assert [f"{path}::{name}" for path, name in named if name not in names_in(path)] == []
    assert all(name.startswith("test_") for _, name in named)


def test_few_rows_have_a_reason_in_place_of_a_test():
    assert sum(not _TEST.search(shown) for *_, shown in ROWS) <= MOST_WITHOUT
