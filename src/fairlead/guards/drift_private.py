"""A column in bins whose edges are no row's own values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fairlead.guards.aggregates import aggregated, frequent
from fairlead.guards.drift_columns import UNSEEN, Watched, watch


def watch_private(name: str, values: Any) -> Watched:
    """Learns the bins of one column of training rows; ten rows stand behind every edge and name.

    values: numbers with NaN, or texts with "", where one is missing.
    """
    if values.dtype.kind in "biuf":
        # Edges and means are of averages, how full the bins are is of the rows themselves.
        learnt = watch(name, aggregated(values))
        return replace(learnt, filled=learnt.count(values))
    learnt = watch(name, values)
    known = frequent(values)
    kept = [category for category in learnt.categories if category in known]
    filled = learnt.filled[[*(learnt.categories[c] for c in kept), *range(-2, 0)]]
    filled[UNSEEN] = int(learnt.filled.sum()) - int(filled.sum()) + int(filled[UNSEEN])
    categories = {category: place for place, category in enumerate(kept)}
    return Watched(name, learnt.kind, None, categories, filled.astype(np.int64), np.zeros(0), 0.0)
