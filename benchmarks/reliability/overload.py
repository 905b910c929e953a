"""P8: more calls than a server can answer, and what becomes of those that it could.

Usage: python -m benchmarks.reliability.overload [--seconds 60] [--step 30] [--seeds 1 2 3]

A model of one thread takes 5 ms of processor time for each row and joins up to 8. The server keeps
to one core, the load to another. First the peak is sought by a ramp, then several times as much is
offered, by strangers (Poisson) who each give their call 250 ms. Latency counts from the time at
which a request should have left.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import machine
from benchmarks.places import Missing
from benchmarks.reliability import parts
from benchmarks.reliability.open_loop import LOST, Answers, Load, poisson, request
from benchmarks.servers import Server

_FIRST_RATE, _STEP, _LAST_STEPS = 100.0, 1.1, 2
_CALM, _CALM_S, _WINDOW_S = 0.5, 4.0, 0.5
_USUAL = (200, 503, 504)
_MOST_BACK_S, _MOST_REJECT_US = 2.0, 40.0
LEAST_OF_PEAK = {2: 0.95, 5: 0.95, 10: 0.90}
"""By how many times the peak is offered: the share of the peak that must still be answered well."""


@dataclass(slots=True)
class Loaded:
    """One load on the server.

    offered, good: requests and answers in time, each a second. own_us: processor time for each
    request in all of the server but the model. resident_mb: of the server, when the load ended.
    """

    offered: float
    good: float
    answers: Answers
    own_s: float
    resident_mb: float

    @property
    def strange(self) -> int:
        """Requests that were lost, or answered with what should not be."""
        return sum(n for code, n in self.answers.codes().items() if code not in _USUAL)

    def line(self, name: str) -> str:
        """A row of the table."""
        a = self.answers
        codes = [a.codes().get(code, 0) for code in (*_USUAL, LOST)]
        times = [1000 * a.quantile(q, c) for q, c in ((0.5, 200), (0.99, 200), (0.99, 503))]
        figures = [f"{self.offered:.0f}", f"{self.good:.1f}", *map(str, codes)]
        figures += [f"{time:.1f}" for time in times] + [f"{self.resident_mb:.0f}"]
        return "| " + " | ".join([name, *figures]) + " |"


TITLES = (
    "| load | offered/s | good/s | 200 | 503 | 504 | lost | p50 ms | p99 ms | 503 p99 ms | MB |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|"
)


@dataclass(slots=True)
class Found:
    """What was measured.

    steps: the ramp; calm: half the peak, before anything else.
    loads: by (times the peak, seed). back_s: by the same, seconds until calls of half the peak were
    answered as before.
    """

    steps: list[Loaded] = field(default_factory=list[Loaded])
    calm: Loaded | None = None
    loads: dict[tuple[int, int], Loaded] = field(default_factory=dict[tuple[int, int], Loaded])
    back_s: dict[tuple[int, int], float] = field(default_factory=dict[tuple[int, int], float])
    trace: list[str] = field(default_factory=list[str])

    @property
    def peak(self) -> float:
        """The most good answers a second of any step."""
        return max(step.good for step in self.steps)

    def share(self, times: int) -> float:
        """Good answers under so many times the peak, as a share of the peak; over all seeds."""
        good = [load.good for (n, _), load in self.loads.items() if n == times]
        return sum(good) / len(good) / self.peak

    def reject_us(self) -> float:
        """Processor time of one refusal over the whole server, from all loads over the peak."""
        before = self.steps[-1]
        rejects = seconds = 0.0
        for load in self.loads.values():
            per_s = load.answers.codes().get(503, 0) / load.answers.seconds
            rejects += per_s - before.answers.codes().get(503, 0) / before.answers.seconds
            seconds += load.own_s / load.answers.seconds - before.own_s / before.answers.seconds
        return 1e6 * seconds / max(rejects, 1.0)


async def measure(
    server: Server,
    step_s: float,
    seconds: float,
    seeds: Sequence[int],
    times: Sequence[int],
    deadline_s: float,
) -> Found:
    """Ramp, calm, and then each overload with the calm after it."""
    load, found = Load(parts.port_of(server)), Found()
    sent = request("/predict/burner", parts.BODY, deadline_s)

    async def send(rate: float, length: float, seed: int) -> Loaded:
        before = parts.own_seconds(server)
        answers = await load.send(poisson(rate, length, seed), length, sent)
        own, memory = parts.own_seconds(server) - before, machine.resident_mb(server.session)
        return Loaded(rate, answers.good(deadline_s) / length, answers, own, memory)

    rate, beyond = _FIRST_RATE, 0
    while beyond < _LAST_STEPS:
        found.steps.append(await send(rate, step_s, 0))
        print(found.steps[-1].line("ramp"), flush=True)
        beyond += found.steps[-1].good < 0.9 * len(found.steps[-1].answers.status) / step_s
        rate *= _STEP
    found.calm = await send(_CALM * found.peak, max(_CALM_S, step_s), 0)
    print(found.calm.line("calm"), flush=True)
    for often in times:
        for seed in seeds:
            found.loads[often, seed] = await send(often * found.peak, seconds, seed)
            print(found.loads[often, seed].line(f"{often} times"), flush=True)
            after = await send(_CALM * found.peak, _CALM_S, seed)
            found.back_s[often, seed], trace = _back(after.answers, found.calm.answers)
            found.trace.append(f"after {often} times, seed {seed}: {trace}")
    await load.close()
    return found


def _back(after: Answers, before: Answers) -> tuple[float, str]:
    """Seconds until all was as before, and the slowest answer of each half second as words."""
    usual = 1.5 * before.quantile(0.99)
    back, slowest = 0.0, list[str]()
    for number in range(int(_CALM_S / _WINDOW_S)):
        start, end = number * _WINDOW_S, (number + 1) * _WINDOW_S
        entries = zip(after.due, after.took, after.status, strict=True)
        took = [t if s == 200 else 9.0 for due, t, s in entries if start <= due < end]
        slowest.append(f"{1000 * max(took, default=0.0):.0f}")
        if sum(t > usual for t in took) > 0.05 * len(took):
            back = end
    return back, " ".join(slowest) + " ms"


def promises(found: Found) -> list[tuple[str, str, bool]]:
    """What is promised: (words, the figure, whether it is kept)."""
    assert found.calm is not None
    said: list[tuple[str, str, bool]] = []
    for times, least in LEAST_OF_PEAK.items():
        share = found.share(times)
        said.append((f"{times} times the peak: share of it", f"{share:.3f}", share >= least))
    bound = parts.DEADLINE_S + 1.25 * found.calm.answers.quantile(0.99)
    loads = [load.answers for load in found.loads.values()]
    admitted = max(answers.quantile(0.99) for answers in loads)
    said.append((f"p99 of the admitted, of {bound:.3f} s", f"{admitted:.3f} s", admitted <= bound))
    refused = max(answers.quantile(0.99, 503) for answers in loads)
    said.append(("p99 of refusals, of 0.020 s", f"{refused:.4f} s", refused <= 0.02))
    cost = found.reject_us()
    said.append(("a refusal costs, of 40 us", f"{cost:.0f} us", cost <= _MOST_REJECT_US))
    grown = max(load.resident_mb for load in found.loads.values()) / found.calm.resident_mb
    said.append(("memory, of 1.2 times", f"{grown:.2f} times", grown <= 1.2))
    back = max(found.back_s.values())
    said.append(("all as before, of 2 s", f"{back:.1f} s", back <= _MOST_BACK_S))
    strange = sum(load.strange for load in found.loads.values())
    said.append(("lost, or answered wrongly, of 0", str(strange), strange == 0))
    return said


def run(
    step_s: float,
    seconds: float,
    seeds: Sequence[int],
    times: Sequence[int] = (*LEAST_OF_PEAK,),
    deadline_s: float = parts.DEADLINE_S,
) -> Found:
    """Packs the model, serves it, loads it; prints the curve as it comes.

    times: how many times the peak is offered.
    """
    with tempfile.TemporaryDirectory(prefix="fairlead-overload-") as folder:
        models = parts.burner(Path(folder))
        with parts.served(models) as server:
            print(TITLES, flush=True)
            return asyncio.run(measure(server, step_s, seconds, seeds, times, deadline_s))


def main() -> int:
    """0 when every promise is kept, 1 when one is broken, 2 when it could not be measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each overload")
    parser.add_argument("--step", type=float, default=30.0, help="length of a step of the ramp")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument(
        "--shared", action="store_true", help="run before others on this machine (Linux, root)"
    )
    options = parser.parse_args()
    try:
        if options.shared:
            machine.Precedence.take()
        found = run(options.step, options.seconds, options.seeds)
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 2
    said = promises(found)
    count = sum(len(load.answers.status) for load in found.loads.values())
    print(
        f"\npeak {found.peak:.1f} good/s; N = {count}, seeds {options.seeds}",
        *found.trace,
        sep="\n",
    )
    print("\n| promise | found | kept |\n|---|---|---|")
    for words, figure, kept in said:
        print(f"| {words} | {figure} | {'yes' if kept else 'NO'} |")
    return 0 if all(kept for _, _, kept in said) else 1


if __name__ == "__main__":
    sys.exit(main())
