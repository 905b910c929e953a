"""Which rows are looked at, where more pass than can be: chance decides, before they are seen."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.core.tensor import Array

FEW = 64
"""An execution of so few rows is looked at as a whole or not at all: to pick some of them costs as
much as to judge them."""

EVERY: Any = slice(None)
"""The positions of all rows."""


class Allowance:
    """So many rows, and so many a second from then on."""

    __slots__ = ("_burst", "_chance", "_due", "_left", "_moment", "_rate")

    def __init__(
        self, burst: int, rate: float, moment: float, chance: np.random.Generator | None = None
    ) -> None:
        self._burst, self._rate = burst, rate
        self._left, self._moment = float(burst), moment
        self._due = 0.0
        self._chance = chance or np.random.default_rng()

    def take(self, rows: int, moment: float) -> int:
        """How many of so many rows may be looked at; they count as looked at."""
        left = min(self._burst, self._left + (moment - self._moment) * self._rate)
        taken = max(0, min(rows, int(left)))
        self._left, self._moment = left - taken, moment
        return taken

    def positions(self, rows: int, moment: float, most: int) -> Any:
        """Which of the rows of an execution may be looked at, None for none of them.

        most: that may be, in any case.

        Of many, some that are spread evenly from a place of chance. Of few, all or none, at moments
        of chance: who sends rows to be looked at in time would not know when.
        """
        if rows > FEW or rows > most:
            wanted = self.take(min(rows, most), moment)
            return self._spread(rows, wanted) if wanted else None
        left = min(self._burst, self._left + (moment - self._moment) * self._rate)
        self._moment = moment
        if left < self._due:
            self._left = left
            return None
        self._left = left - rows
        # On average what was taken has come back by then; more than the burst never comes back.
        self._due = min(rows * self._chance.standard_exponential(), self._burst)
        return EVERY

    def _spread(self, rows: int, wanted: int) -> Array | slice:
        if wanted == rows:
            return EVERY
        places = np.arange(wanted) + self._chance.random()
        return (places * (rows / wanted)).astype(np.intp)
