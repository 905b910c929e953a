"""How long a server ran, and what an hour of its machine cost then: kept for good, never revised.

A stretch is put on record with the whole price that was in force: source, date and version of the
table. It may grow at its end and in nothing else, so what a past day cost stays what it was when
the table or a setting changes. A server of which nobody said a price has stretches without one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from fairlead.usage.stores.formats import Database, Part

PART = Part(
    "machine",
    """
    CREATE TABLE IF NOT EXISTS machine_stretch (
        id INTEGER PRIMARY KEY, place TEXT NOT NULL, began_ns INTEGER NOT NULL,
        until_ns INTEGER NOT NULL, workers INTEGER NOT NULL, hourly_pico INTEGER NOT NULL,
        machine TEXT NOT NULL, region TEXT NOT NULL, source TEXT NOT NULL, date TEXT NOT NULL,
        confidence TEXT NOT NULL, version TEXT NOT NULL) STRICT;
    """,
)
GAP_NS = 120 * 10**9
"""A pause up to so long counts as serving: a restart, or a bookkeeper that came back."""
_FIELDS = (
    "began_ns, until_ns, workers, hourly_pico, machine, region, source, date, confidence, version"
)
_ADD = f"INSERT INTO machine_stretch VALUES (?, ?, {', '.join('?' * 10)})"  # noqa: S608
_LAST = f"SELECT id, {_FIELDS} FROM machine_stretch WHERE place = ? ORDER BY id DESC LIMIT 1"  # noqa: S608


class HourPrice(NamedTuple):
    """What an hour of a machine costs. pico: in 10^-12 US dollars; 0 where nobody said.

    machine, region: as a price table names them; "" where the owner said a price alone. date: the
    day for which the source gives it. confidence, version: of the table's row, and the table's.
    """

    pico: int
    machine: str
    region: str
    source: str
    date: str
    confidence: str
    version: str


UNSAID = HourPrice(0, "", "", "", "", "", "")
"""Nobody said what the machine costs."""


class Stretch(NamedTuple):
    """A time in which a server ran without a pause, wall clock [began, until), at one price.

    workers: how many of its processes could compute at once.
    """

    began_ns: int
    until_ns: int
    workers: int
    price: HourPrice


class MachineStore:
    """The stretches of one database. place: the state folder whose server is noted.

    Every method raises what a `Database` raises.
    """

    def __init__(self, database: Database, place: str) -> None:
        self._database = database
        self._place = place
        database.adopt(PART)

    def note(self, workers: int, price: HourPrice, ran: Iterable[tuple[int, int]]) -> None:
        """Puts on record that the server ran: [began, until) for each time, in their order.

        What goes on after a short pause at the same price lengthens the stretch before. No time is
        counted twice, also where a clock was set back.
        """
        with self._database.writing():
            for began, until in ran:
                self._note(Stretch(began, until, workers, price))

    def _note(self, told: Stretch) -> None:
        found = self._database.rows(_LAST, (self._place,))
        last = _stretch(found[0][1:]) if found else None
        if last is not None and _goes_on(last, told):
            if told.until_ns > last.until_ns:
                change = "UPDATE machine_stretch SET until_ns = ? WHERE id = ?"
                self._database.rows(change, (told.until_ns, found[0][0]))
            return
        began = told.began_ns if last is None else max(told.began_ns, last.until_ns)
        asked = "SELECT coalesce(max(id), 0) + 1 FROM machine_stretch"
        given = self._database.rows(asked)[0][0]
        rest = (max(began, told.until_ns), told.workers, *told.price)
        self._database.rows(_ADD, (given, self._place, began, *rest))

    def stretches(self) -> list[Stretch]:
        """All of them, of every server that shares the database, in the order of time."""
        asked = f"SELECT {_FIELDS} FROM machine_stretch ORDER BY began_ns, id"  # noqa: S608
        return [_stretch(row) for row in self._database.rows(asked)]

    def drop_before(self, wall_ns: int) -> None:
        """Forgets what ended earlier, and of what goes on the part before: as usage is dropped."""
        with self._database.writing():
            self._database.rows("DELETE FROM machine_stretch WHERE until_ns <= ?", (wall_ns,))
            change = "UPDATE machine_stretch SET began_ns = ? WHERE began_ns < ?"
            self._database.rows(change, (wall_ns, wall_ns))


def _goes_on(last: Stretch, told: Stretch) -> bool:
    same = (last.workers, last.price) == (told.workers, told.price)
    return same and told.began_ns - last.until_ns <= GAP_NS


def _stretch(row: tuple[Any, ...]) -> Stretch:
    return Stretch(row[0], row[1], row[2], HourPrice(*row[3:]))
