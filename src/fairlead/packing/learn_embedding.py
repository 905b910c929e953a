"""The output in which a model shows what it makes of a row, for the novelty guard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fairlead.core.errors import RowsInvalid
from fairlead.core.promises import LoadedModel
from fairlead.core.signature import Signature
from fairlead.core.tensor import Array
from fairlead.guards.seen import IMAGE, MOST_NUMBERS, TOKENS, Seen

LEAST_WIDTH = 16
MOST_ROWS = 20_000
"""Rows that the model is asked for once more; a model that shows an embedding is seldom fast."""

_BATCH = 256
_ONE = 1e-3


def embedding_of(signature: Signature, seen: Seen, chosen: str) -> int | None:
    """The position of the output that is an embedding, None when there is none to guard.

    chosen: the owner's word for it. Without one, it is the only output of many unexplained numbers
    per row of a model of images or tokens. Raises RowsInvalid for a word that names no such output.
    """
    if not signature.batched:
        return None
    outputs = signature.outputs
    able = [i for i, s in enumerate(outputs) if s.dtype.is_float and len(s.shape) == 2]
    if chosen:
        for i in able:
            if outputs[i].name == chosen:
                return i
        known = ", ".join(outputs[i].name for i in able)
        raise RowsInvalid(
            f"{chosen!r} is no output of floats, a vector per row",
            fix=f"Outputs that may be the embedding: {known}" if known else "Leave it out",
        )
    if not any(view.kind in (IMAGE, TOKENS) for view in seen.views):
        return None
    wide = [i for i in able if not outputs[i].role and outputs[i].shape[1] >= LEAST_WIDTH]
    return wide[0] if len(wide) == 1 else None


@dataclass(frozen=True, slots=True)
class Embedded:
    """What a model makes of some rows.

    name: of the output; rows: which of the rows were asked for; values: (rows, width).
    """

    name: str
    rows: Array
    values: Array

    @property
    def columns(self) -> dict[str, Array]:
        """A column per number."""
        wide = self.values.astype(np.float64)
        return {f"{self.name}[{i}]": wide[:, i] for i in range(wide.shape[1])}

    def doubt(self, *, chosen: bool) -> str:
        """Why it is no embedding to guard, "" when it may be one. chosen: the owner says it is."""
        if self.values.ndim != 2 or self.values.shape[1] > MOST_NUMBERS:
            return f"a row has more than {MOST_NUMBERS} numbers"
        sums = self.values.sum(axis=1)
        if not chosen and (self.values >= 0).all() and (np.abs(sums - 1.0) < _ONE).all():
            return "its numbers are probabilities"
        return ""


def embed(
    model: LoadedModel, signature: Signature, place: int, inputs: Sequence[Array]
) -> Embedded:
    """What the model makes of the rows, or of some of them, spread evenly."""
    count = len(inputs[0])
    rows = np.linspace(0, count - 1, min(count, MOST_ROWS)).astype(int)
    parts: list[Array] = []
    for start in range(0, len(rows), _BATCH):
        some = rows[start : start + _BATCH]
        parts += model.predict([np.ascontiguousarray(array[some]) for array in inputs], [place])
    return Embedded(signature.outputs[place].name, rows, np.concatenate(parts))
