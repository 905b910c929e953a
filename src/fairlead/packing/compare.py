"""Is the converted graph the same model? Both answer the same rows; the answers are compared.

Labels must agree on 99.9 % of the rows, and 99.9 % of all numbers must differ by 1e-4 at most
(relative to numbers above 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fairlead.core.promises import LoadedModel
from fairlead.core.signature import Signature
from fairlead.core.tensor import Array

LABELS_EQUAL = 0.999
DIFFERENCE = 1e-4
_QUANTILE = 0.999
_WORST = 3
_BATCH = 1024


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the comparison found.

    labels:     share of rows with an equal label, None when the model gives no label.
    largest, quantile: the largest and the 99.9th-percentile difference of all numbers.
    worst:      row numbers with the largest differences, worst first.
    sampled:    the rows were made up from the signature, not given.
    failure:    what is beyond tolerance, "" when the graph is faithful.
    """

    rows: int
    labels: float | None
    largest: float
    quantile: float
    worst: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    sampled: bool = False
    failure: str = ""

    @property
    def faithful(self) -> bool:
        return not self.failure

    def line(self) -> str:
        """The result in one line for people."""
        rows = f"{self.rows} {'sampled' if self.sampled else 'reference'} rows"
        labels = "" if self.labels is None else f"labels equal {self.labels:.2%}, "
        return f"{rows}: {labels}largest difference {self.largest:.2g}, 99.9 % {self.quantile:.2g}"


def compare(
    model: LoadedModel,
    signature: Signature,
    inputs: Sequence[Array],
    original: Mapping[str, Array],
    *,
    sampled: bool,
) -> Comparison:
    """Compares the graph's answers on `inputs` with the original's, by output name."""
    answers = run(model, signature, inputs)
    count = len(inputs[0])
    differences = np.zeros(count)
    every: list[Array] = []
    labels: float | None = None
    for spec in signature.outputs:
        if spec.name not in original:
            continue
        mine, theirs = answers[spec.name], original[spec.name]
        theirs = theirs.reshape(mine.shape)
        if spec.role == "label" or theirs.dtype.kind not in "fiub":
            labels = float(np.mean(mine.astype(str) == theirs.astype(str)))
            continue
        apart = _apart(mine.astype(np.float64), theirs.astype(np.float64)).reshape(count, -1)
        differences = np.maximum(differences, apart.max(axis=1, initial=0.0))
        every.append(apart.reshape(-1))
    numbers = np.concatenate(every) if every else np.zeros(1)
    largest, quantile = (
        float(numbers.max()),
        float(np.quantile(numbers, _QUANTILE, method="higher")),
    )
    failure = ""
    if labels is not None and labels < LABELS_EQUAL:
        failure = f"labels agree on {labels:.2%} of {count} rows only"
    elif not quantile <= DIFFERENCE:
        failure = f"99.9 % of the numbers differ by up to {quantile:.2g}, more than {DIFFERENCE:g}"
    worst = [
        {"row": int(row), "difference": float(differences[row])}
        for row in np.argsort(-differences, kind="stable")[:_WORST]
        if differences[row] > 0
    ]
    return Comparison(count, labels, largest, quantile, worst, sampled, failure)


def run(model: LoadedModel, signature: Signature, inputs: Sequence[Array]) -> dict[str, Array]:
    """The model's outputs by name for all rows, a bounded batch or one whole call at a time."""
    positions = range(len(signature.outputs))
    count = len(inputs[0])
    parts: list[list[Array]] = []
    for start in range(0, count, _BATCH if signature.batched else 1):
        if signature.batched:
            part = [np.ascontiguousarray(a[start : start + _BATCH]) for a in inputs]
            parts.append(model.predict(part, positions))
        else:
            answer = model.predict([np.array(a[start]) for a in inputs], positions)
            parts.append([a[np.newaxis] for a in answer])
    return {
        spec.name: np.concatenate([part[i] for part in parts])
        for i, spec in enumerate(signature.outputs)
    }


def _apart(mine: Array, theirs: Array) -> Array:
    """Absolute difference, relative above 1; equal infinities and NaNs differ by nothing."""
    same = (mine == theirs) | (np.isnan(mine) & np.isnan(theirs))
    with np.errstate(invalid="ignore"):
        apart = np.abs(mine - theirs) / np.maximum(1.0, np.abs(theirs))
    return np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart))
