"""An alarm without a window: a bet against the uniformity of the novelty p-values.

Its wealth reaches 1/rate with a chance of at most `rate`, ever (Ville 1939; Vovk and Wang 2021).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, inf, isfinite, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FORMAT = 1
_AT_ONCE = 10_000
_MOST_LOG = 700.0
"""Beyond it an exponential is no number any more."""


class Betting:
    """An alarm without a window: wealth from betting that the p-values are small.

    A bet may begin at any row; a row's share of the stake falls with the rows before it, so that
    all shares together are the whole stake, however many rows there will be.

    rows:  how many rows the p-values were calibrated on; they are widened by three of its standard
           errors, or the bet would slowly learn the calibration rows themselves.
    rate:  the chance that the alarm is ever raised although nothing has changed.
    highest: the logarithm of the largest wealth so far.
    """

    _POWERS: Floats = np.linspace(0.1, 0.9, 9)
    _SLOPES: Floats = np.array([0.2, 0.5, 0.9])
    """Powers win on rows that are very strange, slopes on many that are a little strange."""

    def __init__(self, rows: int, rate: float = 0.001) -> None:
        self._rows = rows
        self.rate = rate
        self._limit = log(1.0 / rate)
        self.seen = 0
        self.restart()

    @property
    def alarmed(self) -> bool:
        return self.since is not None

    @property
    def wealth(self) -> float:
        """What the bets are worth now, in stakes."""
        return float(np.exp(np.minimum(self._logs, _MOST_LOG)).mean())

    @property
    def highest_wealth(self) -> float:
        """The most that they were ever worth, in stakes."""
        return exp(min(self.highest, _MOST_LOG))

    def see(self, p_values: Floats) -> bool:
        """Bets on p-values in order; True once the alarm is raised."""
        for start in range(0, len(p_values), _AT_ONCE):
            gains = self._gains(np.asarray(p_values[start : start + _AT_ONCE], dtype=np.float64))
            won: Any = np.cumsum(gains, axis=0)
            before = won - gains
            stakes = self._stakes(len(gains))[:, None] - before
            stakes[0] = np.logaddexp(stakes[0], self._logs)
            logs: Any = won + np.logaddexp.accumulate(stakes, axis=0)
            top: Any = logs.max(axis=1)
            wealth: Any = top + np.log(np.exp(logs - top[:, None]).mean(axis=1))
            self._logs = logs[-1]
            self.highest = max(self.highest, float(wealth.max()))
            raised = np.flatnonzero(wealth >= self._limit)
            if self.since is None and len(raised):
                self.since = self.seen + int(raised[0]) + 1
            self.seen += len(gains)
            self._begun += len(gains)
        return self.alarmed

    def _gains(self, p: Floats) -> Floats:
        """By how much each way of betting multiplies its stake on each row, as logarithms."""
        error = np.sqrt(np.maximum(p * (1.0 - p), 1.0 / self._rows) / self._rows)
        wide = np.minimum(1.0, p + 3.0 * error)[:, None]
        powers = np.log(self._POWERS) + (self._POWERS - 1.0) * np.log(wide)
        return np.hstack([powers, np.log1p(self._SLOPES * (1.0 - 2.0 * wide))])

    def _stakes(self, count: int) -> Floats:
        """The logarithms of the shares that are staked on bets from each of these rows on."""
        placed = 1.0 / (1.0 + np.log1p(np.arange(self._begun, self._begun + count + 1.0)))
        return np.log(placed[:-1] - placed[1:])

    def state(self) -> dict[str, Any]:
        """All that has been seen, as plain JSON values."""
        return {
            "format": FORMAT,
            "calibrated": self._rows,
            "rate": self.rate,
            "seen": self.seen,
            "begun": self._begun,
            "highest": self.highest,
            "since": self.since,
            # JSON has no word for the logarithm of nothing.
            "logs": [held if isfinite(held) else None for held in self._logs.tolist()],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes up a state of before. Raises ValueError or KeyError on anything else."""
        try:
            same = (state["format"], state["calibrated"], len(state["logs"]))
            if same != (FORMAT, self._rows, len(self._logs)) or state["rate"] != self.rate:
                raise ValueError("the state is of another bet")
            since = None if state["since"] is None else int(state["since"])
            seen, begun, highest = int(state["seen"]), int(state["begun"]), float(state["highest"])
            logs = [-inf if held is None else float(held) for held in state["logs"]]
        except TypeError as error:
            raise ValueError(f"no state of a bet: {error}") from None
        self.seen, self._begun, self.highest, self.since = seen, begun, highest, since
        self._logs = np.array(logs)

    def restart(self) -> None:
        """Begins anew after somebody has looked."""
        self._logs = np.full(len(self._POWERS) + len(self._SLOPES), -np.inf)
        self._begun = 0
        self.highest = 0.0
        self.since: int | None = None
