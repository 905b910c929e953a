"""What the oracle tests share: tables that come with scikit-learn, and what a test here may do.

The libraries warn of their own futures, which is not ours to fix.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

MARKS = [
    pytest.mark.oracles,
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
    ),
]


def tables() -> dict[str, tuple[Any, Any, Any]]:
    """By name: training rows of one class, other good rows, and rows of the other classes."""
    from sklearn import datasets

    found: dict[str, tuple[Any, Any, Any]] = {}
    known = [("breast_cancer", 0), ("breast_cancer", 1), ("wine", 0), ("wine", 1), ("iris", 1)]
    for name, good in [*known, *(("digits", digit) for digit in range(10))]:
        rows, labels = getattr(datasets, f"load_{name}")(return_X_y=True)
        random = np.random.default_rng(0)
        mine = random.permutation(rows[labels == good])
        half = len(mine) * 2 // 3
        found[f"{name} {good}"] = mine[:half], mine[half:], rows[labels != good]
    return found


def classified(seed: int, rows: int = 1500, classes: int = 3) -> tuple[Any, Any]:
    """Scores of an overconfident model, and the true classes."""
    random = np.random.default_rng(seed)
    logits = random.normal(scale=1.5, size=(rows, classes))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (random.uniform(size=(rows, 1)) > np.cumsum(true, axis=1)).sum(axis=1)
    sharp = np.exp(2.0 * logits)
    return sharp / sharp.sum(axis=1, keepdims=True), labels
