"""A version whose rows have moved, for tests of what is shown of it."""

from __future__ import annotations

import numpy as np

from fairlead.documents.drift_facts import Known
from fairlead.guards.betting import Betting
from fairlead.guards.drift import CONFIDENT, PREDICTED, Drift, watch
from fairlead.usage.outcomes import CLASSES
from fairlead.usage.tally import Tally

HOSTILE = '<script>alert("1")</script>\x1b[31m\u202e\'&amp;'
SINCE, UPDATED = "2026-11-25T08:00:00+00:00", "2026-11-25T09:30:00+00:00"


def columns(count, random, moved=0.0):
    return {
        "age": random.normal(40 + 12 * moved, 12, count).round(),
        "holes": np.where(
            random.random(count) < 0.2 + 0.3 * moved, np.nan, random.normal(size=count)
        ),
        HOSTILE: random.choice([HOSTILE, "b"], count, p=[0.7 - 0.4 * moved, 0.3 + 0.4 * moved]),
        "town": random.choice([f"town {i}" for i in range(40)], count).astype(object),
        "nothing": np.full(count, np.nan),
        PREDICTED: random.choice(["stays", "leaves"], count).astype(object),
        CONFIDENT: random.beta(9, 2, count),
    }


def tally(kind: str = CLASSES, **sums: float) -> Tally:
    """What true labels have shown: three of four answers right where nine of ten should be."""
    told = Tally({"kind": kind, "evaluation": {"rows": 1500, "accuracy": 0.9}})
    told.sums["serve"] |= sums or {"labelled": 400, "hits": 300}
    return told


def watcher() -> Drift:
    random = np.random.default_rng(0)
    learnt = columns(3000, random)
    kinds = {PREDICTED: "prediction", CONFIDENT: "confidence"}
    classes = {PREDICTED: ["stays", "leaves"]}
    return Drift([watch(n, v, kinds.get(n, "input"), classes.get(n)) for n, v in learnt.items()])


def known(rows: int = 2600, moved: float = 0.6, accuracy=None) -> Known:
    """Half of the rows are usual, the others have moved."""
    random = np.random.default_rng(1)
    drift, bet = watcher(), Betting(1000)
    for number, change in enumerate((0.0, moved)):
        if rows:
            drift.see(columns(rows // 2, random, change), f"2026-11-25T0{8 + number}:15:00+00:00")
            bet.see(random.random(rows // 2) ** (1 + 2 * change))
    return Known("churn", 3, drift, SINCE, UPDATED, bet, accuracy or {})
