"""One administrative act under way: what it works on, and the record that goes with its change."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fairlead.access.audit import record_of
from fairlead.access.secrets import Digester
from fairlead.core.audit import Act, By, Head
from fairlead.core.clock import wall_ns
from fairlead.core.errors import StateInvalid
from fairlead.serving.log import log
from fairlead.usage.stores.audit import AuditStore, Noted
from fairlead.usage.stores.database import Database
from fairlead.usage.stores.keys import KeyStore
from fairlead.usage.stores.models import ModelStore
from fairlead.usage.stores.plans import PlanStore


@dataclass(frozen=True, slots=True)
class Room:
    """The stores of keys, tenants, plans, what is said of models, and their audit trail: all in one
    database.

    noted: where the newest record is noted beside. digester: gives its digest for a new secret.
    """

    database: Database
    keys: KeyStore
    plans: PlanStore
    audit: AuditStore
    models: ModelStore
    noted: Noted
    digester: Callable[[], Digester]

    @classmethod
    def of(cls, database: Database, folder: Path, digester: Callable[[], Digester]) -> Room:
        """The stores in a database; folder: of the state, for the note of the newest record."""
        keys, plans = KeyStore(database), PlanStore(database)
        stores = keys, plans, AuditStore(database), ModelStore(database)
        return cls(database, *stores, Noted(folder), digester)

    def close(self) -> None:
        """Closes the database."""
        self.database.close()


@dataclass(frozen=True, slots=True)
class Acting:
    """Somebody does something in the room now (wall clock)."""

    room: Room
    by: By
    now_ns: int

    @contextmanager
    def changing(self) -> Generator[list[Act], None, None]:
        """One transaction for a change and the acts that are put on the list: all or nothing."""
        acts: list[Act] = []
        head: Head | None = None
        with self.room.database.writing():
            yield acts
            if acts:
                head = self.room.audit.append([partial(record_of, act) for act in acts])
        if head is not None:
            note(self.room, head)

    def act(
        self,
        act: str,
        about: str,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> Act:
        """An act of now, for the list."""
        return Act(self.now_ns, self.by, act, about, before, after)


def acting(room: Room, by: By) -> Acting:
    """Somebody who does something now."""
    return Acting(room, by, wall_ns())


def note(room: Room, head: Head) -> None:
    """Notes the newest record in the state folder, if the one that is noted is still in the trail.

    Otherwise the note stays as it is: it shows that records are missing.
    """
    try:
        noted = room.noted.read()
        if noted.number == 0 or room.audit.at(noted.number) == noted:
            room.noted.write(head)
            return
        log("audit_broken", record=noted.number)
    except StateInvalid as error:
        log("audit_broken", error=error.line())
    except OSError as error:
        log("bookkeeping_failed", what="note of the audit trail", error=repr(error))
