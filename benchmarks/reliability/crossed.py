"""P10: `python -m benchmarks.reliability.crossed`: every answer belongs to its own request.

Each request has a sum of its own, which its answer must give, while callers leave on the way and
workers and runners are killed.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time

from tests.processes import until

from benchmarks.reliability.kills import ISOLATED, runners
from benchmarks.reliability.load import Load, Seen, once, wanted
from benchmarks.reliability.stand import none, options, pause, shown, standing, told
from benchmarks.report import Part, Promise

CANCELS = 0.3
_PAUSE_S = 5.0


def crossed(seconds: float, rate: float, kills: int, seed: int, *, isolated: bool) -> Part:
    """Calls for so long, of which a part is given up by its caller, with kills in between."""
    chance = random.Random(seed)
    done = 0
    with standing(ISOLATED if isolated else None) as (running, _):
        load = Load(running.port, running.grpc_port, rate, seed, again=once, cancels=CANCELS)
        load.start()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pause(min(_PAUSE_S, seconds / (kills + 1)))
            if done < kills:
                victims = runners(running) if isolated and done % 2 else running.workers
                if len(victims) == 2:
                    os.kill(chance.choice(victims), signal.SIGKILL)
                    done += 1
                    until(lambda: len(running.workers) == 2, 60)
        seen = load.stop()
    where = "runner" if isolated else "worker"
    lines = [f"{done} kills, {CANCELS:.0%} of the calls given up on the way, seed {seed}.", ""]
    return Part(f"Answers of a model in the {where}", [*lines, *told(seen)], {}, [
        none(f"P10 answers to another request, model in the {where}", seen.mismatched,
             seen.answered),
        none(f"P10 calls that hang, model in the {where}", seen.hung, seen.sent),
    ])  # fmt: skip


def control(rate: float, seed: int) -> Part:
    """The negative control: one answer in a hundred is exchanged for another."""
    chance = random.Random(seed)

    def exchanged(value: float) -> float:
        return wanted(1) if chance.random() < 0.01 else value

    with standing() as (running, _):
        load = Load(running.port, running.grpc_port, rate, seed, spoil=exchanged)
        load.start()
        until(lambda: load.seen.answered > 1000, 120)
        seen: Seen = load.stop()
    return Part("Control: answers that are exchanged are found", told(seen)[:1], {}, [
        Promise("P10 control: exchanged answers that are found", 1, seen.mismatched,
                str(seen.mismatched)),
    ])  # fmt: skip


def run(seconds: float, rate: float, kills: int, seed: int) -> list[Part]:
    """All parts."""
    return [
        crossed(seconds, rate, kills, seed, isolated=False),
        crossed(seconds, rate, kills, seed + 1, isolated=True),
        control(rate, seed),
    ]


if __name__ == "__main__":
    asked = options(__doc__ or "", seconds=600.0, rate=1200.0, kills=50)
    sys.exit(shown(run(asked.seconds, asked.rate, asked.kills, asked.seed)))
