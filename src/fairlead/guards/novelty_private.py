"""A novelty guard that holds no training row, nor a value of one.

Ranges end where ten rows do, and distances are from the middle of all rows in units of their
spread, not from the nearest row. Which rows are novel is decided as ever, by rows kept aside, so
that false alarms keep the owner's rate; fewer bad rows are seen. What is kept are averages over ten
rows or more and the sorted scores of rows kept aside. That is not differential privacy: it bounds
nothing for somebody who knows all rows but one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fairlead.guards.aggregates import LEAST, aggregated, frequent, smoothed
from fairlead.guards.bends import learn_bends
from fairlead.guards.columns import as_columns
from fairlead.guards.ellipsoid import learn_ellipsoid
from fairlead.guards.novelty import Floats, Novelty, parted
from fairlead.guards.novelty_reasons import Shape
from fairlead.guards.novelty_space import Axis, Space, learn_space
from fairlead.guards.ranges import learn_ranges
from fairlead.guards.tails import Tail

LEAST_ROWS = 10 * LEAST
_DIGITS = 100.0
_MOST_TAIL = 20_000


def learn_private_novelty(rows: Any, *, false_alarm_rate: float = 0.01, seed: int = 0) -> Novelty:
    """Learns what training rows look like from aggregates of ten rows or more.

    rows, false_alarm_rate, seed: as `learn_novelty` has them. Raises ValueError for too few rows,
    an impossible rate, or what is no table.
    """
    fit, aside = parted(as_columns(rows), false_alarm_rate, seed, LEAST_ROWS)
    guard = Novelty(_learn_shape(fit), np.zeros(0), false_alarm_rate)
    scores = guard.scores(aside)
    # Rounded up: no score is a row's own, and a p-value is never smaller for it.
    guard.calibrate(np.ceil(scores * _DIGITS) / _DIGITS)
    return guard


def _learn_shape(table: Mapping[str, Any]) -> Shape:
    numbers = {n: aggregated(v) for n, v in table.items() if v.dtype.kind == "f"}
    learnt = learn_space({**table, **numbers})
    space = Space([_without_rare(axis, table[axis.name]) for axis in learnt.axes])
    placed = space.place(table)
    coarse = np.column_stack([aggregated(placed[:, i]) for i in range(space.width)])
    ranges, _ = learn_ranges(coarse, *space.units())
    bends = learn_bends(coarse, *space.numbers)
    inside: Floats = np.clip(placed, ranges.low, ranges.high)
    ellipsoid = learn_ellipsoid(bends.rows(inside))
    far = ellipsoid.distances(bends.rows(placed[:_MOST_TAIL]))
    tails = [Tail.learn(smoothed(values)) for values in (far, ranges.excess(placed))]
    return Shape(space, ellipsoid, bends, ranges, *tails)


def _without_rare(axis: Axis, values: Any) -> Axis:
    """An axis that knows no category of fewer than ten rows."""
    if axis.kind != "category":
        return axis
    known = frequent(values)
    return replace(axis, categories=[c for c in axis.categories if c in known])
