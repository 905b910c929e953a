"""The bookkeeper: the one process that talks to the databases.

It follows the workers' journals and rolls them up into the ledger, and adds up what their guards
have seen (office). Workers never wait for it: when it is away the journals grow, and it catches up
from the offsets that it committed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any, NamedTuple

from fairlead.core.clock import wall_ns
from fairlead.serving.log import flush, log
from fairlead.serving.memory import trim
from fairlead.usage import payloads
from fairlead.usage.accuracy import LiveAccuracy
from fairlead.usage.journal import sealed, segments
from fairlead.usage.ledger import JOURNAL as JOURNAL
from fairlead.usage.ledger import LEDGER as LEDGER
from fairlead.usage.ledger import Ledger, open_ledger
from fairlead.usage.stores.machine import HourPrice
from fairlead.usage.uptime import Uptime

KEPT_BYTES = 256 << 20
KEPT_SEGMENTS = 64
_EVERY_S = 0.5
_SWEEP_NS = 60 * 10**9
_NOTE_NS = 30 * 10**9
"""How often it is noted that the server runs; in its first minute more often."""


class Runs(NamedTuple):
    """What is put on record while a server runs: its workers, and what its machine costs."""

    workers: int
    price: HourPrice


class Bookkeeper:
    """Rolls up the segments of one state folder.

    A segment is finished once it is sealed and holds nothing that is not in the ledger. The
    newest finished ones are kept for those who want to look; no other is ever removed.

    place: of the ledger's database, None for the file in the state folder. runs: what is noted of
    how long the server runs; None where none does.
    """

    def __init__(
        self,
        state: Path,
        place: Path | str | None = None,
        kept_bytes: int = KEPT_BYTES,
        kept_segments: int = KEPT_SEGMENTS,
        kept_days: int = 0,
        runs: Runs | None = None,
    ) -> None:
        self._state = state
        self._place = place
        self._folder = state / JOURNAL
        self._kept_bytes = kept_bytes
        self._kept_segments = kept_segments
        self._kept_days = kept_days
        self._runs = runs
        self._uptime = Uptime()
        self._noted_ns = self._note_after_ns = 0
        self._ledger: Ledger | None = None
        self._finished: set[str] = set()
        self._told: dict[str, str] = {}
        self._month = 0
        self._swept_ns = 0

    def follow(self) -> int:
        """One round over all segments; returns how many records were new."""
        self.careful("payloads", self._sweep)
        if self._runs is not None:
            self._uptime.seen(wall_ns())
        done = self.careful("ledger", self._open)
        if self._ledger is None:
            return 0  # what is answered meanwhile waits in the journal
        for segment in segments(self._folder):
            if segment.name not in self._finished:
                done += self.careful(segment.name, lambda s=segment: self._roll_up(s))
        self.careful("removing", self._remove_oldest)
        self.careful("forgetting", self._forget_months)
        if abs(wall_ns() - self._noted_ns) > self._note_after_ns:
            self.careful("uptime", self._note)
        return done

    def close(self) -> None:
        """Notes how long the server ran, and closes the ledger."""
        if self._ledger is not None:
            self.careful("uptime", self._note)
            self._ledger.close()

    def _open(self) -> int:
        if self._ledger is None:
            self._ledger = open_ledger(self._state, self._place)
            self._ledger.tidy(self._folder)
        return 0

    def _roll_up(self, segment: Path) -> int:
        ledger = self._opened()
        over = sealed(segment)  # asked first: what is read afterwards is all there will be
        done = ledger.roll_up(segment)
        if over and not done:
            ledger.finish(segment)
            self._finished.add(segment.name)
        return done

    def _remove_oldest(self) -> int:
        """Removes finished segments beyond what is kept, oldest first."""
        facts = [(s, s.stat()) for s in segments(self._folder) if s.name in self._finished]
        facts.sort(key=lambda fact: fact[1].st_mtime_ns, reverse=True)
        kept = 0
        surplus: list[Path] = []
        for number, (segment, fact) in enumerate(facts):
            kept += fact.st_size
            if kept > self._kept_bytes or number >= self._kept_segments:
                surplus.append(segment)
        if surplus:
            self._opened().remove(surplus)
            self._finished.difference_update(segment.name for segment in surplus)
        return 0

    def _sweep(self) -> int:
        """Once a minute: removes payloads whose time is over, and gives back memory that nobody
        uses. What reads journals needs megabytes for moments, which the allocator would keep."""
        if abs(wall_ns() - self._swept_ns) > _SWEEP_NS:
            self._swept_ns = wall_ns()
            trim()
            payloads.sweep(self._state)
        return 0

    def _forget_months(self) -> int:
        """Drops the months that ended longer ago than usage is kept, once in each month."""
        today = datetime.fromtimestamp(wall_ns() // 10**9, UTC)
        month = today.year * 12 + today.month
        if self._kept_days and month != self._month:
            self._opened().forget_months(today, self._kept_days)
            self._month = month
        return 0

    def _note(self) -> int:
        """Puts on record that the server runs, and at which price."""
        if self._runs is not None:
            self._noted_ns = wall_ns()
            self._note_after_ns = min(_NOTE_NS, 2 * self._note_after_ns + 10**9)
            self._opened().machine.note(*self._runs, self._uptime.unnoted())
            self._uptime.noted()
        return 0

    def _opened(self) -> Ledger:
        assert self._ledger is not None, "rounds begin with opening it"
        return self._ledger

    def careful(self, what: str, act: Callable[[], int]) -> int:
        """A fault of the disk or the database is told once, and tried again in the next round."""
        try:
            done = act()
        except Exception as error:
            if self._told.get(what) != repr(error):
                self._told[what] = repr(error)
                log("bookkeeping_failed", what=what, error=repr(error))
            return 0
        self._told.pop(what, None)
        return done


class Following(Thread):
    """Follows the journals in a thread of its own, so that workers are answered meanwhile.

    The databases that it writes are opened and closed in it. make: the bookkeeper of the folder.

    accuracy: how right the answers of each version were, as far as true labels have come.
    """

    def __init__(self, state: Path, make: Callable[[Path], Bookkeeper] = Bookkeeper) -> None:
        super().__init__(name="following", daemon=True)
        self._state = state
        self._make = make
        self._over = Event()
        self.accuracy: Mapping[tuple[str, int], Mapping[str, Any]] = {}

    def run(self) -> None:
        try:
            self._run()
        except BaseException as error:
            # The process goes with it, and the supervisor starts another.
            log("bookkeeping_failed", what="following", error=repr(error))
            flush()
            os._exit(1)

    def _run(self) -> None:
        bookkeeper = self._make(self._state)
        opened: list[LiveAccuracy] = []

        def join() -> int:
            # Opened here, so that a database that is damaged costs no line of the ledger.
            joined = 0
            if opened:
                joined = opened[0].follow()
            else:
                opened.append(LiveAccuracy(self._state))
            if joined or not self.accuracy:
                self.accuracy = opened[0].facts()
            return joined

        def follow() -> int:
            joined = bookkeeper.careful("live accuracy", join)
            return bookkeeper.follow() + joined

        while not self._over.is_set():
            follow()
            self._over.wait(_EVERY_S)
        while follow():
            pass
        bookkeeper.close()
        for accuracy in opened:
            accuracy.close()

    def end(self) -> None:
        """Rolls up what is left, and returns when it is done."""
        self._over.set()
        self.join()
