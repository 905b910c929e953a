"""The bookkeeper: the one process that talks to the database.

It follows the workers' journals and rolls them up into the ledger. Workers never wait for it:
when it is away the journals grow, and it catches up from the offsets that it committed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event

from fairlead.serving.log import configure, log
from fairlead.usage.journal import sealed, segments
from fairlead.usage.ledger import Ledger

LEDGER = "ledger.sqlite"
JOURNAL = "journal"
KEPT_BYTES = 256 << 20
KEPT_SEGMENTS = 64
_EVERY_S = 0.5
_NICENESS = 10  # predictions come first; the journal can wait


class Bookkeeper:
    """Rolls up the segments of one state folder.

    A segment is finished once it is sealed and holds nothing that is not in the ledger. The
    newest finished ones are kept for those who want to look; no other is ever removed.
    """

    def __init__(
        self, state: Path, kept_bytes: int = KEPT_BYTES, kept_segments: int = KEPT_SEGMENTS
    ) -> None:
        self._folder = state / JOURNAL
        self._kept_bytes = kept_bytes
        self._kept_segments = kept_segments
        self._ledger = Ledger(state / LEDGER)
        self._finished: set[str] = set()
        self._told: dict[str, str] = {}
        here = {segment.name for segment in segments(self._folder)}
        self._ledger.forget(self._ledger.followed() - here)

    def follow(self) -> int:
        """One round over all segments; returns how many records were new."""
        done = 0
        for segment in segments(self._folder):
            if segment.name not in self._finished:
                done += self._careful(segment.name, lambda s=segment: self._roll_up(s))
        self._careful("removing", self._remove_oldest)
        return done

    def close(self) -> None:
        """Closes the ledger."""
        self._ledger.close()

    def _roll_up(self, segment: Path) -> int:
        over = sealed(segment)  # asked first: what is read afterwards is all there will be
        done = self._ledger.roll_up(segment)
        if over and not done:
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
            for segment in surplus:
                segment.unlink()
            # An offset may be dropped only when its file cannot come back after a power cut.
            _sync(self._folder)
            self._ledger.forget(segment.name for segment in surplus)
            self._finished.difference_update(segment.name for segment in surplus)
        return 0

    def _careful(self, what: str, act: Callable[[], int]) -> int:
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


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def main(arguments: list[str]) -> int:
    """Runs until SIGTERM, or until the supervisor's end of the pipe closes.

    arguments: the state folder, the descriptor of the pipe, and what `log.configure` takes.
    """
    configure(*arguments[2:])
    over = Event()
    signal.signal(signal.SIGTERM, lambda number, frame: over.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe = int(arguments[1])
    os.set_blocking(pipe, False)
    with suppress(OSError):
        os.nice(_NICENESS)
    bookkeeper = Bookkeeper(Path(arguments[0]))
    while not over.is_set():
        bookkeeper.follow()
        over.wait(_EVERY_S)
        if _closed(pipe):
            # The supervisor is gone: what is left to roll up is there for the next server.
            return 1
    while bookkeeper.follow():
        pass
    bookkeeper.close()
    return 0


def _closed(pipe: int) -> bool:
    try:
        return os.read(pipe, 1) == b""
    except BlockingIOError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
