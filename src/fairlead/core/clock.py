"""The two clocks: one for durations and deadlines, one for records that people read."""

from __future__ import annotations

from time import monotonic_ns as monotonic_ns
from time import perf_counter as now
from time import time_ns as wall_ns

__all__ = ["monotonic_ns", "now", "wall_ns"]
