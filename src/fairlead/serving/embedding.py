"""What the model itself makes of the rows, judged after it ran and before its answer leaves."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.core.decision import Verdicts
from fairlead.core.signature import Signature
from fairlead.core.tensor import Array
from fairlead.guards.novelty import Novelty


class Embedding:
    """The novelty guard of an output that is an embedding.

    name, place: of the output.
    """

    def __init__(self, guard: Novelty, signature: Signature, limit: float, code: int) -> None:
        """limit: the score above which a row is novel; code: what becomes of it.

        Raises ValueError for a guard of another model.
        """
        self.name = guard.space.names[0].rpartition("[")[0]
        names = [spec.name for spec in signature.outputs]
        if self.name not in names:
            raise ValueError(f"the model has no output {self.name!r} for its embedding guard")
        self.place = names.index(self.name)
        self._guard, self._limit, self._code = guard, limit, code
        self._words = (
            f"to the model the row is unlike the training rows: its {self.name!r} is like none"
        )

    def judge(self, values: Array, verdicts: Verdicts) -> None:
        """Adds what the embedding of each row says to the verdicts."""
        guard = self._guard
        wide: Any = values.astype(np.float64)
        if guard.space.plain:
            placed = guard.space.place_numbers(wide)
        else:
            names = guard.space.names
            placed = guard.space.place({name: wide[:, i] for i, name in enumerate(names)})
        scores = guard.scores_of(placed)
        p_novel = guard.p_of(scores)
        before = verdicts.p_novel
        # Of two scores calibrated together, the stranger one has the smaller p-value.
        verdicts.p_novel = p_novel if before is None else np.minimum(before, p_novel)
        beyond = scores > self._limit
        if not beyond.any():
            return
        known = verdicts.novel if verdicts.novel is not None else np.zeros(len(beyond), bool)
        for row in np.flatnonzero(beyond & ~known).tolist():
            verdicts.set(row, self._code, [self._words])
        verdicts.novel = known | beyond
