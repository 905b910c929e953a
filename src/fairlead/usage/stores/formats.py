"""Formats of databases: what a new one is made of, and how an older one becomes the newest.

A part is the tables of one store. Several parts may lie in one database, each with a format of its
own, noted in the table `format`. All of a change of format happens, or nothing of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from fairlead.core.errors import StateInvalid, StateNewer


class Database(Protocol):
    """A database in one process and one thread. SQL is written once, with `?`, for every kind.

    Every method raises StateUnavailable (away, full, read-only, held by another: ask again
    later; StateUncertain for a change of which nobody knows), StateInvalid (damaged, or not the
    tables that are expected), StateConflict (a rule of a table), StateValueInvalid (a value that
    cannot be kept). A database that went away is opened anew when it is next asked.
    """

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """What one statement answers; [] for one that answers nothing."""
        ...

    def many(self, sql: str, values: Iterable[Sequence[object]]) -> None:
        """One statement for each of many rows; only within `writing`."""
        ...

    def writing(self) -> AbstractContextManager[None]:
        """One change: all of a block or, after any error in it, nothing.

        Others that write wait meanwhile, so what is read in it stays true until its end.
        """
        ...

    def reading(self) -> AbstractContextManager[None]:
        """A block that sees one moment of the database."""
        ...

    def adopt(self, part: Part) -> None:
        """Has the tables of one more store here, brought to their format."""
        ...

    def close(self) -> None:
        """Closes it. Every other method opens it again."""
        ...


Migration = str | Callable[[Database], None]
"""SQL statements, or a function that is called within the transaction."""


@dataclass(frozen=True, slots=True)
class Part:
    """The tables of one store.

    name:       what it is called, such as "keys": in errors, and where its format is noted.
    schema:     statements that make what is missing (IF NOT EXISTS), in the types INTEGER (64
                bits), TEXT, REAL and BLOB; STRICT and WITHOUT ROWID where SQLite has use for it.
    format:     counted from 1.
    migrations: by format, what makes the next one of it; the schema runs afterwards.
    """

    name: str
    schema: str
    format: int = 1
    migrations: Mapping[int, Migration] = field(default_factory=dict[int, Migration])

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z_]{1,30}", self.name):
            raise ValueError(f"{self.name!r} is no name of a part")


class Adopting(Database, Protocol):
    """What a kind of database does for a change of format, within a transaction."""

    def noted(self, name: str) -> int | None:
        """The format of a part, None where there is nothing of it."""
        ...

    def note(self, name: str, number: int) -> None:
        """Notes the format of a part."""
        ...

    def script(self, statements: str) -> None:
        """Runs the statements of a schema."""
        ...

    def keep_copy(self, part: Part) -> None:
        """Copies everything as it is, to come back to if the newer format is not wanted."""
        ...


def bring_up(database: Adopting, part: Part) -> None:
    """Makes the tables of a part, or of an older format the newest. Not within a transaction.

    Raises StateNewer for a format that this release does not know.
    """
    if database.noted(part.name) == part.format:
        return
    with database.writing():
        found = database.noted(part.name)  # once more: another may have been first
        if found is not None and found > part.format:
            raise StateNewer(
                f"the {part.name} are of format {found}, this release knows {part.format}",
                fix="Use the release that wrote them, or restore an older backup",
            )
        if found is not None and found < part.format:
            database.keep_copy(part)
            for number in range(found, part.format):
                _migrate(database, part, number)
        database.script(part.schema)
        database.note(part.name, part.format)


def _migrate(database: Adopting, part: Part, number: int) -> None:
    migration = part.migrations.get(number)
    if migration is None:
        raise StateInvalid(
            f"the {part.name} are of format {number}, which this release no longer reads",
            fix="Open them with an earlier release first",
        )
    if isinstance(migration, str):
        database.script(migration)
    else:
        migration(database)
