"""Learns what good callers do, so that one who copies or probes the model stands out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fairlead.core.signature import Signature
from fairlead.guards.misuse import Misuse, learn_misuse
from fairlead.guards.novelty import Novelty
from fairlead.packing.evaluate import Answers

_MOST_ROWS = 2048


def suspicion(columns: Mapping[str, Any], guard: Novelty) -> bytes:
    """The file of the misuse guard. columns: of the reference rows, from which `guard` learnt."""
    count = len(next(iter(columns.values())))
    some = np.linspace(0, count - 1, min(count, _MOST_ROWS)).astype(int)
    placed = guard.space.place({name: values[some] for name, values in columns.items()})
    return learn_misuse(placed, guard.calibrated).to_bytes()


def with_margins(raw: bytes, signature: Signature, answers: Answers) -> bytes:
    """The file with what is known of how decided the model is on good rows.

    answers: to evaluation rows, since on rows that it was trained on a model is too decided.
    """
    place = signature.answer
    scores = None if place is None else answers.outputs[signature.outputs[place].name]
    if scores is None or scores.ndim != 2 or scores.shape[1] < 2:
        return raw
    misuse = Misuse.from_bytes(raw)
    misuse.learn_margins(scores)
    return misuse.to_bytes()
