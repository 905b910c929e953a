"""Usage rows written out: a table for people, CSV for spreadsheets, Parquet for everything else."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from fairlead.core.errors import FileUnreadable, MissingExtra
from fairlead.usage.records import DECISION

_NUMBERS = ("requests", "rows", "bytes_in", "bytes_out", "compute_ms", "withheld")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def columns(by: Sequence[str]) -> list[str]:
    """The columns of a flat table: what it is grouped by, the quantities, the four decisions."""
    return [*by, *_NUMBERS, *DECISION]


def flat(row: Mapping[str, Any], by: Sequence[str]) -> list[Any]:
    """A row of `query.totals` as a row of that table."""
    return [row[name] for name in (*by, *_NUMBERS)] + [row["decisions"][name] for name in DECISION]


def as_csv(rows: Sequence[Mapping[str, Any]], by: Sequence[str]) -> str:
    """Comma-separated values with a head.

    A text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns(by))
    writer.writerows([_safe(value) for value in flat(row, by)] for row in rows)
    return out.getvalue()


def _safe(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def as_table(rows: Sequence[Mapping[str, Any]], by: Sequence[str]) -> str:
    """A table with columns of equal width, numbers to the right."""
    shown = [columns(by)]
    for row in rows:
        cells = flat(row, by)
        shown.append([_cell(cell) for cell in cells])
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    left = len(by)
    lines = [
        "  ".join(
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in shown
    ]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else _plain(value) or "-"


def _plain(text: str) -> str:
    """A text that moves no cursor and changes no colour of the terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


def write_parquet(rows: Sequence[Mapping[str, Any]], by: Sequence[str], file: Path) -> None:
    """Writes the flat table as Parquet; there is the whole file or none.

    Raises MissingExtra without pyarrow, FileUnreadable where it cannot be written.
    """
    try:
        arrow: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingExtra(
            "Parquet needs pyarrow", fix="pip install 'fairlead[parquet]', or take --csv"
        ) from error
    types = {name: arrow.int64() for name in (*_NUMBERS, *DECISION)}
    types |= {"compute_ms": arrow.float64()}
    types |= {name: arrow.int64() if name == "version" else arrow.string() for name in by}
    named = columns(by)
    schema = arrow.schema([(name, types[name]) for name in named])
    table = arrow.Table.from_pylist(
        [dict(zip(named, flat(row, by), strict=True)) for row in rows], schema
    )
    part = file.with_name(f".{file.name}.part")
    try:
        parquet.write_table(table, part)
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise FileUnreadable(
            f"it cannot be written: {error.strerror or error}", where=str(file)
        ) from error
