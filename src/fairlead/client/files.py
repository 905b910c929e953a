"""Whole files through a model: read piece by piece, answered, and kept so that a stop loses little.

Answers go to `OUT.partial` as JSON lines first, with what is done so far beside it; the next run
goes on from there. When all rows are answered the file that was asked for is made of them. Only
JSON and Parquet are ever held in memory as a whole.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO, cast

from fairlead.client.answer import Predictions, flattened
from fairlead.client.talk import counted_from
from fairlead.core.errors import BadUsage, FileUnreadable, MissingExtra, RowsInvalid

FORMATS = ("csv", "json", "jsonl", "parquet")
_ENDINGS = {".csv": "csv", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl",
            ".parquet": "parquet"}  # fmt: skip
STANDARD = "-"
"""Stands for standard input or output."""
ANSWER = "prediction"

Row = dict[str, Any]
Ask = Callable[[list[Row]], Predictions]
"""Asks a model for a piece of rows."""


def format_of(file: str, given: str) -> str:
    """The format of a file by what is said, or by its ending. Raises BadUsage."""
    found = given or _ENDINGS.get(Path(file).suffix.lower(), "")
    if found not in FORMATS:
        raise BadUsage(
            f"the format of {file[:200]} is not known", fix=f"Say --format {'|'.join(FORMATS)}"
        )
    return found


# --- reading ------------------------------------------------------------------------------------


def read(file: str, kind: str) -> Iterator[Row]:
    """The rows of a file, one after the other. Raises FileUnreadable, RowsInvalid, MissingExtra."""
    readers = {"csv": _csv, "json": _json, "jsonl": _lines, "parquet": _parquet}
    try:
        yield from readers[kind](file)
    except OSError as error:
        raise FileUnreadable(f"it cannot be read: {error.strerror}", where=file) from error
    except UnicodeDecodeError:
        raise RowsInvalid("it is not UTF-8", where=file) from None


def _opened(file: str) -> TextIO:
    if file == STANDARD:
        return sys.stdin
    return open(file, encoding="utf-8-sig", newline="")


def _csv(file: str) -> Iterator[Row]:
    with _opened(file) as source:
        reader: Any = csv.reader(source, strict=True)
        try:
            header = cast("list[str]", next(reader, None) or [])
            cells: list[str]
            for number, cells in enumerate(reader):
                if not cells:
                    continue
                if len(cells) != len(header):
                    raise RowsInvalid(
                        f"row {number} has {len(cells)} cells, the header has {len(header)}",
                        where=f"{file}, line {reader.line_num}",
                    )
                yield dict(zip(header, map(_cell, cells), strict=True))
        except csv.Error as error:
            raise RowsInvalid(str(error), where=f"{file}, line {reader.line_num}") from None


def _cell(text: str) -> Any:
    """A cell as a number where it is one, null where it is empty."""
    if not text:
        return None
    try:
        value = float(text) if not text.lstrip("+-").isdigit() else int(text)
    except ValueError:
        return text
    return value if value == value and abs(value) != float("inf") else text


def _lines(file: str) -> Iterator[Row]:
    with _opened(file) as source:
        for number, line in enumerate(source):
            if line.strip():
                yield _row(_parsed(line, f"{file}, line {number + 1}"), f"line {number + 1}")


def _json(file: str) -> Iterator[Row]:
    with _opened(file) as source:
        value = _parsed(source.read(), file)
    rows: Any = value.get("rows") if value.__class__ is dict and "rows" in value else value
    if rows.__class__ is not list:
        raise RowsInvalid("the file must hold a list of rows", where=file)
    for number, row in enumerate(rows):
        yield _row(row, f"row {number}")


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise RowsInvalid(f"it is no JSON: {error}", where=where) from None


def _row(value: Any, where: str) -> Row:
    if value.__class__ is not dict:
        raise RowsInvalid("a row must be an object by column name", where=where)
    return value


def _parquet(file: str) -> Iterator[Row]:
    if file == STANDARD:
        raise BadUsage("Parquet is not read from standard input", fix="Name a file")
    arrow = _arrow()
    with arrow.ParquetFile(file) as source:
        for batch in source.iter_batches(1000):
            yield from batch.to_pylist()


def _arrow() -> Any:
    try:
        return import_module("pyarrow.parquet")
    except ImportError:
        raise MissingExtra("Parquet needs pyarrow", fix="pip install 'fairlead[parquet]'") from None


# --- answering ----------------------------------------------------------------------------------


@dataclass
class Progress:
    """How far a run is: rows that are answered, and the bytes of their answers."""

    rows: int = 0
    size: int = 0


class Partial:
    """The answers so far, on the disk beside the file that is to be made."""

    def __init__(self, out: str, about: dict[str, Any]) -> None:
        """about: what the answers depend on; those of anything else are not gone on with."""
        self.file = Path(out + ".partial")
        self._noted = Path(out + ".progress")
        self._about = about
        self.progress = self._found()

    def _found(self) -> Progress:
        try:
            told = json.loads(self._noted.read_text())
            if told["about"] == self._about and self.file.stat().st_size >= told["size"]:
                return Progress(int(told["rows"]), int(told["size"]))
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return Progress()

    def open(self) -> Any:
        """The file, cut to what is surely whole, for more to be written."""
        file = open(self.file, "ab")  # noqa: SIM115 - closed by who asked
        file.truncate(self.progress.size)
        return file

    def note(self, file: Any, rows: int) -> None:
        """So many more rows are on the disk."""
        file.flush()
        os.fsync(file.fileno())
        self.progress = Progress(self.progress.rows + rows, file.tell())
        beside = self._noted.with_suffix(".new")
        told = {"about": self._about, "rows": self.progress.rows, "size": self.progress.size}
        beside.write_text(json.dumps(told))
        os.replace(beside, self._noted)

    def remove(self) -> None:
        """All is done."""
        self.file.unlink(missing_ok=True)
        self._noted.unlink(missing_ok=True)


def answer(
    rows: Iterator[Row], ask: Ask, partial: Partial, size: int, told: Callable[[int], None]
) -> None:
    """Answers all rows that are not answered yet, in pieces of `size`; told: of how many are.

    Errors that name a row count it from 0 at the beginning of the file.
    """
    for _ in range(partial.progress.rows):
        next(rows, None)
    with partial.open() as file:
        while piece := [row for _, row in zip(range(size), rows, strict=False)]:
            with counted_from(partial.progress.rows):
                found = ask(piece)
            lines = [
                json.dumps({**row, ANSWER: one}, default=str)
                for row, one in zip(piece, found.rows, strict=True)
            ]
            file.write("".join(line + "\n" for line in lines).encode())
            partial.note(file, len(piece))
            told(partial.progress.rows)


# --- writing ------------------------------------------------------------------------------------


def write(partial: Path, out: str, kind: str) -> None:
    """Makes the file that was asked for of the answers, at once or not at all."""
    if out == STANDARD:
        _write(partial, sys.stdout, kind)
        return
    beside = Path(out + ".new")
    if kind == "parquet":
        _write_parquet(partial, beside)
    else:
        with open(beside, "w", encoding="utf-8", newline="") as file:
            _write(partial, file, kind)
    os.replace(beside, out)


def _answers(partial: Path) -> Iterator[Row]:
    with open(partial, encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _flat(row: Row) -> Row:
    """An answered row with single values only."""
    given: Any = row.pop(ANSWER)
    return row | {f"{ANSWER}.{name}": value for name, value in flattened(given).items()}


def _names(partial: Path) -> list[str]:
    """Every column of the answers, as they first appear."""
    names: dict[str, None] = {}
    for row in _answers(partial):
        names |= dict.fromkeys(_flat(row))
    return list(names)


def _write(partial: Path, file: TextIO, kind: str) -> None:
    if kind == "jsonl":
        for row in _answers(partial):
            file.write(json.dumps(row) + "\n")
    elif kind == "json":
        for number, row in enumerate(_answers(partial)):
            file.write(("[\n" if not number else ",\n") + json.dumps(row))
        file.write("\n]\n" if partial.stat().st_size else "[]\n")
    elif kind == "csv":
        writer = csv.DictWriter(file, _names(partial), restval="", lineterminator="\n")
        writer.writeheader()
        for row in _answers(partial):
            writer.writerow(_flat(row))
    else:
        raise BadUsage("Parquet is not written to standard output", fix="Name a file with --out")


def _write_parquet(partial: Path, out: Path) -> None:
    arrow: Any = import_module("pyarrow")
    names = _names(partial)
    rows = [_flat(row) for row in _answers(partial)]
    table = arrow.table({name: [row.get(name) for row in rows] for name in names})
    _arrow().write_table(table, str(out))
