"""The states of a version, as words."""

from __future__ import annotations

WAITING, LOADING, WARMING, READY = "waiting", "loading", "warming", "ready"
DRAINING, UNLOADED, FAILED = "draining", "unloaded", "failed"
