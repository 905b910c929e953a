"""Which rows are looked at, where more pass than can be: chance decides, before they are seen."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.core.tensor import Array

FEW = 256
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
        self._refill(moment)
        taken = max(0, min(rows, int(self._left)))
        self._left -= taken
        return taken

    def positions(self, rows: int, moment: float, most: int) -> Any:
        """Which of the rows of an execution may be looked at, None for none of them.

        most: that may be, in any case.

        All of few, and of many as many as are left. Once all have been taken, the next is at a
        moment of chance: who sends rows to be looked at in time would not know when. Large
        executions wait for it as small ones do, or they would leave nothing to those.
        """
        self._refill(moment)
        if self._left < self._due:
            return None
        wanted = min(rows, most)
        if wanted > FEW:
            wanted = min(wanted, int(self._left))
        if wanted < 1:
            return None
        self._left -= wanted
        # On average what was taken has come back by then; more than the burst never comes back.
        due = min(2.0 * wanted * self._chance.random(), self._burst)
        self._due = 0.0 if self._left >= 1.0 else due
        return self._spread(rows, wanted)

    def _refill(self, moment: float) -> None:
        self._left = min(self._burst, self._left + (moment - self._moment) * self._rate)
        self._moment = moment

    def _spread(self, rows: int, wanted: int) -> Array | slice:
        if wanted == rows:
            return EVERY
        places = np.arange(wanted) + self._chance.random()
        return (places * (rows / wanted)).astype(np.intp)
