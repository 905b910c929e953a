"""How a worker loads what may bring it down.

What is new while workers answer is tried by one of them first: if it is the end of that one, the
others go on answering, and load it into a process of its own.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from time import sleep
from typing import NamedTuple

from fairlead.core.clock import now
from fairlead.serving.crashes import EXECUTES, TRIED, Mark
from fairlead.serving.status import StatusPages

LOCK = "loading.lock"
"""In the state folder: held by the worker that tries a version."""
_TURN_S, _VERDICT_S, _LOOK_S = 60.0, 2.0, 0.02
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
        self._pages = pages
        self._answering = answering
        self._known: set[str] = set()
        self._own = pages.marks(index)
        self._others = [pages.marks(other) for other in range(pages.count) if other != index]
        self._lock = state / LOCK

    @contextmanager
    def loading(self, key: str) -> Generator[Tried]:
        """While the version "model/version" is loaded, to which its mark is left."""
        new = key not in self._known and self._answering()
        with self._turn(key) if new else nullcontext(False) as first:
            fatal = (first and self._fallen(key)) or key in self._pages.crashed()
            mark = None if fatal else self._own.take(key)
            if mark is None:
                yield Tried(None, fatal)
                return
            try:
                with mark.loading(TRIED if first else EXECUTES):
                    yield Tried(mark, False)
            except BaseException:
                mark.free()
                raise
        self._known.add(key)

    def _fallen(self, key: str) -> bool:
        """Whether who had the turn before has died while it tried the version, and nobody has said
        of what within a while: whether the version was to blame is then found in `crashed`."""
        end = now() + _VERDICT_S
        while (key, TRIED) in self._elsewhere():
            if now() > end:
                return True
            sleep(_LOOK_S)
        return False

    def _elsewhere(self) -> list[tuple[str, int]]:
        return [told for marks in self._others for told in marks.told()]

    @contextmanager
    def _turn(self, key: str) -> Generator[bool]:
        """Waits until no other worker tries a version; whether this one has to be tried still."""
        try:
            handle = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:  # a full disk, say, keeps nobody from loading
            yield False
            return
        try:
            end = now() + _TURN_S
            while not self._proven(key) and now() < end:
                with suppress(BlockingIOError):
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                sleep(_LOOK_S)
            first = not self._proven(key) and now() < end
            if not first:
                fcntl.flock(handle, fcntl.LOCK_UN)
            yield first
        finally:
            os.close(handle)

    def _proven(self, key: str) -> bool:
        """Whether another worker has loaded it."""
        return any(k == key and does != TRIED for k, does in self._elsewhere())
