"""The ledger: journal records rolled up per quarter of an hour, caller, model, status and decision.

Rolling up is idempotent: the offset reached in each segment is committed together with the sums,
so replaying a segment, or dying anywhere, changes nothing. One process of a state folder writes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from fairlead.usage.records import Names, names_before
from fairlead.usage.segments import remove
from fairlead.usage.stores.database import Database, connection
from fairlead.usage.stores.ledger import FOLDED, PART, LedgerStore
from fairlead.usage.stores.machine import MachineStore
from fairlead.usage.sums import summed

_PLACE = "place"
_MOST_BYTES = 4 << 20
"""Of a segment, summed at once."""


LEDGER, JOURNAL = "ledger.sqlite", "journal"
"""In a state folder: the database of the ledger, unless it lies elsewhere, and the journal."""


def open_ledger(state: Path, place: Path | str | None = None) -> Ledger:
    """The ledger of a state folder. place: of its database, if that is not in the folder.

    Raises StateInvalid, StateUnavailable, and what `open_database` raises for an address.
    """
    database = connection(state / LEDGER if place is None else place, PART.name)
    try:
        database.adopt(PART)
        return Ledger(database, place_of(state / JOURNAL))
    except BaseException:
        database.close()
        raise


class Ledger:
    """The usage of one state folder, kept in a database that other folders may share.

    place: which folder it is (`place_of`).
    """

    def __init__(self, database: Database, place: str) -> None:
        self.store = LedgerStore(database, place)
        self.machine = MachineStore(database, place)
        self._names: dict[str, tuple[int, Names]] = {}

    def close(self) -> None:
        """Closes the database."""
        self.store.database.close()

    def roll_up(self, segment: Path) -> int:
        """Adds what is new in a segment; returns how many records that were.

        So many bytes at most are read at once; 0 means that the segment holds nothing more now.
        Raises StateInvalid for a segment of a newer format.
        """
        name = segment.name
        offset = self.store.reached(name)
        while segment.stat().st_size > offset:
            known, names = self._names.pop(name, (-1, Names()))
            if known != offset:
                names = names_before(segment, offset)
            found = summed(segment, offset, names, _MOST_BYTES)
            if found.reached == offset:
                break
            # Kept also when the database is away: the next try need not look for names again.
            self._names[name] = offset, names
            if not self.store.add(name, offset, found.reached, found.count, found.sums):
                return 0  # another who follows was faster
            self._names[name] = found.reached, names
            if found.count:
                return found.count
            offset = found.reached  # names alone
        return 0

    def finish(self, segment: Path) -> None:
        """Takes down the hash of a sealed segment of which all is rolled up."""
        self._names.pop(segment.name, None)
        if self.store.is_open(segment.name):
            self.store.finish(segment.name, digest(segment))

    def remove(self, segments: Iterable[Path]) -> None:
        """Removes segments of which all is rolled up; what they added stays.

        Dying anywhere in between counts nothing twice: `tidy` does the rest.
        """
        gone = list(segments)
        self.store.fold(segment.name for segment in gone)
        remove(gone)
        self.store.forget(segment.name for segment in gone)

    def tidy(self, folder: Path) -> None:
        """Ends what a removal that was cut short has left."""
        left = [name for name, known in self.store.followed().items() if known.state == FOLDED]
        if left:
            self.remove(folder / name for name in left)

    def forget_months(self, now: datetime, days: int) -> int:
        """Drops sums of months (UTC) that ended more than so many days ago; how many rows. How long
        the server ran in them goes too.

        The space goes back to the disk, or to what is written next.
        """
        oldest = (now - timedelta(days=days)).replace(day=1, hour=0, minute=0, second=0)
        moment = int(oldest.replace(microsecond=0).timestamp())
        dropped = self.store.drop_before(moment // 900)
        self.machine.drop_before(moment * 10**9)
        if dropped:
            self.store.database.rows("VACUUM")
        return dropped


def digest(segment: Path) -> str:
    """The SHA-256 of a segment's bytes, in hexadecimal digits."""
    made = sha256()
    with segment.open("rb") as file:
        while part := file.read(1 << 16):
            made.update(part)
    return made.hexdigest()


def place_of(folder: Path) -> str:
    """Which state folder a journal's folder belongs to: chance, drawn once and kept there."""
    file = folder / _PLACE
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        return file.read_text("ascii").strip()
    except FileNotFoundError:
        drawn = file.with_name(f".{_PLACE}-{os.getpid()}")
        drawn.write_text(os.urandom(8).hex() + "\n", "ascii")
        drawn.chmod(stat.S_IRUSR | stat.S_IWUSR)
        drawn.replace(file)
        return file.read_text("ascii").strip()
