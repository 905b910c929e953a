"""The thread that works on the stores of keys, so that a slow or absent database holds up nobody.

It does one act after the other, writes what was postponed as soon as it can, and looks several
times a second whether somebody else has changed something.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from queue import Empty, Full, Queue
from threading import Thread
from typing import Any, NamedTuple

from fairlead.core.access import StoredKey
from fairlead.core.audit import Act, By
from fairlead.core.clock import now
from fairlead.core.errors import FairleadError, Internal, KeyNotFound, StateUnavailable
from fairlead.core.model_record import ModelRecord
from fairlead.serving.acting import Acting, Room
from fairlead.serving.acts import READING, do
from fairlead.serving.key_acts import revocations
from fairlead.serving.log import log
from fairlead.serving.postponed import Postponed

LOOK_S = 0.2
"""Seconds between two looks whether another process has changed something."""

_SOON_S = 0.02
"""The same after an act of ours: many that come together are told together."""

MOST_WAITING = 1000
_LEAVE_S = 15.0
_PORTIONS = 64

Outcome = Mapping[str, Any] | FairleadError


@dataclass(frozen=True, slots=True)
class Job:
    """An act that is to be done; `done` is called with what came of it."""

    kind: str
    given: Mapping[str, Any]
    by: By
    done: Callable[[Outcome], None]


class News(NamedTuple):
    """What has changed in the database: everything when it is full."""

    full: bool
    revision: int
    keys: list[StoredKey]
    tenants: Mapping[str, Any]
    plans: Mapping[str, Any]
    models: Mapping[str, ModelRecord]


class Clerk(Thread):
    """Works until `end`.

    open_room: opens the stores; called in this thread, again after every fault.
    tell:      hands a callable to the loop (call_soon_threadsafe).
    heard:     called in the loop after every look: with what has changed, None when nothing has,
               or with the error that stands in the way.
    """

    def __init__(
        self,
        open_room: Callable[[], Room],
        postponed: Postponed,
        tell: Callable[[Callable[[], None]], object],
        heard: Callable[[News | FairleadError | None], None],
    ) -> None:
        super().__init__(name="clerk", daemon=True)
        self._open_room = open_room
        self._postponed = postponed
        self._tell = tell
        self._heard = heard
        self._jobs: Queue[Job | Act | None] = Queue(MOST_WAITING)
        self._room: Room | None = None
        self._revision = -1
        self._had_keys = False
        self._next_look = 0.0

    # --- called from the loop ---------------------------------------------------------------

    def ask(self, job: Job | Act) -> None:
        """Gives it an act to do, or one to note that is done. Raises StateUnavailable when too
        much waits already."""
        try:
            self._jobs.put_nowait(job)
        except Full:
            raise StateUnavailable(
                "too much waits for the database of keys", fix="Try again later"
            ) from None

    def end(self) -> None:
        """Does what was given to it, and stops; not for ever when the database does not answer."""
        try:
            self._jobs.put(None, timeout=_LEAVE_S)
        except Full:
            return
        self.join(_LEAVE_S)

    # --- the thread -------------------------------------------------------------------------

    def run(self) -> None:
        while True:
            if now() >= self._next_look:
                self._look()
            try:
                job = self._jobs.get(timeout=max(0.0, self._next_look - now()))
            except Empty:
                continue
            if job is None:
                break
            if isinstance(job, Act):
                self._note(job)
            else:
                self._do(job)
        self._close()

    def _do(self, job: Job) -> None:
        outcome: Outcome
        try:
            outcome = do(self._opened(), job.kind, job.given, job.by)
        except FairleadError as error:
            outcome = error
            self._fell_out(error)
        except Exception as error:
            log("bookkeeping_failed", what=job.kind, error=repr(error))
            outcome = Internal("the act failed; the log says why")
        self._tell(partial(job.done, outcome))
        if job.kind not in READING:
            self._next_look = min(self._next_look, now() + _SOON_S)

    def _note(self, act: Act) -> None:
        """An act of another room goes into the trail, or waits until it can."""
        try:
            _write_note(self._opened(), act)
        except Exception as error:
            if isinstance(error, FairleadError):
                self._fell_out(error)
            self._postpone(act)

    def _postpone(self, act: Act) -> None:
        try:
            self._postponed.add(note_to_json(act))
        except FairleadError as error:
            log("bookkeeping_failed", what=f"audit of {act.act}", error=error.line())

    def _look(self) -> None:
        self._next_look = now() + LOOK_S
        found: News | FairleadError | None
        try:
            room = self._opened()
            write_all(room, self._postponed)
            found = self._news(room)
        except FairleadError as error:
            self._fell_out(error)
            found = error
        except Exception as error:
            self._close()
            found = StateUnavailable(f"the database of keys does not work: {error!r}")
        self._tell(partial(self._heard, found))

    def _news(self, room: Room) -> News | None:
        known = self._revision
        if known >= 0 and room.keys.revision() == known:
            return None
        with room.database.reading():
            revision = room.keys.revision()
            full = known < 0 or revision < known
            keys = room.keys.snapshot()[1] if full else room.keys.changes(known)[1]
            tenants, plans = room.plans.told()
            models = room.models.records()
        self._revision, self._had_keys = revision, self._had_keys or bool(keys)
        return News(full, revision, keys, tenants, plans, models)

    def _opened(self) -> Room:
        if self._room is None:
            self._room = self._open_room()
        self._check_kept(self._room)
        return self._room

    def _check_kept(self, room: Room) -> None:
        """Raises StateUnavailable for a database that had keys and has none: no key is ever
        deleted, and whoever took this for the truth would open a server to everybody."""
        lost = self._had_keys and room.keys.revision() < self._revision
        if lost and not room.keys.page(None, "", 1):
            raise StateUnavailable(
                "the database of keys was replaced by an empty one",
                fix="Restore it from a backup, or start the server anew to begin without keys",
            )

    def _fell_out(self, error: FairleadError) -> None:
        """A database that failed is opened anew the next time."""
        if isinstance(error, StateUnavailable):
            self._close()

    def _close(self) -> None:
        if self._room is not None:
            room, self._room = self._room, None
            try:
                room.close()
            except Exception as error:
                log("bookkeeping_failed", what="closing the database of keys", error=repr(error))


def write_all(room: Room, postponed: Postponed) -> None:
    """Does to the database everything that waits for it, oldest first. Raises as a `Database`."""
    waiting = postponed.waiting()
    # What is done is taken out a few at a time: the file of what waits is written anew for it.
    most = max(1, len(waiting) // _PORTIONS)
    for begin in range(0, len(waiting), most):
        done = 0
        try:
            for entry in waiting[begin : begin + most]:
                _write_one(room, entry)
                done += 1
        finally:
            if done:
                postponed.done(done)


def _write_one(room: Room, entry: Mapping[str, Any]) -> None:
    try:
        write_postponed(room, entry)
    except (KeyError, TypeError, ValueError) as error:
        # Whatever this line is, it must not hold up those behind it.
        log("bookkeeping_failed", what="a postponed act", error=repr(error))


def write_postponed(room: Room, entry: Mapping[str, Any]) -> None:
    """Does to the database what could not be done before. Doing it twice changes nothing."""
    by, moment = By(entry["who"], entry["where"]), int(entry["ns"])
    if entry["do"] == "note":
        about = entry["act"], entry["about"], entry["before"], entry["after"]
        _write_note(room, Act(moment, by, *about))
        return
    acting = Acting(room, by, moment)
    with acting.changing() as acts:
        for key_id in entry["ids"]:
            try:
                acts += revocations(acting, room.keys.revoke(key_id, moment))
            except KeyNotFound:
                continue  # the database was restored from before the key was made


def _write_note(room: Room, act: Act) -> None:
    with Acting(room, act.by, act.time_ns).changing() as acts:
        acts.append(act)


def note_to_json(act: Act) -> dict[str, Any]:
    """An act that is done, as it waits for the trail."""
    return {
        "do": "note", "ns": act.time_ns, "who": act.by.who, "where": act.by.where,
        "act": act.act, "about": act.about, "before": act.before, "after": act.after,
    }  # fmt: skip


def revocation_to_json(ids: list[str], moment: int, by: By) -> dict[str, Any]:
    """A revocation as it waits for the database. moment: wall clock, nanoseconds."""
    return {"do": "revoke", "ids": ids, "ns": moment, "who": by.who, "where": by.where}
