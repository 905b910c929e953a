"""Learns a package's guards from the owner's rows: contract, novelty, confidence.

Rows are taken as they will be served, so a guard sees at pack what it will see in the worker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fairlead.core.promises import LoadedModel
from fairlead.core.signature import Signature
from fairlead.core.tensor import Array
from fairlead.guards.confidence import learn_confidence
from fairlead.guards.contract import learn_contract
from fairlead.guards.files import CONFIDENCE, CONTRACT, INTERVALS, NOVELTY
from fairlead.guards.intervals import learn_intervals
from fairlead.guards.novelty import learn_novelty
from fairlead.packing.compare import run
from fairlead.packing.rows import Table, inputs_of

MOST_RULES = 1000
"""A contract of more columns than anyone reads is not written."""

MOST_ROWS = 100_000

Say = Callable[[str, str], None]


def learn_inputs(reference: Table, signature: Signature, say: Say) -> dict[str, bytes | Path]:
    """Contract and novelty guard from reference rows, as files of the package."""
    columns = columns_of(inputs_of(_some(reference), signature), signature)
    if not columns:
        say("guards", "the model takes no table: its inputs are not guarded yet")
        return {}
    files: dict[str, bytes | Path] = {}
    if len(columns) <= MOST_RULES:
        files[CONTRACT] = learn_contract(columns).to_toml().encode()
    try:
        guard = learn_novelty(columns)
    except ValueError as error:
        say("guards", f"novelty is not guarded: {error}")
        return files
    files[NOVELTY] = guard.to_bytes()
    kept = f"the package holds {guard.raw_rows} raw rows for it"
    if guard.smallest_rate > guard.false_alarm_rate:
        kept += (
            f"; {guard.calibrated} rows kept aside allow no false-alarm rate below "
            f"{guard.smallest_rate:.1%}, so rows unlike all of them are marked, not rejected"
        )
    say("guards", f"novelty learnt from {min(reference.count, MOST_ROWS)} rows; {kept}")
    return files


def learn_answers(
    model: LoadedModel, signature: Signature, evaluation: Table, target: str, say: Say
) -> dict[str, bytes | Path]:
    """Confidence or intervals from labelled rows, as files of the package."""
    truth = evaluation.columns[target]
    answers = run(model, signature, inputs_of(evaluation.without(target), signature))
    for spec in signature.outputs:
        try:
            if spec.role == "scores" and spec.classes:
                return _confidence(answers[spec.name], spec.classes, truth, say)
            if spec.role == "value" and truth.dtype.kind in "iuf":
                guard = learn_intervals(answers[spec.name], truth)
                say("guards", f"90 % of answers are off by at most {guard.radius():.4g}")
                return {INTERVALS: guard.to_bytes()}
        except ValueError as error:
            say("guards", f"no confidence is claimed: {error}")
            return {}
    return {}


def _confidence(
    scores: Array, classes: tuple[str, ...], truth: Array, say: Say
) -> dict[str, bytes | Path]:
    places = {name: i for i, name in enumerate(classes)}
    names = [_name(v) for v in truth.tolist()]
    strangers = sorted({n for n in names if n not in places})
    if strangers:
        raise ValueError(f"the labels hold {strangers[0]!r}, which is no class of the model")
    guard = learn_confidence(scores, [places[n] for n in names])
    how = "scores are believed as they are" if guard.method == "none" else guard.method
    say("guards", f"confidence from {guard.rows} labelled rows; calibration: {how}")
    return {CONFIDENCE: guard.to_bytes()}


def _name(label: Any) -> str:
    """A label as its class is named; a whole float is the integer that it is."""
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)


def columns_of(inputs: list[Array], signature: Signature) -> dict[str, Any]:
    """The columns of input arrays, as guards see them; {} when the inputs are no table."""
    found: dict[str, Any] = {}
    for column in signature.columns:
        array = inputs[column.input]
        if column.position is not None:
            values = array[:, column.position]
        else:
            values = array.reshape(len(array))
        found[column.name] = values if values.dtype.kind == "O" else values.astype(np.float64)
    return found


def _some(table: Table) -> Table:
    """As many rows as guards learn from, spread over the whole table."""
    if table.count <= MOST_ROWS:
        return table
    chosen = np.linspace(0, table.count - 1, MOST_ROWS).astype(int)
    columns: Mapping[str, Any] = {n: v[chosen] for n, v in table.columns.items()}
    return Table(columns)
