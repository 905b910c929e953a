"""How a worker loads what may bring it down.

What is new while workers answer is tried by one of them first: if it is the end of that one, the
others go on answering, and load it into a process of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from time import sleep
from typing import NamedTuple
from zlib import crc32

from fairlead.core.clock import now
from fairlead.serving.crashes import EXECUTES, LOADS, RESTS, TRIED, Mark, Marks
from fairlead.serving.machine import locked
from fairlead.serving.status import StatusPages

TURNS = "loading"
"""In the state folder: a file of each version that is tried, locked by the worker that does."""
_TURN_S, _VERDICT_S, _LOOK_S = 60.0, 2.0, 0.05
"""Seconds that a worker waits for another to try a version, for the supervisor to say why that one
died, and between looks."""


class Tried(NamedTuple):
    """A version that is about to be loaded.

    mark: of its executions, None where there is none. fatal: a worker has died of it.
    """

    mark: Mark | None
    fatal: bool


class Trying:
    """One worker's."""

    def __init__(
        self, pages: StatusPages, index: int, state: Path, answering: Callable[[], bool]
    ) -> None:
        """answering: whether callers would notice the end of this worker."""
        self._pages, self._index = pages, index
        self._answering = answering
        self._own = pages.marks(index)
        self._turns = state / TURNS

    @contextmanager
    def loading(self, key: str) -> Generator[Tried]:
        """While the version of this key is loaded, to which its mark is left."""
        with self._turn(key) if self._answering() else nullcontext(False) as first:
            fatal = (first and self._fallen(key)) or key in self._pages.crashed()
            mark = None if fatal else self._own.take(key)
            if mark is None:
                yield Tried(None, fatal)
                return
            try:
                with mark.loading(TRIED if first else LOADS):
                    yield Tried(mark, False)
            except BaseException:
                mark.free()
                raise

    @contextmanager
    def _turn(self, key: str) -> Generator[bool]:
        """Waits while another worker tries the version; whether it has to be tried still."""
        place = self._turns / f"{crc32(key.encode()):08x}.lock"
        try:
            self._turns.mkdir(mode=0o700, exist_ok=True)
            handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:  # a full disk, say, keeps nobody from loading
            yield False
            return
        end, held = now() + _TURN_S, False
        try:
            while not (held := locked(handle)) and not self._proven(key) and now() < end:
                sleep(_LOOK_S)
            yield held and not self._proven(key)
        finally:
            if held:
                place.unlink(missing_ok=True)
            os.close(handle)

    def _fallen(self, key: str) -> bool:
        """Whether who had the turn before has died while it tried the version, and nobody has said
        of what within a while: whether the version was to blame is then found in `crashed`."""
        end = now() + _VERDICT_S
        while TRIED in self._elsewhere(key):
            if now() > end:
                return True
            sleep(_LOOK_S)
        return False

    def _proven(self, key: str) -> bool:
        """Whether a worker has loaded it, and lives."""
        loaded = [*self._elsewhere(key), *_does(self._own, key)]
        return RESTS in loaded or EXECUTES in loaded

    def _elsewhere(self, key: str) -> list[int]:
        """What other workers do with a version."""
        return [does for marks in self._pages.others(self._index) for does in _does(marks, key)]


def _does(marks: Marks, key: str) -> list[int]:
    return [does for found, does in marks.told() if found == key]
