"""P4, P5: `python -m benchmarks.reliability.kills`: runners and workers are killed under load.

A runner that is killed fails no call. A worker that is killed fails at most what was under way on
its own connections, at once, and a client that tries again once sees none of it.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from contextlib import closing

from tests.processes import Running, alive, children, until

from benchmarks.reliability.load import Load, Seen, never, once
from benchmarks.reliability.stand import none, options, pause, quantile, shown, standing, told
from benchmarks.report import Part, Promise

ISOLATED = {"FAIRLEAD_MODELS__ISOLATE": "total"}
"""The model in a runner of each worker."""
_BETWEEN_S = 6.0
"""A worker that dies soon after its start is started later and later, by design."""
_BETWEEN_RUNNERS_S = 4.0
"""A runner that dies more than 16 times a minute is left alone for a while, by design."""
_FIRST_S = 0.5


def runners(running: Running) -> list[int]:
    """The processes of the models that run apart."""
    return [p for worker in running.workers for p, line in children(worker).items()
            if "runner.child" in line]  # fmt: skip


def _killed(
    count: int,
    rate: float,
    seed: int,
    victims: Callable[[Running], list[int]],
    environ: dict[str, str] | None,
    again: Callable[[str], bool],
    between_s: float = _BETWEEN_S,
) -> tuple[Seen, list[float], list[float], int]:
    """What callers saw, the moments of the kills, seconds until all is as before, and how many
    deaths were seen late, or readiness said the truth late."""  # fmt: skip
    chance = random.Random(seed)
    moments, back = list[float](), list[float]()
    untrue = 0
    with standing(environ) as (running, _):
        until(lambda: len(victims(running)) == 2, 60)
        load = Load(running.port, running.grpc_port, rate, seed, again=again)
        load.start()
        pause(_FIRST_S)
        for _ in range(count):
            victim = chance.choice(until(lambda: victims(running)))
            moments.append(time.perf_counter())
            os.kill(victim, signal.SIGKILL)
            until(lambda v=victim: not alive(v), 10)
            until(lambda v=victim: len(victims(running)) == 2 and v not in victims(running), 60)
            until(lambda: _whole(running), 60)
            back.append(time.perf_counter() - moments[-1])
            untrue += not running.ready()
            pause(between_s * (0.5 + chance.random()))
        seen = load.stop()
    return seen, moments, back, untrue


def _whole(running: Running) -> bool:
    """Whether both workers say that their model is ready."""
    status, body = running.get("/metrics")
    lines = [line for line in body.decode().splitlines() if line.startswith("fairlead_model_ready")]
    return status == 200 and sum(float(line.rpartition(" ")[2]) for line in lines) == 2


def of_runners(count: int, rate: float, seed: int) -> Part:
    """kill -9 of a runner: the worker tries the call again, and nobody outside sees anything."""
    seen, _, back, untrue = _killed(count, rate, seed, runners, ISOLATED, never, _BETWEEN_RUNNERS_S)
    return Part("Runners killed under load", _lines("runner", count, seed, back, seen), {}, [
        none("P4 calls that failed when runners were killed", len(seen.failed), seen.sent),
        none("P4 answers to another request", seen.mismatched, seen.answered),
        none("P4 calls that hang", seen.hung, seen.sent),
        none("P5 not ready once all is as before", untrue, count),
    ])  # fmt: skip


def of_workers(count: int, rate: float, seed: int) -> Part:
    """kill -9 of a worker: what it had under way is reset at once; a client that tries again once
    sees no failure."""
    seen, moments, back, untrue = _killed(
        count, rate, seed, lambda running: running.workers, None, once
    )
    first = sum(seen.tries.values())
    lines = _lines("worker", count, seed, back, seen)
    return Part("Workers killed under load", lines, {"moments": moments}, [
        none("P4 calls that failed for who tries again once", len(seen.failed), seen.sent),
        none("P4 answers to another request", seen.mismatched, seen.answered),
        none("P4 calls that hang", seen.hung, seen.sent),
        Promise("P4 first attempts that a kill costs, of those on its connections", rate,
                first / max(1, count), f"{first / max(1, count):.1f}", most=True),
        none("P5 not ready once all is as before", untrue, count),
        Promise("P5 the median of seconds until all is as before, start + 1", 1.0 + _start_s(),
                quantile(back, 0.5), f"{quantile(back, 0.5):.2f}", most=True),
    ])  # fmt: skip


def _start_s() -> float:
    """Seconds in which a server starts and loads its model, on this machine and now."""
    began = time.perf_counter()
    with standing():
        return time.perf_counter() - began


def _lines(what: str, count: int, seed: int, back: list[float], seen: Seen) -> list[str]:
    return [f"{count} kills of a {what}, seed {seed}; all is as before after "
            f"{quantile(back, 0.5):.2f} s (median), {max(back):.2f} s at most.", "",
            *told(seen)]  # fmt: skip


def _said_ready(running: Running) -> bool:
    """What a probe sees that waits half a second."""
    try:
        with closing(running.connect(timeout=0.5)) as line:
            line.request("GET", "/readyz")
            return line.getresponse().status == 200
    except OSError:
        return False


def at_once(count: int) -> Part:
    """P5: all workers at once: readiness is off within a second, and true again afterwards."""
    late, gone_s = 0, list[float]()
    with standing() as (running, _):
        for _ in range(count):
            began = time.perf_counter()
            for worker in running.workers:
                os.kill(worker, signal.SIGKILL)
            until(lambda: not _said_ready(running), 30)
            gone_s.append(time.perf_counter() - began)
            late += gone_s[-1] > 1.0
            until(lambda: _whole(running), 60)
            late += not _said_ready(running)
    return Part("All workers killed at once", [
        f"{count} times; readiness was off after {max(gone_s):.2f} s at most."], {}, [
        none("P5 readiness that is wrong for more than 1 s", late, count),
    ])  # fmt: skip


def control(rate: float, seed: int) -> Part:
    """The negative control: without the internal attempt, and without the client's, kills are
    seen."""
    seen, *_ = _killed(3, rate, seed, lambda running: running.workers, None, lambda how: False)
    found = len(seen.failed)
    return Part("Control: a client that never tries again", told(seen)[:1], {}, [
        Promise("P4 control: failed calls that are found", 1, found, str(found)),
    ])  # fmt: skip


def run(kills: int, rate: float, seed: int) -> list[Part]:
    """All parts."""
    return [
        of_runners(kills, rate, seed),
        of_workers(kills, rate, seed),
        at_once(max(1, kills // 10)),
        control(rate, seed),
    ]


if __name__ == "__main__":
    asked = options(__doc__ or "", kills=50, rate=200.0)
    sys.exit(shown(run(asked.kills, asked.rate, asked.seed)))
