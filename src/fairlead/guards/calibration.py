"""What makes a score a probability: four ways, and the choice between them.

Each is learnt from scores and labels, and the one of the lowest cross-validated log-loss is taken;
a simpler one where it is as good.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

METHODS = ("none", "temperature", "beta", "isotonic")
FOLDS = 5
_TINY = 1e-12
_BETTER = 0.002
"""A calibration must lower the log-loss by this share to be worth its freedom."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A map from scores to probabilities.

    method: "none", "temperature" (one number), "beta" (three numbers, two classes) or "isotonic"
            (steps for the top score; the other classes keep their shares of the rest).
    values: its numbers; for isotonic the knots, then their heights.
    """

    method: str
    values: Floats

    def __call__(self, scores: Floats) -> Floats:
        """Calibrated probabilities, one row each, summing to 1."""
        if self.method == "none":
            return scores
        if self.method == "temperature":
            return _normal(np.log(np.maximum(scores, _TINY)) / self.values[0])
        if self.method == "beta":
            return _beta(scores, self.values)
        half = len(self.values) // 2
        return _isotonic(scores, self.values[:half], self.values[half:])


def chosen(scores: Floats, truth: Any, folds: Any) -> tuple[str, dict[str, float]]:
    """The method of the lowest cross-validated log-loss; a simpler one if it is as good.

    A freer one must be better by more than two standard errors of the rows' differences: what is
    well calibrated already is not made worse by chance.
    """
    losses: dict[str, float] = {}
    best, least = "none", _losses(scores, truth)
    for method in METHODS:
        if method == "beta" and scores.shape[1] != 2:
            continue
        found = _losses(across(method, scores, truth, folds), truth)
        losses[method] = float(found.mean())
        gained: Any = least - found
        error = float(gained.std()) / len(gained) ** 0.5
        if float(gained.mean()) > max(_BETTER * float(least.mean()), 2.0 * error):
            best, least = method, found
    return best, losses


def across(method: str, scores: Floats, truth: Any, folds: Any) -> Floats:
    """Every row through the calibration learnt from the other folds."""
    found = np.empty_like(scores)
    for fold in range(FOLDS):
        mine = folds == fold
        found[mine] = FITS[method](scores[~mine], truth[~mine])(scores[mine])
    return found


def _loss(probabilities: Floats, truth: Any) -> float:
    return float(_losses(probabilities, truth).mean())


def _losses(probabilities: Floats, truth: Any) -> Floats:
    return -np.log(np.clip(probabilities[np.arange(len(truth)), truth], 1e-6, 1.0))


def _normal(logits: Floats) -> Floats:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def _fit_none(scores: Floats, truth: Any) -> Calibration:
    return Calibration("none", np.zeros(0))


def _fit_temperature(scores: Floats, truth: Any) -> Calibration:
    """The temperature of the lowest log-loss, by a golden-section search on its logarithm."""
    logits = np.log(np.maximum(scores, _TINY))

    def loss(log_temperature: float) -> float:
        return _loss(_normal(logits / np.exp(log_temperature)), truth)

    return Calibration("temperature", np.array([np.exp(_least(loss, -3.0, 3.0))]))


def _least(function: Callable[[float], float], low: float, high: float) -> float:
    ratio = (np.sqrt(5.0) - 1.0) / 2.0
    for _ in range(40):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, right) if function(left) < function(right) else (left, high)
    return float((low + high) / 2.0)


def _beta(scores: Floats, values: Floats) -> Floats:
    first = np.clip(scores[:, 1], 1e-9, 1.0 - 1e-9)
    logit = values[0] * np.log(first) - values[1] * np.log1p(-first) + values[2]
    positive = 1.0 / (1.0 + np.exp(-np.clip(logit, -40.0, 40.0)))
    return np.column_stack([1.0 - positive, positive])


def _fit_beta(scores: Floats, truth: Any) -> Calibration:
    """Beta calibration (Kull et al. 2017): a logistic regression on the logarithms of the score."""
    first = np.clip(scores[:, 1], 1e-9, 1.0 - 1e-9)
    features: Any = np.column_stack([np.log(first), -np.log1p(-first), np.ones(len(first))])
    prior: Any = np.array([1.0, 1.0, 0.0])
    weights: Any = prior.copy()
    target: Any = (truth == 1).astype(np.float64)
    clip: Any = np.clip
    solve: Any = np.linalg.solve
    for _ in range(50):
        chance: Any = 1.0 / (1.0 + np.exp(-clip(features @ weights, -40.0, 40.0)))
        spread: Any = np.maximum(chance * (1.0 - chance), 1e-9)
        hessian: Any = features.T @ (features * spread[:, None]) + 1e-3 * np.eye(3)
        slope: Any = features.T @ (target - chance) - 1e-3 * (weights - prior)
        step: Any = solve(hessian, slope)
        weights = weights + step
        if float(abs(step).max()) < 1e-8:
            break
    # Falling slopes would turn the order of the classes around.
    return Calibration("beta", np.array([*np.maximum(weights[:2], 0.0), weights[2]]))


def _isotonic(scores: Floats, knots: Floats, heights: Floats) -> Floats:
    top = scores.argmax(axis=1)
    rows = np.arange(len(scores))
    best = scores[rows, top]
    sure = np.interp(best, knots, heights)
    rest = np.where(best < 1.0, (1.0 - sure) / np.maximum(1.0 - best, _TINY), 0.0)
    found = scores * rest[:, None]
    found[rows, top] = sure
    spare = 1.0 - found.sum(axis=1)
    others = scores.shape[1] - 1
    found += (spare / others)[:, None]
    found[rows, top] = sure
    return found


def _fit_isotonic(scores: Floats, truth: Any) -> Calibration:
    """How often the top class is right, as a rising step of its score (pool adjacent violators)."""
    best = scores.max(axis=1)
    right = (scores.argmax(axis=1) == truth).astype(np.float64)
    order = np.argsort(best, kind="stable")
    means: list[float] = []
    weights: list[float] = []
    places: list[float] = []
    for score, hit in zip(best[order].tolist(), right[order].tolist(), strict=True):
        means.append(hit)
        weights.append(1.0)
        places.append(score)
        while len(means) > 1 and means[-2] >= means[-1]:
            whole = weights[-2] + weights[-1]
            means[-2:] = [(means[-2] * weights[-2] + means[-1] * weights[-1]) / whole]
            places[-2:] = [(places[-2] * weights[-2] + places[-1] * weights[-1]) / whole]
            weights[-2:] = [whole]
    counted = np.array(weights)
    # One observation more on either side: no step promises certainty.
    heights = (np.array(means) * counted + 0.5) / (counted + 1.0)
    return Calibration(
        "isotonic", np.concatenate([np.array(places), np.maximum.accumulate(heights)])
    )


FITS: dict[str, Callable[[Floats, Any], Calibration]] = {
    "none": _fit_none,
    "temperature": _fit_temperature,
    "beta": _fit_beta,
    "isotonic": _fit_isotonic,
}
