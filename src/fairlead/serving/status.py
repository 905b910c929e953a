"""A page of shared memory per worker: its heartbeat, its states, its counts.

Each worker writes its own page four times a second from its event loop, so a fresh heartbeat
proves a live loop. Everyone reads all pages: readiness and metrics are computed, not flagged.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import tempfile
from typing import Any

from fairlead.core.clock import monotonic_ns

PAGE = 1 << 20
_HEAD = struct.Struct("<QQI")  # sequence (odd while writing), heartbeat in ns, bytes of JSON
FRESH_NS = 1_000_000_000
"""A heartbeat older than this no longer speaks for its worker."""


def create(pages: int) -> int:
    """An anonymous shared file for `pages` pages; its descriptor is inherited by the workers."""
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("fairlead-status")
    else:
        with tempfile.TemporaryFile() as file:
            handle = os.dup(file.fileno())
    os.ftruncate(handle, pages * PAGE)
    os.set_inheritable(handle, True)
    return handle


class StatusPages:
    """All pages, mapped into this process."""

    def __init__(self, handle: int) -> None:
        self._map = mmap.mmap(handle, os.fstat(handle).st_size)
        self.count = len(self._map) // PAGE

    def publish(self, index: int, content: dict[str, Any]) -> None:
        """Writes page `index` with a fresh heartbeat; too large a content loses its `stats`."""
        raw = json.dumps(content).encode()
        if len(raw) > PAGE - _HEAD.size:
            raw = json.dumps({**content, "stats": {}}).encode()[: PAGE - _HEAD.size]
        start = index * PAGE
        sequence = _HEAD.unpack_from(self._map, start)[0] | 1
        _HEAD.pack_into(self._map, start, sequence, monotonic_ns(), len(raw))
        self._map[start + _HEAD.size : start + _HEAD.size + len(raw)] = raw
        _HEAD.pack_into(self._map, start, sequence + 1, monotonic_ns(), len(raw))

    def clear(self, index: int) -> None:
        """Forgets a dead worker's page at once."""
        _HEAD.pack_into(self._map, index * PAGE, 0, 0, 0)

    def beat_ns(self, index: int) -> int:
        """The worker's last heartbeat on the monotonic clock, 0 before the first."""
        return _HEAD.unpack_from(self._map, index * PAGE)[1]

    def read(self, index: int) -> dict[str, Any] | None:
        """The content of page `index`, None when it is stale, empty or being written."""
        start = index * PAGE
        for _ in range(8):
            sequence, beat, size = _HEAD.unpack_from(self._map, start)
            if size == 0 or monotonic_ns() - beat > FRESH_NS:
                return None
            raw = self._map[start + _HEAD.size : start + _HEAD.size + size]
            if sequence % 2 == 0 and _HEAD.unpack_from(self._map, start)[0] == sequence:
                return json.loads(raw)
        return None

    def fresh(self) -> list[dict[str, Any]]:
        """The content of every page with a fresh heartbeat."""
        pages = (self.read(index) for index in range(self.count))
        return [page for page in pages if page is not None]
