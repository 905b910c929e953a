"""A profile for tests of what is reckoned: plausible, small, and the same each time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fairlead.costs.profile import QUANTILES, Payload, Point, Profile, Scaling, Service, Setting


def service(rows: int, mean_s: float, *, spread: float = 0.2, threads: int = 1) -> Service:
    """Execution times that grow evenly from (1 - spread) to (1 + spread) of their mean."""
    steps = [2 * i / (QUANTILES - 1) - 1 for i in range(QUANTILES)]
    return Service(rows, threads, tuple(mean_s * (1 + spread * step) for step in steps), mean_s)


def profile(one_s: float = 0.05, row_s: float = 0.01, **more: Any) -> Profile:
    """one_s: seconds of a row alone; row_s: of each further row in one execution."""
    each = tuple(service(rows, one_s + (rows - 1) * row_s) for rows in (1, 2, 4, 8))
    made = Profile(
        model="total",
        version=1,
        runtime="onnx",
        taken="2026-11-26",
        machine="x86_64, 2 cores, a test",
        cores=2,
        arch="x86_64",
        gpu="",
        offer="",
        load_s=1.5,
        disk_bytes=200 << 20,
        base_bytes=150 << 20,
        steady_bytes=900 << 20,
        peak_bytes=1 << 30,
        inline=one_s < 0.0025,
        slots=1,
        max_rows=8,
        call_s=20e-6,
        path_s=300e-6,
        services=each,
        points=(Point(1, 1 / (one_s + 300e-6), one_s, one_s * 1.2),),
        scaling=Scaling(1 / one_s, 0.1, 0.001, 0.02),
        payloads=(Payload("rest", 1200, 600), Payload("grpc", 700, 300)),
        latency=Setting(1, 1, 1, 1 / one_s, one_s * 1.2),
        throughput=Setting(8, 1, 16, 8 / (one_s + 7 * row_s), 0.4),
    )
    return replace(made, **more)
