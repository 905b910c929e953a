"""The desk of keys, tenants and plans: does what operators ask, and gives every worker the book.

The database is spoken to in a thread of its own (`clerk`). While it is away, workers go on with the
keys that they know, and a revocation is kept in the state folder and told to them at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

from fairlead.core.access import Key, StoredKey, is_key_id
from fairlead.core.audit import Act, By
from fairlead.core.clock import now, wall_ns
from fairlead.core.errors import FairleadError, KeyNotFound, StateUnavailable
from fairlead.core.model_record import ModelRecord
from fairlead.serving.act_fields import Fields
from fairlead.serving.acting import Room
from fairlead.serving.acts import ACTS
from fairlead.serving.book_messages import Book, revoked_at
from fairlead.serving.clerk import Clerk, Job, News, Outcome, revocation_to_json
from fairlead.serving.exchange import Line, Message, error_to_json
from fairlead.serving.key_acts import revoked_by, told_revoked
from fairlead.serving.log import log
from fairlead.serving.postponed import Postponed
from fairlead.serving.refusals import Refusals
from fairlead.serving.telling import Telling

PATIENCE_S = 0.4
"""Seconds in which the database must have taken a revocation; then it is told without it."""

_COMMAND_LINE = "command line"


@dataclass(slots=True, eq=False)
class _Revoking:
    """A revocation under way. over: it was answered."""

    given: Mapping[str, Any]
    by: By
    done: Callable[[Outcome], None]
    due: float
    over: bool = False


class Keeping:
    """Keys, tenants, plans and the audit trail of one state folder.

    of_models: is told what is on record of models, whenever something has changed.

    open_room: opens their stores; called in a thread. tell: hands a callable from that thread to
    the loop that everything else here runs in (call_soon_threadsafe).
    """

    kinds: frozenset[str] = frozenset(act for act in ACTS if not act.startswith("models."))

    def __init__(
        self,
        folder: Path,
        open_room: Callable[[], Room],
        tell: Callable[[Callable[[], None]], object],
    ) -> None:
        self._postponed = Postponed(folder)
        self._known: dict[str, StoredKey] = {}
        self._telling = Telling(self._whole)
        self._revision = -1
        self._tenants: Mapping[str, Any] = {}
        self._plans: Mapping[str, Any] = {}
        self._read = now()
        self._fault = ""
        self._revoking: list[_Revoking] = []
        self._refusals = Refusals(self.note)
        self.of_models: Callable[[Mapping[str, ModelRecord]], None] = lambda records: None
        self._clerk = Clerk(open_room, self._postponed, tell, self._heard)
        self._clerk.start()

    # --- what is asked ----------------------------------------------------------------------

    def take(self, line: Line, message: Message) -> None:
        """An act that the command line asks for, or a worker for whoever has signed in there."""
        done = answer_to(line, message)
        self.ask(str(message["kind"]), message.get("given") or {}, by_of(line, message), done)

    def ask(
        self, kind: str, given: Mapping[str, Any], by: By, done: Callable[[Outcome], None]
    ) -> None:
        """Does an act; `done` gets its answer or its error, in the loop. May raise an error too."""
        if kind == "keys.revoke":
            self._revoke(_Revoking(given, by, done, now() + PATIENCE_S))
        else:
            self._clerk.ask(Job(kind, given, by, done))

    def note(
        self,
        by: By,
        act: str,
        about: str,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        """Puts an act of another desk into the audit trail. Never raises, never waits."""
        try:
            self._clerk.ask(Act(wall_ns(), by, act, about, before, after))
        except StateUnavailable as error:
            log("bookkeeping_failed", what=f"audit of {act}", error=error.line())

    def refused(self, by: By, act: str, error: FairleadError) -> None:
        """Somebody was refused at the admin listener. Many of one kind become one record."""
        self._refusals.add(by, act, error.id)

    # --- revocations ------------------------------------------------------------------------

    def _revoke(self, revoking: _Revoking) -> None:
        self._revoking.append(revoking)
        job = Job("keys.revoke", revoking.given, revoking.by, partial(self._revoked, revoking))
        try:
            self._clerk.ask(job)
        except StateUnavailable:
            self._postpone(revoking)

    def _revoked(self, revoking: _Revoking, outcome: Outcome) -> None:
        if revoking.over:
            return
        if isinstance(outcome, StateUnavailable):
            self._postpone(revoking)
        else:
            self._answer(revoking, outcome)

    def _answer(self, revoking: _Revoking, outcome: Outcome) -> None:
        revoking.over = True
        self._revoking.remove(revoking)
        revoking.done(outcome)

    def _postpone(self, revoking: _Revoking) -> None:
        """Revokes without the database: on the disk, and in what workers are told."""
        try:
            self._answer(revoking, self._revoke_here(revoking))
        except FairleadError as error:
            self._answer(revoking, error)

    def _overdue(self, revoking: _Revoking) -> None:
        """The database takes long. A key that nobody here knows may be one that it was just given,
        so only the database can say that there is none."""
        try:
            self._answer(revoking, self._revoke_here(revoking))
        except KeyNotFound:
            revoking.due = inf
        except FairleadError as error:
            self._answer(revoking, error)

    def _revoke_here(self, revoking: _Revoking) -> Mapping[str, Any]:
        fields = Fields(revoking.given, "pattern", "dry_run", "exact")
        pattern = revoked_by(fields)
        fitting = [stored.key for stored in self._known.values() if _fits(stored.key, pattern)]
        living = [key for key in fitting if key.revoked_ns is None]
        if fields.truth("dry_run"):
            return told_revoked(living, dry_run=True, postponed=True)
        ids = [key.id for key in living]
        if not fitting:
            ids = self._unseen(pattern)
        moment = wall_ns()
        if ids:
            self._postponed.add(revocation_to_json(ids, moment, revoking.by))
            self._revoke_known(ids, moment)
        return told_revoked(living, postponed=True)

    def _unseen(self, pattern: str) -> list[str]:
        """What to revoke when no key is known that fits: whoever knows the key may be told.

        Raises KeyNotFound where the database was read, StateUnavailable for a pattern where it
        never was.
        """
        if self._revision >= 0:
            raise KeyNotFound(f"no key fits {pattern[:80]!r}", fix="fairlead keys list shows them")
        if not is_key_id(pattern):
            raise StateUnavailable(
                "the database of keys is away, and which keys fit is not known",
                fix="Name a key by its id, or try again later",
            )
        return [pattern]

    def _revoke_known(self, ids: list[str], moment: int) -> None:
        for key_id in ids:
            if key_id in self._known:
                self._known[key_id] = revoked_at(self._known[key_id], moment)
        self._telling.change(revoked=dict.fromkeys(ids, moment))

    # --- the book ---------------------------------------------------------------------------

    def _heard(self, news: News | FairleadError | None) -> None:
        """What the clerk has found in the database."""
        if isinstance(news, FairleadError):
            if self._fault != news.line():
                self._fault = news.line()
                log("keys_away", error=self._fault)
            return
        if self._fault:
            self._fault = ""
            log("keys_back")
        self._read = now()
        if news is not None:
            self._learn(news)

    def _learn(self, news: News) -> None:
        tenants = _changed(self._tenants, news.tenants)
        plans = _changed(self._plans, news.plans)
        if news.full:
            self._known = {}
        self._known |= {stored.key.id: stored for stored in news.keys}
        self._tenants, self._plans, self._revision = news.tenants, news.plans, news.revision
        self.of_models(news.models)
        if news.full:
            self._telling.anew()
        else:
            self._telling.change(news.keys, tenants, plans)
        for act in self._postponed.waiting():
            if act.get("do") == "revoke":  # it came between the clerk's writing and reading
                self._revoke_known(act["ids"], act["ns"])

    def _whole(self) -> Book:
        """Everything that is known."""
        about = self._tenants, self._plans
        return Book(self._revision, True, list(self._known.values()), *about)

    @property
    def age_s(self) -> float:
        """Seconds since the database was read last, or since there is none to be read."""
        return now() - self._read

    def facts(self) -> dict[str, Any]:
        """How it stands, for readiness and metrics.

        database: "works" or "away"; age_s: seconds since it was read; keys: how many are known;
        postponed: acts that wait for the database.
        """
        return {
            "database": "away" if self._fault or self._revision < 0 else "works",
            "age_s": round(self.age_s, 3),
            "revision": self._revision,
            "keys": len(self._known),
            "postponed": len(self._postponed),
        }

    # --- as every desk ----------------------------------------------------------------------

    def joined(self, line: Line) -> None:
        """A worker that has no book yet."""
        self._telling.joined(line)

    def lost(self, line: Line) -> None:
        """A worker that need not be told any more."""
        self._telling.lost(line)

    def beat(self) -> None:
        """Sends what is new, and does not wait for a database that takes too long to revoke."""
        moment = now()
        for revoking in [r for r in self._revoking if moment > r.due]:
            self._overdue(revoking)
        self._telling.beat(self._revision, self.age_s)

    def save(self) -> None:
        """Once a second: refusals that were counted go into the trail."""
        self._refusals.flush()

    def close(self) -> None:
        """Finishes what was asked."""
        self._refusals.flush(all_of_them=True)
        self._clerk.end()


def answer_to(line: Line, message: Message) -> Callable[[Outcome], None]:
    """What sends the outcome of an act over the line on which it was asked for."""
    told = {"kind": "answer", "id": message.get("id")}

    def done(outcome: Outcome) -> None:
        failed = isinstance(outcome, FairleadError)
        line.send(told | ({"error": error_to_json(outcome)} if failed else {"done": outcome}))

    return done


def by_of(line: Line, message: Message) -> By:
    """Who asks over a line: somebody at the command line, or a page for whoever has signed in."""
    if message.get("by"):
        key, address = message["by"]
        return By(str(key), f"{address} through a page, uid {line.uid}")
    return By(f"uid {line.uid}", _COMMAND_LINE)


def _fits(key: Key, pattern: str) -> bool:
    return fnmatchcase(key.id, pattern) or fnmatchcase(key.name, pattern)


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in after.items() if before.get(name) != value}
