"""Rows for a terminal: in columns, and nothing in a cell steers the terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fairlead.documents.tables import table, words


def test_columns_are_as_wide_as_their_longest_cell():
    shown = table(("id", "name"), [("key_1", "web"), ("k", "a longer name")])
    assert shown.splitlines() == ["id     name", "key_1  web", "k      a longer name"]


def test_without_a_head_there_are_only_the_rows():
    assert table(None, [("a", None), ("bb", 3)]) == "a\nbb  3"


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1))
def test_a_row_is_one_printable_line(rows):
    lines = table(None, rows).split("\n")
    assert len(lines) == len(rows)
    assert all(line.isprintable() for line in lines)


def test_a_list_is_shown_as_words():
    assert words(["predict:a", "usage:read"]) == "predict:a usage:read"
    assert words(5) == "5"
