"""F39: one hot model beside nine quiet ones, and what the quiet ones feel of it.

Usage: python -m benchmarks.reliability.neighbours [--seconds 20] [--seed 1]

Ten models of one server on one core, first each asked equally often, together half of what can be
done; then one of them ten times as often as it can be answered. They run in runners.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import machine
from benchmarks.places import Missing
from benchmarks.reliability import parts
from benchmarks.reliability.open_loop import Answers, Load, poisson, request
from benchmarks.servers import Server

MODELS = 10
MOST_SLOWER = 1.5
_ROW_MS, _BATCH_MS = 2.0, 0.5
_SERVICE_S = (_ROW_MS + _BATCH_MS) / 1000
_DEADLINE_S, _LOOK_S = 1.0, 0.1


@dataclass(frozen=True, slots=True)
class Felt:
    """Seconds of the quiet models' answers, before and beside the hot one; and of the hot one.

    degrees: by which the models' processes were nicer than the worker at most meanwhile, ascending;
    none where the kernel says nothing of it.
    """

    before: Answers
    beside: Answers
    hot: Answers
    degrees: list[int]

    @property
    def slower(self) -> float:
        """How many times longer the slowest of a hundred quiet answers takes."""
        return self.beside.quantile(0.99) / self.before.quantile(0.99)


async def measure(server: Server, seconds: float, seed: int) -> Felt:
    """Asks all alike, then one of them too often."""
    each = 0.5 / _SERVICE_S / MODELS
    port = parts.port_of(server)
    loads = [Load(port) for _ in range(MODELS)]
    asks = [request(f"/predict/m{n}", parts.BODY, _DEADLINE_S) for n in range(MODELS)]

    async def send(rates: Sequence[float]) -> list[Answers]:
        times = [poisson(rate, seconds, seed + n) for n, rate in enumerate(rates)]
        each = zip(loads, times, asks, strict=True)
        return [*await asyncio.gather(*(load.send(t, seconds, ask) for load, t, ask in each))]

    before = await send([each] * MODELS)
    furthest: dict[int, int] = {}
    watching = asyncio.create_task(_watch(parts.runners(server), furthest))
    beside = await send([10 / _SERVICE_S, *[each] * (MODELS - 1)])
    watching.cancel()
    for load in loads:
        await load.close()
    return Felt(_together(before[1:]), _together(beside[1:]), beside[0], sorted(furthest.values()))


async def _watch(processes: Sequence[int], furthest: dict[int, int]) -> None:
    """Notes how far each process went after the worker, until it is cancelled."""
    while True:
        for process in processes:
            degrees = machine.degrees(process)
            if degrees is not None:
                furthest[process] = max(degrees, furthest.get(process, 0))
        await asyncio.sleep(_LOOK_S)


def _together(answers: Sequence[Answers]) -> Answers:
    took = [t for one in answers for t in one.took]
    status = [s for one in answers for s in one.status]
    return Answers(answers[0].seconds, [0.0] * len(took), took, status)


def run(seconds: float, seed: int) -> Felt:
    """Packs ten models, serves them, and asks."""
    with tempfile.TemporaryDirectory(prefix="fairlead-neighbours-") as folder:
        models = parts.burner(Path(folder), _ROW_MS, _BATCH_MS, "m0")
        for number in range(1, MODELS):
            shutil.copytree(models / "m0", models / f"m{number}")
        with parts.served(models, model="m0") as server:
            return asyncio.run(measure(server, seconds, seed))


def main() -> int:
    """0 when the promise is kept, 1 when it is broken, 2 when it could not be measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each load")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    try:
        felt = run(options.seconds, options.seed)
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 2
    print(f"seed {options.seed}\n\n| models | asked | codes | p50 ms | p99 ms |")
    print("|---|---|---|---|---|")
    for name, one in (("before", felt.before), ("beside", felt.beside), ("hot", felt.hot)):
        times = [f"{1000 * float(np.nan_to_num(one.quantile(q))):.1f}" for q in (0.5, 0.99)]
        print(f"| {name} | {len(one.status)} | {one.codes()} | {' | '.join(times)} |")
    print(f"\nthe models' processes are nicer than the worker by {felt.degrees} degrees")
    print(f"quiet p99 {felt.slower:.2f} times as before; {MOST_SLOWER} may be")
    return 0 if felt.slower <= MOST_SLOWER else 1


if __name__ == "__main__":
    sys.exit(main())
