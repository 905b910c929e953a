"""What was measured, as lines for people and JSON for machines, and which promises were kept."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
"""Between these marks a page holds what was measured last."""


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise with the figure that was measured for it.

    measured: None when there is no figure: then it is not kept.
    most:     the figure may be `limit` at most; otherwise it must be `limit` at least.
    """

    text: str
    limit: float
    measured: float | None
    shown: str
    most: bool = False

    @property
    def kept(self) -> bool:
        if self.measured is None:
            return False
        return self.measured <= self.limit if self.most else self.measured >= self.limit

    def to_json(self) -> dict[str, Any]:
        return {
            "promise": self.text,
            "limit": self.limit,
            "measured": self.measured,
            "kept": self.kept,
        }


@dataclass(slots=True)
class Part:
    """One part of the benchmark: its table, its figures and its promises."""

    title: str
    lines: list[str] = field(default_factory=list[str])
    figures: dict[str, Any] = field(default_factory=dict[str, Any])
    promises: list[Promise] = field(default_factory=list[Promise])


def middle(values: Sequence[float]) -> float | None:
    """The median, None of nothing."""
    return statistics.median(values) if values else None


def spread(values: Sequence[float], form: str = ",.0f") -> str:
    """median [least-most]"""
    if not values:
        return "not measured"
    shown = f"{statistics.median(values):{form}}"
    return f"{shown} [{min(values):{form}}-{max(values):{form}}]"


def promise(
    text: str, limit: float, values: Sequence[float], form: str = ".2f", *, most: bool = False
) -> Promise:
    """A promise on the median of one figure per round."""
    return Promise(text, limit, middle(values), spread(values, form), most)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table whose columns also line up in a terminal."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            c.ljust(w) if i == 0 else c.rjust(w)
            for i, (c, w) in enumerate(zip(cells, widths, strict=True))
        ]
        return "| " + " | ".join(padded) + " |"

    rule = ["-" * w if i == 0 else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
    return [line(header), line(rule), *map(line, rows)]


def summary(parts: Sequence[Part]) -> list[str]:
    """Every promise with its figure."""
    rows = [
        [
            p.text,
            f"{'at most' if p.most else 'at least'} {p.limit:g}",
            p.shown,
            "PASS" if p.kept else "FAIL",
        ]
        for part in parts
        for p in part.promises
    ]
    return table(("promise", "limit", "measured", ""), rows)


def document(about: Mapping[str, str], parts: Sequence[Part]) -> list[str]:
    """Everything that was measured, as Markdown."""
    lines = [", ".join(f"{name} {value}" for name, value in about.items()) + "."]
    lines += ["", *summary(parts)]
    for part in parts:
        lines += ["", f"### {part.title}", "", *part.lines]
    return lines


def paste(page: Path, lines: Sequence[str]) -> None:
    """Puts lines between the two marks of a Markdown page. Raises ValueError without marks."""
    text = page.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} has no {BEGIN} and {END}")
    page.write_text("\n".join([before + BEGIN, "", *lines, "", END + after]))
