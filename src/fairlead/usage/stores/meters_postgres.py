"""Limits of several hosts, counted in PostgreSQL: a row for each, and one function for each call.

A call is one statement, so everything of it is done or nothing, and whoever stops in the middle
keeps nobody waiting. Rows are locked in the order of their names. What they hold is told in
`meters_lua.py`, which does the same.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fairlead.core.metering import PRESENT_NS, Asked, Returned, Told
from fairlead.usage.stores.formats import Part
from fairlead.usage.stores.meter_words import told, written
from fairlead.usage.stores.meters_plpgsql import SCHEMA
from fairlead.usage.stores.postgres import PostgresDatabase

PART = Part("limits", SCHEMA)

_PRESENT_US = PRESENT_NS // 1000

# None begins with SELECT: what was not answered is never said again, since it may have been done.
_LEND = "WITH told AS (SELECT lend_limits(?, ?, CAST(? AS jsonb)) AS it) SELECT it FROM told"
_PRESENT = "WITH told AS (SELECT present_limits(?, ?) AS it) SELECT it FROM told"
_LEAVE = "DELETE FROM limit_holder WHERE who = ?"


class PostgresMeters:
    """See MeterStore. It connects with the first call. Raises as PostgresDatabase."""

    def __init__(self, address: str) -> None:
        self._database = PostgresDatabase(address, "limits")
        self._ready = False

    def lend(
        self, holder: str, groups: Sequence[Sequence[Asked]], returned: Sequence[Returned]
    ) -> list[list[Told]]:
        """As MeterStore."""
        _, said = written(groups, returned)
        [(answer,)] = self._rows(_LEND, (holder, _PRESENT_US, said))
        return told(json.loads(answer))

    def present(self, holder: str) -> int:
        """As MeterStore. What nobody needs any more is removed."""
        [(holders,)] = self._rows(_PRESENT, (holder, _PRESENT_US))
        return holders

    def leave(self, holder: str) -> None:
        """As MeterStore."""
        self._rows(_LEAVE, (holder,))

    def close(self) -> None:
        """As MeterStore."""
        self._database.close()

    def _rows(self, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        if not self._ready:
            self._database.adopt(PART)
            self._ready = True
        return self._database.rows(statement, values)
