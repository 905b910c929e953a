"""A profile for tests of what is reckoned: plausible, small, and the same each time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fairlead.core.errors import FairleadError
from fairlead.costs.bill import Place, Usage
from fairlead.costs.prices import Prices
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


def usage(**more: Any) -> Usage:
    """Ten million calls of exactly 50 ms a month: 6 GB out, 18 GB both ways, 3 GB of logs.

    Two replicas that always run, of 2 GiB of memory, with an image of 1 GB.
    """
    made = Usage(
        calls=10e6,
        request_bytes=1200,
        answer_bytes=600,
        log_bytes=300,
        image_bytes=10**9,
        memory_bytes=2 << 30,
        service=service(1, 0.05, spread=0.0),
        instance_hours=1460.0,
        idle_hours=1460.0,
    )
    return replace(made, **more)


def at(prices: Prices, title: str, **more: Any) -> Place:
    """Two replicas of a machine, such as "aws/c7g.large"."""
    machine = prices.machine(title)
    return Place(machine.provider, machine=machine, **{"replicas": 2, **more})


def said(kind: type[FairleadError], act: Callable[[], object]) -> str:
    """The whole of the error that an act ends with: what is wrong, where, and what mends it."""
    with pytest.raises(kind) as caught:
        act()
    return caught.value.line()


def monthly(lines: Any) -> dict[str, float]:
    """What each line comes to, by its name."""
    return {line.what: line.monthly for line in lines}
