"""Rows for a terminal, in columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast


def table(head: Sequence[str] | None, rows: Sequence[Sequence[object]]) -> str:
    """The rows under their head, each column as wide as its longest cell."""
    lines = [[plain(cell) for cell in row] for row in (rows if head is None else [head, *rows])]
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def words(value: object) -> str:
    """A JSON value as a cell: the parts of a list beside each other."""
    if isinstance(value, list):
        return " ".join(str(part) for part in cast("list[object]", value))
    return str(value)


def plain(value: object) -> str:
    """A value as text that steers no terminal, and does not look like another row."""
    text = "" if value is None else str(value)
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
