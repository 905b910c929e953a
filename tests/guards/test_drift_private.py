"""Drift is watched as ever in bins whose edges are no row's own values."""

from __future__ import annotations

import numpy as np
import pytest

from fairlead.guards.drift import Drift
from fairlead.guards.drift_columns import watch
from fairlead.guards.drift_private import watch_private


def test_no_edge_mean_or_category_is_a_rows_own():
    random = np.random.default_rng(0)
    numbers = random.normal(size=1000)
    found = watch_private("x", numbers)
    assert found.edges is not None
    assert not np.isin(found.edges, numbers).any()
    assert not np.isin(found.means, numbers).any()
    assert int(found.filled.sum()) == 1000
    texts = np.array(["a"] * 600 + ["b"] * 390 + ["hapax"] * 3 + [""] * 7, dtype=object)
    named = watch_private("t", texts)
    assert set(named.categories) == {"a", "b"}
    assert named.filled.sum() == watch("t", texts).filled.sum()


@pytest.mark.parametrize("kind", ["normal", "whole", "text"])
def test_a_change_is_seen_and_no_change_is_not(kind):
    def rows(count, seed, moved):
        random = np.random.default_rng(seed)
        if kind == "text":
            return random.choice(["a", "b", "c"], count, p=[0.5 - moved, 0.3 + moved, 0.2])
        values = random.normal(size=count) + 2 * moved
        return values if kind == "normal" else np.round(values * 3)

    watched = [watch_private("x", rows(4000, 0, 0.0).astype(object if kind == "text" else float))]
    quiet = sum(bool(Drift(watched).see({"x": rows(1024, s, 0.0)})) for s in range(1, 41))
    loud = sum(bool(Drift(watched).see({"x": rows(1024, s, 0.25)})) for s in range(1, 11))
    assert quiet <= 2
    assert loud == 10
