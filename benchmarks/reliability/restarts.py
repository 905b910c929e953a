"""P7: `python -m benchmarks.reliability.restarts`: SIGHUP and SIGTERM under load fail no call.

A client of HTTP/1.1 may try again once on a connection that it had used and that ended before the
first byte of an answer; one of gRPC never tries again by itself.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests import models
from tests.processes import Running, alive, server, until

from benchmarks.reliability.load import Load, Seen, never
from benchmarks.reliability.stand import none, options, pause, quantile, shown, standing, told
from benchmarks.report import Part, Promise

GRACE_S = 25.0


def renewals(count: int, rate: float, seed: int) -> Part:
    """So many SIGHUPs, at random moments, one after the other."""
    chance, took = random.Random(seed), list[float]()
    with standing() as (running, _):
        load = Load(running.port, running.grpc_port, rate, seed, again=never)
        load.start()
        pause(0.5)
        for number in range(count):
            before = {*running.workers, *running.bookkeepers}
            began = time.perf_counter()
            running.process.send_signal(signal.SIGHUP)
            until(lambda n=number: len(running.events("renewed")) > n, 120)
            until(lambda before=before: not any(map(alive, before)), 60)
            took.append(time.perf_counter() - began)
            pause(0.3 * chance.random())
        seen = load.stop()
        died = len(running.events("process_died"))
    lines = [f"{count} SIGHUPs, seed {seed}, {rate:g} calls a second; each took "
             f"{quantile(took, 0.5):.1f} s, {max(took):.1f} s at most.",
             "", *told(seen)]  # fmt: skip
    return Part("Renewed by SIGHUP under load", lines, {"took": took}, [
        none("P7 calls that failed while renewed", len(seen.failed), seen.sent),
        none("P7 answers to another request while renewed", seen.mismatched, seen.answered),
        none("P7 processes that died", died, count),
    ])  # fmt: skip


def ends(count: int, rate: float, seed: int) -> Part:
    """So many SIGTERMs under load, each followed by a successor on the same socket."""
    chance, took, statuses = random.Random(seed), list[float](), list[int]()
    with tempfile.TemporaryDirectory(prefix="fairlead-restarts-") as place:
        folder = Path(place)
        models.total(folder / "models")
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as held:
            port = held.getsockname()[1]

            def started() -> Running:
                flags = ["--admin", "off", "--grpc-port", "off", "--workers", "2"]
                flags += ["--state", str(folder / "state")]
                return Running(folder / "models", *flags, given=held)

            running = started()
            load = Load(port, port, rate, seed, again=never, patience_s=60.0)
            try:
                running.greeted()
                load.start()
                for _ in range(count):
                    pause(0.5 + 0.5 * chance.random())
                    began = time.perf_counter()
                    statuses.append(running.stop())
                    took.append(time.perf_counter() - began)
                    running = started()
                    running.greeted()
                seen = load.stop()
            finally:
                running.end()
    lines = [f"{count} SIGTERMs, seed {seed}, {rate:g} calls a second, each followed by a new "
             f"server on the inherited socket; the end took {quantile(took, 0.5):.1f} s, "
             f"{max(took):.1f} s at most.", "", *told(seen)]  # fmt: skip
    return Part("Ended by SIGTERM under load", lines, {"took": took}, [
        none("P7 calls that failed while servers change", len(seen.failed), seen.sent),
        none("P7 ends with a status other than 0", sum(map(bool, statuses)), count),
        Promise("P7 seconds to the end, grace + 1", GRACE_S + 1, max(took), f"{max(took):.2f}",
                most=True),
    ])  # fmt: skip


def dropping(rate: float, seed: int) -> Part:
    """The negative control: a restart as it is often done, by the end and a new start."""

    def seen_with(end: Callable[[Running], object]) -> Seen:
        with tempfile.TemporaryDirectory(prefix="fairlead-control-") as place:
            models.total(Path(place) / "models")
            state = Path(place) / "state"
            with server(Path(place) / "models", state=state, workers=2) as running:
                load = Load(running.port, running.grpc_port, rate, seed, again=never)
                load.start()
                pause(1.0)
                end(running)
                pause(0.5)
                return load.stop()

    seen = seen_with(lambda running: os.kill(running.process.pid, signal.SIGKILL))
    return Part("Control: a server that is killed is seen to fail", told(seen)[:1], {}, [
        Promise("P7 control: failed calls that are found", 1, len(seen.failed),
                str(len(seen.failed))),
    ])  # fmt: skip


def run(renewed: int, ended: int, rate: float, seed: int) -> list[Part]:
    """All parts."""
    return [renewals(renewed, rate, seed), ends(ended, rate, seed), dropping(rate, seed)]


if __name__ == "__main__":
    told_to = options(__doc__ or "", renewals=50, ends=20, rate=700.0)
    sys.exit(shown(run(told_to.renewals, told_to.ends, told_to.rate, told_to.seed)))
