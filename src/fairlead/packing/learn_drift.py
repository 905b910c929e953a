"""Learns what many rows are held against: the inputs, and what the model makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fairlead.core.signature import Signature
from fairlead.core.tensor import Array
from fairlead.guards.drift import (
    CONFIDENT,
    MOST_COLUMNS,
    PREDICTED,
    Drift,
    Watched,
    answer_columns,
    watch,
)
from fairlead.guards.drift_private import watch_private
from fairlead.guards.files import DRIFT
from fairlead.packing.evaluate import Answers


def watched_answers(signature: Signature, answers: Answers) -> list[Watched]:
    """What the model answers, in bins; [] for a model whose answers are no predictions.

    Of evaluation rows only: on rows that it was trained on a model is surer than it will ever be
    again, and every window of new rows would look like drift.
    """
    place = signature.answer
    if place is None or not signature.batched:
        return []
    spec = signature.outputs[place]
    columns = answer_columns(answers.outputs[spec.name], spec.classes)
    return [_watched_answer(name, values, spec.classes) for name, values in columns.items()]


def _watched_answer(name: str, values: Array, classes: tuple[str, ...]) -> Watched:
    kind = "confidence" if name == CONFIDENT else "prediction"
    # The classes are known beforehand; a regression, and a label without classes, has none.
    return watch(name, values, kind, list(classes) or None)


def learn_watch(
    columns: Mapping[str, Any],
    answers: list[Watched],
    say: Callable[[str, str], None],
    *,
    private: bool = False,
) -> dict[str, bytes | Path]:
    """The file of the package that holds what drift is held against; {} when nothing is watched.

    columns: of the reference rows, as guards see them; {} when the inputs are no table. answers:
    as `watched_answers` has made them. private: no bin begins at a row's own value.
    """
    look = watch_private if private else watch
    inputs = [name for name in columns if name not in (PREDICTED, CONFIDENT)]
    room = MOST_COLUMNS - len(answers)
    watched = [*(look(name, columns[name]) for name in inputs[:room]), *answers]
    if not watched:
        return {}
    drift = Drift(watched, left_out=max(0, len(inputs) - room))
    say("drift", _line(drift))
    return {DRIFT: drift.to_bytes()}


def _line(drift: Drift) -> str:
    """What is watched, in a line for people."""
    rows = {w.kind: w.rows for w in drift.watched}
    count = sum(w.kind == "input" for w in drift.watched)
    told = [f"{count} column{'s' * (count != 1)} watched"] if count else []
    if "prediction" in rows:
        answers = "predictions and confidence" if "confidence" in rows else "predictions"
        told.append(f"{answers} from {rows['prediction']} evaluation rows")
    if drift.left_out:
        told.append(f"{drift.left_out} more columns are not watched: {MOST_COLUMNS} are the most")
    return ", ".join(told)
