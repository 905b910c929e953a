"""Is the converted graph the same model? Both answer the same rows; the answers are compared.

Labels must agree on 99.9 % of the rows, and 99.9 % of all numbers must differ by 1e-4 at most
(relative to numbers above 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairlead.core.promises import LoadedModel
from fairlead.core.signature import Signature, TensorSpec
from fairlead.core.tensor import Array

LABELS_EQUAL = 0.999
DIFFERENCE = 1e-4
_QUANTILE = 0.999
_WORST = 3
_BATCH = 1024


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the comparison found.

    labels:     share of equal labels (and other text and integers), None when there are none.
    largest, quantile: the largest and the 99.9th-percentile difference of all numbers.
    worst:      the worst rows, worst first: {"row", "difference"}, and the two labels as
                "original" and "graph" where they are not the same.
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

    def to_json(self, *, worst: bool) -> dict[str, Any]:
        """What was found, as plain values; worst: with the worst rows."""
        left_out = {"failure"} if worst else {"failure", "worst"}
        return {k: getattr(self, k) for k in self.__slots__ if k not in left_out}

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
    wrong = np.zeros(count, dtype=bool)
    labelled: list[tuple[Array, Array]] = []
    every: list[Array] = []
    labels: float | None = None
    for spec in signature.outputs:
        if spec.name not in original:
            continue
        mine, theirs = answers[spec.name], original[spec.name]
        failure = _misshapen(spec, mine, theirs, batched=signature.batched)
        if failure:
            return Comparison(count, None, np.inf, np.inf, sampled=sampled, failure=failure)
        mine, theirs = mine.reshape(count, -1), theirs.reshape(count, -1)
        if spec.role == "label" or theirs.dtype.kind != "f":
            same = same_labels(mine, theirs)
            wrong |= ~same.all(axis=1)
            labelled.append((mine, theirs))
            labels = min(float(same.mean()), 1.0 if labels is None else labels)
            continue
        apart = _apart(mine.astype(np.float64), theirs.astype(np.float64))
        differences = np.maximum(differences, apart.max(axis=1, initial=0.0))
        every.append(apart.reshape(-1))
    numbers = np.concatenate(every) if every else np.zeros(1)
    largest = float(numbers.max())
    quantile = float(np.quantile(numbers, _QUANTILE, method="higher"))
    failure = ""
    if labels is not None and labels < LABELS_EQUAL:
        failure = f"labels agree on {labels:.2%} of {count} rows only"
    elif not quantile <= DIFFERENCE:
        failure = f"99.9 % of the numbers differ by up to {quantile:.2g}, more than {DIFFERENCE:g}"
    elif not np.isfinite(largest):
        row = int(np.argmax(differences))
        failure = f"row {row} has NaN or infinity in one answer and a number in the other"
    worst = _worst(differences, wrong, labelled)
    return Comparison(count, labels, largest, quantile, worst, sampled, failure)


def same_labels(mine: Array, theirs: Array) -> NDArray[np.bool_]:
    """Which labels are the same; a number is the same however it is written (1, 1.0, "1")."""
    if mine.dtype.kind in "fiub" and theirs.dtype.kind in "fiub":
        return mine == theirs
    return texts(mine) == texts(theirs)


def texts(labels: Array) -> NDArray[Any]:
    """Labels as text, a whole number as an integer whatever type it comes in."""
    words: Array = np.empty(labels.size, dtype=object)
    words[:] = [_word(value) for value in labels.reshape(-1).tolist()]
    return words.reshape(labels.shape)


def _word(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole else str(value)


def _misshapen(spec: TensorSpec, mine: Array, theirs: Array, *, batched: bool) -> str:
    """What is wrong with an output's shape, "" when nothing is."""
    wanted = spec.shape[1:] if batched else spec.shape
    given = mine.shape[1:]
    if len(given) != len(wanted) or any(
        w not in (-1, g) for w, g in zip(wanted, given, strict=True)
    ):
        return f"output {spec.name!r} has rows of shape {list(given)}, not {list(wanted)}"
    if mine.size != theirs.size:
        theirs_shape = list(theirs.shape[1:])
        return f"output {spec.name!r} has rows of shape {list(given)}, the original {theirs_shape}"
    return ""


def _worst(
    differences: Array, wrong: Array, labelled: Sequence[tuple[Array, Array]]
) -> list[dict[str, Any]]:
    """The worst rows: those with another label first, then those with the largest difference."""
    order: list[int] = np.lexsort((-differences, ~wrong))[:_WORST].tolist()
    found: list[dict[str, Any]] = []
    for row in order:
        if not wrong[row] and not differences[row] > 0:
            continue
        entry: dict[str, Any] = {"row": row, "difference": float(differences[row])}
        if wrong[row]:
            entry["graph"] = ", ".join(str(v) for mine, _ in labelled for v in mine[row])
            entry["original"] = ", ".join(str(v) for _, theirs in labelled for v in theirs[row])
        found.append(entry)
    return found


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
            answer = model.predict([np.array(a[start], a.dtype) for a in inputs], positions)
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


def worst_words(found: Comparison | None) -> str:
    """The rows that differ most, in words; "" when none is known."""
    told: list[str] = []
    for row in found.worst if found is not None else ():
        labels = f": {row['original']} became {row['graph']}" if "graph" in row else ""
        told.append(f"row {row['row']}" + (labels or f" by {row['difference']:.2g}"))
    return ", ".join(told)
