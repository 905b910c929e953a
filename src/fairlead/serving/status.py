"""A page of shared memory per worker: its heartbeat, its states, its counts.

Each worker writes its own page four times a second from its event loop, so a fresh heartbeat
proves a live loop. Everyone reads all pages: readiness and metrics are computed, not flagged.
One further page, the first but one, keeps the counts of workers that died, so that no total ever
falls; the first is the bookkeeper's. At the end of its page a worker marks what it executes.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from fairlead.core.clock import monotonic_ns, wall_ns
from fairlead.serving.crashes import SIZE, Marks
from fairlead.serving.machine import anonymous_file

PAGE = 1 << 20
_HEAD = struct.Struct("<QQI")  # sequence (odd while writing), heartbeat in ns, bytes of JSON
_ROOM = PAGE - _HEAD.size - SIZE
"""Bytes of JSON that a page holds."""
FRESH_NS = 1_000_000_000
"""A heartbeat older than this no longer speaks for its worker."""


_COUNTED = ("stats", "refusals", "lines_lost", "spans", "crashes")
_DEAD, _BOOKKEEPER = -1, -2
"""The pages of those that died, and of the bookkeeper."""


class Json(Protocol):
    """What writes and reads the content of a page."""

    def dumps(self, content: Any, /) -> bytes:
        """An object as JSON."""
        ...

    def loads(self, raw: bytes, /) -> Any:
        """The inverse."""
        ...


class _Plain:
    """Python's own."""

    def dumps(self, content: Any, /) -> bytes:
        return json.dumps(content).encode()

    def loads(self, raw: bytes, /) -> Any:
        return json.loads(raw)


def create(workers: int) -> int:
    """An anonymous shared file with a page per worker; its descriptor is inherited by them."""
    return anonymous_file(size=(workers + 2) * PAGE)


def about_process(name: str) -> dict[str, Any]:
    """What a process says of itself on its page: what it is, its number, when it began."""
    return {"process": name, "pid": os.getpid(), "began": round(wall_ns() / 1e9, 3)}


def grow(handle: int, workers: int) -> None:
    """Makes room for so many workers, if there is less; who mapped it before sees counts alone."""
    if os.fstat(handle).st_size < (workers + 2) * PAGE:
        os.ftruncate(handle, (workers + 2) * PAGE)


def merge(pages: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The sum of what several pages count: `stats` by "model/version", `refusals` by error, and
    `lines_lost` and `spans` by what became of them, and `crashes` by key (crashes.py)."""
    total: dict[str, Any] = {name: {} for name in _COUNTED}
    for page in pages:
        total = {name: _sum(total[name], page.get(name, {})) for name in total}
    return total


def _sum(left: Any, right: Any) -> Any:
    """Numbers added, lists element by element, objects name by name."""
    if left.__class__ is dict:
        both = left.keys() & right.keys()
        return {**left, **right, **{k: _sum(left[k], right[k]) for k in both}}
    if left.__class__ is list:
        return [a + b for a, b in zip(left, right, strict=True)]
    return left + right


def _start(index: int) -> int:
    return (index - _BOOKKEEPER) * PAGE


class StatusPages:
    """All pages, mapped into this process.

    count: of workers that there was room for at first, whose pages are 0 to count - 1.
    bookkeeper: the index of its page.
    """

    bookkeeper = _BOOKKEEPER

    def __init__(self, handle: int, codec: Json | None = None) -> None:
        """handle: stays open as long as this is used.

        codec: Python's own where none is given, which takes milliseconds for a page of hundreds of
        versions: workers answer no call meanwhile.
        """
        self._handle = handle
        self._json = codec or _Plain()
        self._map = mmap.mmap(handle, os.fstat(handle).st_size)
        self.count = len(self._map) // PAGE - 2

    def publish(self, index: int, content: Mapping[str, Any]) -> None:
        """Writes page `index` with a fresh heartbeat; of too large a content, what fits."""
        raw = self._fitting(content)
        start = _start(index)
        sequence = _HEAD.unpack_from(self._map, start)[0] | 1
        _HEAD.pack_into(self._map, start, sequence, monotonic_ns(), len(raw))
        self._map[start + _HEAD.size : start + _HEAD.size + len(raw)] = raw
        _HEAD.pack_into(self._map, start, sequence + 1, monotonic_ns(), len(raw))

    def bury(self, index: int, blamed: Iterable[str] = ()) -> None:
        """Forgets a dead worker's page but for its counts, which go to that of the dead.

        blamed: the keys of the versions of which it died.
        """
        page = {**(self._content(index) or {}), "crashes": dict.fromkeys(blamed, 1)}
        self.publish(_DEAD, merge([self._content(_DEAD) or {}, page]))
        self.marks(index).clear()
        sequence = (_HEAD.unpack_from(self._map, _start(index))[0] | 1) + 1
        _HEAD.pack_into(self._map, _start(index), sequence, 0, 0)

    def marks(self, index: int) -> Marks:
        """Where a worker says what it executes."""
        return Marks(self._map, _start(index) + PAGE - SIZE)

    def others(self, index: int) -> list[Marks]:
        """Those of all workers but one, also where room for more was made since."""
        self._reach()
        pages = len(self._map) // PAGE - 2
        return [self.marks(other) for other in range(pages) if other != index]

    def crashed(self) -> Mapping[str, int]:
        """How many workers have died of a version, by its key."""
        return (self._content(_DEAD) or {}).get("crashes", {})

    def beat_ns(self, index: int) -> int:
        """The worker's last heartbeat on the monotonic clock, 0 before the first."""
        return _HEAD.unpack_from(self._map, _start(index))[1]

    def read(self, index: int) -> dict[str, Any] | None:
        """The content of page `index`, None when it is stale, empty or being written."""
        if monotonic_ns() - self.beat_ns(index) > FRESH_NS:
            return None
        return self._content(index)

    def last(self, index: int) -> tuple[float | None, dict[str, Any]]:
        """How many seconds ago page `index` was written, None for never, and what stands there."""
        beat = self.beat_ns(index)
        if not beat:
            return None, {}
        return (monotonic_ns() - beat) / 1e9, self._content(index) or {}

    def fresh(self) -> list[dict[str, Any]]:
        """The content of every worker's page with a fresh heartbeat."""
        pages = (self.read(index) for index in range(self.count))
        return [page for page in pages if page is not None]

    def counts(self) -> dict[str, Any]:
        """What all workers have counted since the server started, the dead and silent included.

        Also those for which room was made since, so that no total falls while workers change.
        """
        self._reach()
        pages = (self._content(index) for index in range(_DEAD, len(self._map) // PAGE - 2))
        return merge(page for page in pages if page is not None)

    def _reach(self) -> None:
        """Maps the pages for which room was made since."""
        size = os.fstat(self._handle).st_size
        if size != len(self._map):
            self._map = mmap.mmap(self._handle, size)

    def _content(self, index: int) -> dict[str, Any] | None:
        start = _start(index)
        for _ in range(8):
            sequence, _, size = _HEAD.unpack_from(self._map, start)
            if size == 0:
                return None
            raw = self._map[start + _HEAD.size : start + _HEAD.size + size]
            if sequence % 2 == 0 and _HEAD.unpack_from(self._map, start)[0] == sequence:
                return self._json.loads(raw)
        return None

    def _fitting(self, content: Mapping[str, Any]) -> bytes:
        """The content as JSON: all of it, or without counts, or reasons, or models."""
        models = content.get("models", {})
        states = {key: {"state": model["state"], "reason": ""} for key, model in models.items()}
        attempts: list[dict[str, Any]] = [{}, {"stats": {}}, {"stats": {}, "models": states}]
        for less in attempts:
            raw = self._json.dumps({**content, **less})
            if len(raw) <= _ROOM:
                return raw
        return self._json.dumps({**content, "stats": {}, "models": {}})
