"""`python -m benchmarks.costs.estimate`: how long a decision takes, with sockets blocked."""

from __future__ import annotations

import socket
import sys
import time
from datetime import UTC, datetime
from statistics import median

from benchmarks.reliability.stand import options, shown
from benchmarks.report import Part, Promise
from fairlead.costs.capacity import Goal
from fairlead.costs.decision import decide
from fairlead.costs.market import Wish
from fairlead.costs.power import parse_power
from fairlead.costs.prices import read_prices
from fairlead.costs.profile import Payload, Point, Profile, Scaling, Service, Setting
from fairlead.costs.traffic import traffic_of

_LIMIT_S = 0.5
_TRAFFIC = ("100k/day, peak 4x, open 8-18, weekdays", "200/s", "50/s, bursty", "2000/s, steady")


def run(rounds: int) -> list[Part]:
    """The median of some rounds for each traffic, prices read anew each time."""
    opened = socket.socket
    socket.socket = _refused  # type: ignore[misc, assignment]
    try:
        took = {said: median(_one(said) for _ in range(rounds)) for said in _TRAFFIC}
    finally:
        socket.socket = opened  # type: ignore[misc]
    lines = [f"{said:<42} {seconds:6.3f} s" for said, seconds in took.items()]
    longest = max(took.values())
    promise = Promise("seconds of an estimate", _LIMIT_S, longest, f"{longest:.2f} s", most=True)
    return [Part(f"every offer, median of {rounds}", lines, {"seconds": took}, [promise])]


def _refused(*given: object, **more: object) -> object:
    raise AssertionError("an estimate opened a socket")


def _one(said: str) -> float:
    profile, today = _profile(), datetime.now(UTC).date()
    wish = Wish(power=parse_power("25:60"), country="DE")
    began = time.perf_counter()
    prices = read_prices()
    decide(profile, traffic_of(said), Goal(0.5), prices, wish, today=today, busier=False)
    return time.perf_counter() - began


def _profile() -> Profile:
    """A model of 5 ms for a row and 1 ms for each further one."""

    def service(rows: int) -> Service:
        mean = 0.005 + 0.001 * (rows - 1)
        return Service(rows, 1, tuple(mean * (0.9 + 0.002 * n) for n in range(101)), mean)

    setting = Setting(8, 1, 1, 200.0, 0.01)
    return Profile(
        model="m", version=1, runtime="onnx", taken="2026-11-26", machine="a benchmark", cores=2,
        arch="x86_64", gpu="", offer="", load_s=0.5, disk_bytes=50 << 20, base_bytes=60 << 20,
        steady_bytes=150 << 20, peak_bytes=180 << 20, inline=False, slots=2, max_rows=8,
        call_s=50e-6, path_s=200e-6, services=tuple(map(service, (1, 2, 4, 8))),
        points=(Point(1, 190.0, 0.005, 0.006),), scaling=Scaling(190.0, 0.1, 0.001, 0.05),
        payloads=(Payload("rest", 600, 400),), latency=setting, throughput=setting,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(shown(run(options(__doc__ or "", rounds=5).rounds)))
