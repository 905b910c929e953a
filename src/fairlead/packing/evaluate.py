"""How good the model is on the owner's labelled rows, and the rows kept as evidence of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fairlead.core.errors import RowsInvalid
from fairlead.core.promises import LoadedModel
from fairlead.core.signature import Signature
from fairlead.core.tensor import Array
from fairlead.packing import write
from fairlead.packing.compare import run, same_labels
from fairlead.packing.rows import Table, inputs_of

ROWS, TARGET = "evidence/evaluation.npz", "evidence/evaluation.json"


@dataclass(frozen=True, slots=True)
class Answers:
    """What the model answers to the evaluation rows.

    truth: their labels; outputs: by name.
    """

    truth: Array
    outputs: Mapping[str, Array]


def answer(model: LoadedModel, signature: Signature, rows: Table, target: str) -> Answers:
    """The model's answers to rows whose column `target` is the truth.

    Raises RowsInvalid for a row without a label.
    """
    truth = rows.columns[target]
    missing = np.flatnonzero([_is_missing(value) for value in truth.tolist()])
    if len(missing):
        raise RowsInvalid(
            f"there is no label in {len(missing)} of {rows.count} evaluation rows",
            where=f"row {missing[0] + 1}, column {target}",
            fix="Leave those rows out",
        )
    return Answers(truth, run(model, signature, inputs_of(rows.without(target), signature)))


def evaluate(signature: Signature, answers: Answers) -> dict[str, float]:
    """{"rows": count, and the scores} of the model."""
    return {"rows": len(answers.truth), **score(signature, answers.outputs, answers.truth)}


def _is_missing(value: Any) -> bool:
    return value is None or value == "" or value != value


def score(signature: Signature, answers: Mapping[str, Array], truth: Array) -> dict[str, float]:
    """Accuracy of a classifier; mean absolute error and R2 of a regressor; {} of others."""
    for spec in signature.outputs:
        given = answers[spec.name].reshape(-1)
        if given.shape != truth.shape:
            continue  # several values for a row, and one truth
        if spec.role == "label":
            return {"accuracy": float(same_labels(given, truth).mean())}
        if spec.role == "value" and truth.dtype.kind in "biuf":
            return _errors(given.astype(np.float64), truth.astype(np.float64))
    best = best_classes(signature, answers)
    return {} if best is None else {"accuracy": float(same_labels(best, truth).mean())}


def best_classes(signature: Signature, answers: Mapping[str, Array]) -> Array | None:
    """The class of the highest score of each row, where the model gives scores of named classes."""
    for spec in signature.outputs:
        given = answers[spec.name]
        if spec.role != "scores" or given.ndim != 2 or given.shape[1] != len(spec.classes):
            continue
        if np.isfinite(given).all():
            return np.array(spec.classes, dtype=object)[given.argmax(axis=1)]
    return None


def _errors(given: Array, true: Array) -> dict[str, float]:
    """Figures that are no number, as of a model that answers infinity, are left out."""
    with np.errstate(all="ignore"):
        spread = float(((true - true.mean()) ** 2).sum())
        error = float(((true - given) ** 2).sum())
        found = {
            "mean_absolute_error": float(np.abs(true - given).mean()),
            "r2": 1 - error / spread if spread else 0.0,
        }
    return {name: figure for name, figure in found.items() if np.isfinite(figure)}


def evidence(rows: Table, target: str) -> dict[str, bytes | Path]:
    """The evaluation rows as files of the package, so that every figure can be made again."""
    columns = {n: v.astype(str) if v.dtype.kind == "O" else v for n, v in rows.columns.items()}
    told: dict[str, Any] = {"target": target, "columns": rows.names}
    return {ROWS: write.arrays_bytes(columns), TARGET: write.json_bytes(told)}
