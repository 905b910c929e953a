"""Which versions were executing in a worker when it died, told by memory that outlives it.

A graph that brings down its process would do so each time that it is asked. So each version that is
executed inside a worker marks its executions. Who finds the worker dead reads the marks, and from
then on such a version is kept in a process of its own (loading.py).
"""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager
from mmap import mmap
from threading import Lock

SLOTS, _SLOT, _HEAD = 256, 256, 2
SIZE = SLOTS * _SLOT
"""Bytes of the marks of one worker: a slot of each version, which begins with what it does and how
long its name is."""
RESTS, EXECUTES, LOADS, TRIED = range(4)
"""What a version does; TRIED: it is loaded by the first worker of all (trying.py)."""

STUCK = 70
"""The exit status of a worker that an execution holds up which cannot be ended otherwise."""
_SIGNALS = (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT)
_CRASHES = frozenset((STUCK, *(-number for number in _SIGNALS)))


def crashed(status: int) -> bool:
    """Whether a process that ended with this status (negative: by this signal) ended by what it
    executed, rather than being told to or for want of memory."""
    return status in _CRASHES


def key_of(model: str, version: int, stamp: str) -> str:
    """What marks call a version. stamp: of its files; other files are another version."""
    return f"{model}/{version}@{stamp}"


def label_of(key: str) -> str:
    """ "model/version" of a key."""
    return key.rpartition("@")[0] or key


class Mark:
    """Of one version: entered while it executes, by any number of threads.

    Nothing else runs between the question whether a thread is inside and the answer's writing: the
    interpreter's lock changes hands at calls and at the ends of loops alone.
    """

    __slots__ = ("_inside", "_memory", "_start")

    def __init__(self, memory: mmap, start: int) -> None:
        self._memory = memory
        self._start = start
        self._inside: list[None] = []

    def __enter__(self) -> None:
        self._inside.append(None)
        self._memory[self._start] = EXECUTES

    def __exit__(self, *error: object) -> None:
        self._inside.pop()
        if not self._inside:
            self._memory[self._start] = RESTS

    @contextmanager
    def loading(self, does: int) -> Generator[None]:
        """It is loaded: LOADS or TRIED."""
        self._memory[self._start] = does
        yield
        self._memory[self._start] = RESTS

    def free(self) -> None:
        """The version is gone; its slot may be another's."""
        self._memory[self._start : self._start + _HEAD] = bytes(_HEAD)


class Marks:
    """All marks of one worker: what it has loaded, and what each does."""

    def __init__(self, memory: mmap, start: int) -> None:
        """start: of its SIZE bytes in the memory."""
        self._memory = memory
        self._places = range(start, start + SIZE, _SLOT)
        self._lock = Lock()

    def take(self, key: str) -> Mark | None:
        """A mark of a version; None where there is no room for it."""
        name = key.encode()
        if len(name) > _SLOT - _HEAD:
            return None
        with self._lock:
            for place in self._places:
                if not self._memory[place + 1]:
                    self._memory[place + _HEAD : place + _HEAD + len(name)] = name
                    self._memory[place : place + _HEAD] = bytes((RESTS, len(name)))
                    return Mark(self._memory, place)
        return None

    def told(self) -> list[tuple[str, int]]:
        """Every version, with what it does."""
        now = self._memory[self._places.start : self._places.stop]
        found: list[tuple[str, int]] = []
        for number, size in enumerate(now[1::_SLOT]):
            if size:
                start = number * _SLOT
                name = now[start + _HEAD : start + _HEAD + size]
                found.append((name.decode(errors="replace"), now[start]))
        return found

    @property
    def blamed(self) -> list[str]:
        """The versions of which the worker died: what it tried, or else all that it executed or
        loaded."""
        busy = [(key, does) for key, does in self.told() if does != RESTS]
        tried = {key for key, does in busy if does == TRIED}
        return sorted(tried or {key for key, _ in busy})

    def clear(self) -> None:
        """There is no worker any more."""
        self._memory[self._places.start : self._places.stop] = bytes(SIZE)
