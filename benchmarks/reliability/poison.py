"""P11: `python -m benchmarks.reliability.poison`: a bad row in a batch fails no neighbour.

Batches of 32 calls with one in a hundred that makes the model raise, and such that kill its
process. How many executions it took is counted by the model itself.
"""

from __future__ import annotations

import random
import sys
from math import ceil, log2
from typing import Any

import numpy as np
from tests.serving.parts import Model, call, serve

from benchmarks.reliability.stand import none, options, shown
from benchmarks.report import Part, Promise
from fairlead.core.errors import ModelCrashed, ModelError
from fairlead.serving.execute import execute

BATCH = 32
_RAISES, _KILLS = -1.0, -2.0


class Poisoned(Model):
    """Fails as a whole on a poisonous row."""

    def __init__(self) -> None:
        super().__init__()
        self.again_s, self.asked = 0.0, 0

    def predict(self, inputs: Any, outputs: Any) -> Any:
        self.asked += 1
        rows = np.asarray(inputs[0])
        if (rows == _KILLS).any():
            raise ModelCrashed("the model's process died on this call")
        if (rows == _RAISES).any():
            raise ModelError("the model failed")
        return super().predict(inputs, outputs)


def batches(count: int, bad: float, seed: int) -> Part:
    """So many batches in which each call is bad at so small a share, and each has one at least."""
    chance = random.Random(seed)
    neighbours = failed = spared = 0
    most = dict.fromkeys((_RAISES, _KILLS), 0)
    for number in range(count):
        model, kind = Poisoned(), (_RAISES, _KILLS)[number % 2]
        served = serve(model)
        at = {chance.randrange(BATCH)} | {n for n in range(BATCH) if chance.random() < bad}
        calls = [call(served, [kind if n in at else n, number]) for n in range(BATCH)]
        answered = {id(c) for group, *_ in execute(served, calls) for c in group}
        for n, one in enumerate(calls):
            good = id(one) in answered and one.error is None
            neighbours += n not in at
            failed += n not in at and not good
            spared += n in at and good
        if len(at) == 1:
            most[kind] = max(most[kind], model.asked - 1)
    limit = 2 * ceil(log2(BATCH))
    return Part("One bad row in a batch", [
        f"{count:,} batches of {BATCH}, {bad:.0%} bad, seed {seed}; with one bad row at most "
        f"{most[_RAISES]} further executions where it raises, {most[_KILLS]} where it kills."],
        {}, [
        none("P11 neighbours that failed", failed, neighbours),
        none("P11 control: bad rows that were not found", spared, count),
        Promise("P11 further executions for a row that raises", limit, most[_RAISES],
                str(most[_RAISES]), most=True),
        Promise("P11 further executions for a row that kills", limit + 1, most[_KILLS],
                str(most[_KILLS]), most=True),
    ])  # fmt: skip


def run(count: int, bad: float, seed: int) -> list[Part]:
    """All parts."""
    return [batches(count, bad, seed)]


if __name__ == "__main__":
    asked = options(__doc__ or "", batches=5000, bad=0.01)
    sys.exit(shown(run(asked.batches, asked.bad, asked.seed)))
