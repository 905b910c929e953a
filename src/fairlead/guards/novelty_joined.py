"""Two novelty guards that share one false-alarm rate: of the inputs, and of the model's embedding.

A row is as strange as the stranger of its two scores, which are rarities and so of one scale. Both
guards are calibrated on those maxima over the same rows kept aside; so each may judge when it can,
and together they call no more good rows novel than the owner allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fairlead.guards.columns import as_columns
from fairlead.guards.novelty import LEAST_ROWS, Novelty, learn_shape, parted


def learn_both(
    inputs: Mapping[str, Any],
    embedding: Mapping[str, Any],
    *,
    false_alarm_rate: float = 0.01,
    seed: int = 0,
) -> tuple[Novelty | None, Novelty]:
    """The guard of the inputs, None when nothing is seen of them, and that of the embedding.

    inputs, embedding: columns of the same rows. A row is novel to both together when either gives
    it a score above its threshold, which is the same for both; its p-value is the smaller one.
    Raises ValueError as `learn_novelty` does.
    """
    parts = [as_columns(columns) for columns in (inputs, embedding) if columns]
    both = {f"{i} {name}": values for i, part in enumerate(parts) for name, values in part.items()}
    tables = parted(both, false_alarm_rate, seed, LEAST_ROWS)
    guards: list[Novelty] = []
    scores: list[Any] = []
    for i, part in enumerate(parts):
        fit, aside = ({name: table[f"{i} {name}"] for name in part} for table in tables)
        guard = Novelty(learn_shape(fit, vetted=True), np.zeros(0), false_alarm_rate)
        scores.append(guard.scores(aside))
        guards.append(guard)
    for guard in guards:
        guard.calibrate(np.maximum.reduce(scores))
    return (guards[0] if len(guards) == 2 else None), guards[-1]
