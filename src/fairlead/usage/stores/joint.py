"""Several stores in one database: what each changes for itself becomes one change."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any

from fairlead.usage.stores.formats import Database, Part


class Joint:
    """A database in which `writing` within `writing` is the same change, and so for `reading`.

    An error that leaves the outermost block undoes all of it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._within = False

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        return self._database.rows(sql, values)

    def many(self, sql: str, values: Iterable[Sequence[object]]) -> None:
        self._database.many(sql, values)

    @contextmanager
    def writing(self) -> Generator[None, None, None]:
        if self._within:
            yield
            return
        with self._database.writing(), self._one():
            yield

    @contextmanager
    def reading(self) -> Generator[None, None, None]:
        if self._within:
            yield
            return
        with self._database.reading(), self._one():
            yield

    @contextmanager
    def _one(self) -> Generator[None, None, None]:
        self._within = True
        try:
            yield
        finally:
            self._within = False

    def adopt(self, part: Part) -> None:
        self._database.adopt(part)

    def close(self) -> None:
        self._database.close()
