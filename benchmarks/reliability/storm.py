"""P8: callers who try again at once, up to three times each, while there is too much already.

Usage: python -m benchmarks.reliability.storm [--seconds 60] [--seeds 1 2 3] [--shared]

The model and the cores are those of the overload. First the peak, nobody trying again; then
twice as much, of callers who do not wait before they try again when they are refused; then at once
four fifths of the peak: a server that has lost its way would not find it again.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine
from benchmarks.places import Missing
from benchmarks.reliability import parts
from benchmarks.reliability.open_loop import LOST, Answers, Load, poisson, request
from benchmarks.reliability.stand import none, shown
from benchmarks.report import Part, Promise

AGAIN = 3
_TIMES, _LEFT = 2.0, 0.8
_LEAST_OF_PEAK, _MOST_BACK_S = 0.9, 10.0
_FULL_PER_S = 1000 / (5.0 + 1.0 / 8)
"""What the model could do if nothing else were to be done."""
_STEPS = (0.7, 0.8, 0.9, 1.0)
_WINDOW_S = 0.5
_USUAL = (200, 503, 504)


@dataclass(frozen=True, slots=True)
class Stormed:
    """One storm and what came after it.

    peak: good answers a second at most before. tries: requests in the storm, for `asked` callers.
    """

    peak: float
    storm: Answers
    after: Answers
    tries: int

    @property
    def good(self) -> float:
        """Good answers a second in the storm."""
        return self.storm.good(parts.DEADLINE_S) / self.storm.seconds

    @property
    def strange(self) -> int:
        """Callers who were lost, or answered with what should not be."""
        codes = [*self.storm.status, *self.after.status]
        return sum(code not in _USUAL or code == LOST for code in codes)

    @property
    def back_s(self) -> float:
        """Seconds after the storm until nineteen of twenty callers were answered in time."""
        back = 0.0
        for number in range(int(self.after.seconds / _WINDOW_S)):
            start, end = number * _WINDOW_S, (number + 1) * _WINDOW_S
            entries = zip(self.after.due, self.after.took, self.after.status, strict=True)
            good = [s == 200 and t <= parts.DEADLINE_S for due, t, s in entries
                    if start <= due < end]  # fmt: skip
            if good and sum(good) < 0.95 * len(good):
                back = end
        return back


async def _stormed(port: int, seconds: float, seed: int, step_s: float, left: float) -> Stormed:
    sent = request("/predict/burner", parts.BODY, parts.DEADLINE_S)
    calm, wild = Load(port), Load(port, AGAIN)
    peak = 0.0
    for share in _STEPS:
        step = await calm.send(poisson(share * _FULL_PER_S, step_s, seed), step_s, sent)
        peak = max(peak, step.good(parts.DEADLINE_S) / step_s)
    storm = await wild.send(poisson(_TIMES * peak, seconds, seed), seconds, sent)
    length = max(4.0, min(20.0, seconds))
    after = await calm.send(poisson(left * peak, length, seed), length, sent)
    await calm.close()
    await wild.close()
    return Stormed(peak, storm, after, wild.tries)


def stormed(seconds: float, seed: int, step_s: float = 5.0, left: float = _LEFT) -> Stormed:
    """Packs the model, serves it on a core of its own, and lets the storm loose.

    left: the share of the peak that is asked for after it.
    """
    with tempfile.TemporaryDirectory(prefix="fairlead-storm-") as folder:
        models = parts.burner(Path(folder))
        with parts.served(models) as server:
            return asyncio.run(_stormed(parts.port_of(server), seconds, seed, step_s, left))


def part(found: Sequence[tuple[int, Stormed]]) -> Part:
    """What was found, by seed, and what is promised of it."""
    lines = ["| seed | peak/s | callers | requests | good/s | codes | as before after |",
             "|--:|--:|--:|--:|--:|---|--:|"]  # fmt: skip
    for seed, one in found:
        lines.append(f"| {seed} | {one.peak:.0f} | {len(one.storm.status):,} | {one.tries:,} | "
                     f"{one.good:.0f} | {one.storm.codes()} | {one.back_s:g} s |")  # fmt: skip
    share = min(one.good / one.peak for _, one in found)
    back = max(one.back_s for _, one in found)
    callers = sum(len(one.storm.status) + len(one.after.status) for _, one in found)
    return Part("A storm of callers who try again", lines, {}, [
        Promise("P8 storm: share of the peak that is answered well", _LEAST_OF_PEAK, share,
                f"{share:.3f}"),
        Promise("P8 storm: seconds until all is as before", _MOST_BACK_S, back, f"{back:g} s",
                most=True),
        none("P8 storm: lost, or answered wrongly", sum(one.strange for _, one in found), callers),
    ])  # fmt: skip


def main() -> int:
    """0 when every promise is kept, 1 when one is broken, 2 when it could not be measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each storm")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument(
        "--shared", action="store_true", help="run before others on this machine (Linux, root)"
    )
    options = parser.parse_args()
    try:
        if options.shared:
            machine.Precedence.take()
        found = [(seed, stormed(options.seconds, seed)) for seed in options.seeds]
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 2
    return shown([part(found)])


if __name__ == "__main__":
    sys.exit(main())
