"""How good the model is on the owner's labelled rows, and the rows kept as evidence of it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fairlead.core.promises import LoadedModel
from fairlead.core.signature import Signature
from fairlead.core.tensor import Array
from fairlead.packing import write
from fairlead.packing.compare import run
from fairlead.packing.rows import Table, inputs_of

_ROWS, _TARGET = "evidence/evaluation.npz", "evidence/evaluation.json"


def evaluate(
    model: LoadedModel, signature: Signature, rows: Table, target: str
) -> dict[str, float]:
    """{"rows": count, and the scores} of the model on rows whose column `target` is the truth."""
    truth = rows.columns[target]
    answers = run(model, signature, inputs_of(rows.without(target), signature))
    return {"rows": rows.count, **score(signature, answers, truth)}


def score(signature: Signature, answers: Mapping[str, Array], truth: Array) -> dict[str, float]:
    """Accuracy of a classifier; mean absolute error and R2 of a regressor; {} of others."""
    for spec in signature.outputs:
        if spec.role == "label":
            wrong = _as_text(answers[spec.name].reshape(-1)) != _as_text(truth)
            return {"accuracy": float(1 - wrong.mean())}
        if spec.role == "value" and truth.dtype.kind in "iuf":
            given = answers[spec.name].reshape(-1).astype(np.float64)
            true = truth.astype(np.float64)
            spread = float(((true - true.mean()) ** 2).sum())
            error = float(((true - given) ** 2).sum())
            return {
                "mean_absolute_error": float(np.abs(true - given).mean()),
                "r2": 1 - error / spread if spread else 0.0,
            }
    return {}


def _as_text(labels: Array) -> Array:
    """Labels as text, a whole float as the integer that it is."""
    if labels.dtype.kind == "f" and np.array_equal(labels, np.trunc(labels)):
        labels = labels.astype(np.int64)
    return labels.astype(str)


def evidence(rows: Table, target: str) -> dict[str, bytes | Path]:
    """The evaluation rows as files of the package, so that every figure can be made again."""
    buffer = io.BytesIO()
    columns = {n: v.astype(str) if v.dtype.kind == "O" else v for n, v in rows.columns.items()}
    np.savez_compressed(buffer, **columns)  # type: ignore[arg-type]
    told: dict[str, Any] = {"target": target, "columns": rows.names}
    return {_ROWS: buffer.getvalue(), _TARGET: write.json_bytes(told)}
