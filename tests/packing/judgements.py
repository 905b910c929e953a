"""Answers of models that never were, with the truth beside them."""

from __future__ import annotations

import numpy as np

from fairlead.packing.judged import Classified, Regressed


def classified(count: int = 400, classes: int = 3, seed: int = 0, sharp: float = 2.0) -> Classified:
    """Honest scores: the truth is drawn from them."""
    random = np.random.default_rng(seed)
    raised = np.exp(sharp * random.standard_normal((count, classes)))
    scores = raised / raised.sum(axis=1, keepdims=True)
    truth = (scores.cumsum(axis=1) > random.random((count, 1))).argmax(axis=1)
    names = tuple(f"class {i}" for i in range(classes))
    return Classified(names, truth.astype(np.int64), scores.argmax(axis=1), scores)


def regressed(count: int = 400, noise: float = 1.0, seed: int = 0) -> Regressed:
    """Numbers that are off by normal noise."""
    random = np.random.default_rng(seed)
    truth = random.normal(50, 10, count)
    return Regressed(truth, truth + random.normal(0, noise, count))
