"""The two clocks: one for durations and deadlines, one for records that people read."""

from __future__ import annotations

from datetime import UTC, date, datetime
from time import monotonic_ns as monotonic_ns
from time import perf_counter as now
from time import time_ns as wall_ns

__all__ = ["monotonic_ns", "now", "today", "wall_ns"]


def today() -> date:
    """The date in UTC, by which prices and their ages are told everywhere."""
    return datetime.fromtimestamp(wall_ns() / 1e9, UTC).date()
