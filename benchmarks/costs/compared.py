"""What was foretold beside what was measured: the differences, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.report import table

BOUND = 0.25
FIGURES = ("p50", "p95", "p99", "refused")
_UNREFUSED = 0.001
"""Shares of refused calls below this are equal."""
_SAME, _PROMPT_S = 0.1, 0.001
"""How much slower or faster executions may be, and how late requests leave, in a calm round."""


@dataclass(slots=True)
class Cell:
    """One trace on one model, over all rounds. Seconds, and a share for "refused".

    slip_s: what the 99th of 100 requests left too late. foreign: cores that others used. slower: by
    so many times an execution took longer in the server than in the profile, as it counts itself.
    rescaled: foretold with executions that are slower by that.
    """

    model: str
    trace: str
    calls: int = 0
    dispersion: float = 1.0
    foretold: dict[str, list[float]] = field(default_factory=lambda: {f: [] for f in FIGURES})
    measured: dict[str, list[float]] = field(default_factory=lambda: {f: [] for f in FIGURES})
    slip_s: list[float] = field(default_factory=list[float])
    foreign: list[float] = field(default_factory=list[float])
    slower: list[float] = field(default_factory=list[float])
    rescaled: dict[str, list[float]] = field(default_factory=lambda: {f: [] for f in FIGURES})

    def error(self, figure: str, *, rescaled: bool = False) -> float:
        """By how much what was foretold differs, as a part of what was measured."""
        told = self.rescaled if rescaled else self.foretold
        foretold, measured = median(told[figure]), median(self.measured[figure])
        return _error(figure, foretold, measured)


def _error(figure: str, foretold: float, measured: float) -> float:
    if figure == "refused" and max(foretold, measured) <= _UNREFUSED:
        return 0.0
    return foretold / max(measured, _UNREFUSED if figure == "refused" else 0.0) - 1


def lines(cells: Sequence[Cell], *, rescaled: bool = False) -> list[str]:
    """The table: what was foretold, what was measured [least-most], and the difference."""
    rows: list[list[str]] = []
    for cell in cells:
        row = [cell.model, cell.trace, f"{cell.calls:,}", f"{median(cell.slower):.2f}"]
        for figure in FIGURES:
            scale, form = (100, ".2f") if figure == "refused" else (1e3, ".3g")
            told = median((cell.rescaled if rescaled else cell.foretold)[figure]) * scale
            found = [value * scale for value in cell.measured[figure]]
            between = f"{median(found):{form}} [{min(found):{form}}-{max(found):{form}}]"
            error = cell.error(figure, rescaled=rescaled)
            mark = "" if abs(error) <= BOUND else " !"
            row.append(f"{told:{form}} / {between} {error:+.0%}{mark}")
        rows.append(row)
    names = ("p50 ms", "p95 ms", "p99 ms", "refused %")
    return table(("model", "load", "N", "slower", *names), rows)


def missed(cells: Sequence[Cell], *, rescaled: bool = False) -> list[str]:
    """Every figure that is not within the bound."""
    return [
        f"{cell.model}, {cell.trace}: {figure} {cell.error(figure, rescaled=rescaled):+.0%}"
        for cell in cells
        for figure in FIGURES
        if not abs(cell.error(figure, rescaled=rescaled)) <= BOUND
    ]


def calm(cells: Sequence[Cell]) -> tuple[int, int]:
    """Of single rounds in which the machine was as in the profile: figures within, and all."""
    within = total = 0
    for cell in cells:
        for number, (slower, slip) in enumerate(zip(cell.slower, cell.slip_s, strict=True)):
            if abs(slower - 1) > _SAME or slip > _PROMPT_S:
                continue
            for figure in FIGURES:
                told, found = cell.foretold[figure][number], cell.measured[figure][number]
                within += abs(_error(figure, told, found)) <= BOUND
                total += 1
    return within, total


def shown(cells: Sequence[Cell]) -> list[str]:
    """Both tables, and what is not within the bound."""
    total = len(cells) * len(FIGURES)
    made: list[str] = []
    for rescaled, title in (
        (False, "foretold / measured [least-most], the difference"),
        (
            True,
            "the same, with executions as long as the server itself counted them (slower: times)",
        ),
    ):
        beyond = missed(cells, rescaled=rescaled)
        made += ["", title, "", *lines(cells, rescaled=rescaled), ""]
        made += [f"{total - len(beyond)} of {total} figures within {BOUND:.0%}", *beyond]
    within, total = calm(cells)
    made += ["", f"in single rounds whose executions took within {_SAME:.0%} of what the profile"]
    made += [f"says, and whose requests left in time: {within} of {total} figures"]
    return made
