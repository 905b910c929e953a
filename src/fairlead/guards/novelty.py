"""Does a row come from where the training rows came from?

Two things make a row strange: it is far from every training row, or one value lies beyond what
training rows hold. Each is turned into the rarity that it has among training rows (minus the
logarithm of its survival, continued in a straight line beyond the last one seen), and the larger of
the two is the row's score. How often a score is reached by rows that were kept aside decides: the
p-value of split conformal prediction (Vovk et al. 2005), so that the share of false alarms is the
owner's number, whatever the data.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairlead.guards.bounds import assured_rank
from fairlead.guards.columns import as_columns
from fairlead.guards.novelty_space import Space, learn_space

Floats = NDArray[np.float64]

LEAST_ROWS = 20
_FIT_SHARE = 0.7
_MOST_CALIBRATION = 5000
_MOST_CORE = 2000
_MOST_WEIGHT = 1_000_000
"""Core rows times coordinates: beyond it one row would take more than 50 µs."""

_MOST_ROWS = 100_000
_UNVETTED_NEIGHBOUR = 5
_KNOTS = 512
_MOST_REASONS = 5


@dataclass(slots=True)
class Tail:
    """How rare a value is: minus the logarithm of the share of training rows that reach it.

    knots: values in rising order; heights: their rarity; slope: how it goes on beyond the last.
    """

    knots: Floats
    heights: Floats
    slope: float

    @classmethod
    def learn(cls, values: Floats) -> Tail:
        """The tail of these values; it goes on as an exponential of their upper tenth's mean."""
        ordered = np.sort(values)
        count = len(ordered)
        survival = (count - np.arange(count)) / (count + 1)
        heights = -np.log(survival)
        top = ordered[-max(2, count // 10) :]
        spread = float((top - top[0]).mean()) or float(ordered[-1]) or 1.0
        keep = np.unique(np.linspace(0, count - 1, min(count, _KNOTS)).astype(int))
        # Equal values have the rarity of the most frequent of them.
        knots, first = np.unique(ordered[keep], return_index=True)
        return cls(knots, heights[keep][first], 1.0 / max(spread, 1e-12))

    def of(self, values: Floats) -> Floats:
        """The rarity of each value."""
        found = np.interp(values, self.knots, self.heights)
        return found + np.maximum(values - self.knots[-1], 0.0) * self.slope


class Novelty:
    """A learnt novelty guard.

    false_alarm_rate: the owner's number: the share of good rows that may be called novel.
    calibrated: rows kept aside, whose scores decide.
    """

    def __init__(
        self,
        space: Space,
        core: Floats,
        low: Floats,
        high: Floats,
        tails: tuple[Tail, Tail],
        calibration: Floats,
        false_alarm_rate: float,
        neighbour: int,
    ) -> None:
        self.space = space
        self.false_alarm_rate = false_alarm_rate
        self._core = core
        self._squares = (core**2).sum(axis=1)
        self._twice = np.ascontiguousarray(2.0 * core.T)
        self._low, self._high = low, high
        self._tails = tails
        self._calibration = np.sort(calibration)
        self._neighbour = neighbour

    def calibrate(self, scores: Floats) -> None:
        """Lets these scores, of rows kept aside, decide from now on."""
        self._calibration = np.sort(scores)

    @property
    def calibrated(self) -> int:
        return len(self._calibration)

    @property
    def raw_rows(self) -> int:
        """How many training rows the guard holds, as coordinates."""
        return len(self._core)

    @property
    def smallest_rate(self) -> float:
        """No smaller false-alarm rate can be promised from so many rows."""
        return 1.0 / (self.calibrated + 1)

    def scores(self, rows: Any) -> Floats:
        """How strange each row is; higher is stranger, without an upper end."""
        return self._scores(self._place(rows))

    def p_values(self, rows: Any) -> Floats:
        """The share of good rows that are at least as strange; small is novel."""
        return self.p_of(self.scores(rows))

    def p_of(self, scores: Floats) -> Floats:
        """The p-values of scores."""
        above = self.calibrated - np.searchsorted(self._calibration, scores, side="left")
        return (1.0 + above) / (self.calibrated + 1)

    def decide(self, rows: Any, *, assured: bool = False) -> NDArray[np.bool_]:
        """Which rows are novel at the owner's false-alarm rate.

        assured: hold the rate for these very calibration rows with 95 % confidence, not only on
        average over all that might have been drawn.
        """
        return self.scores(rows) > self.threshold(assured=assured)

    def threshold(self, *, assured: bool = False) -> float:
        """The score above which a row is novel; infinite when there are too few rows to promise."""
        count = self.calibrated
        rank = (
            assured_rank(count, self.false_alarm_rate)
            if assured
            else int(self.false_alarm_rate * (count + 1) + 1e-9)
        )
        return float("inf") if rank < 1 else float(self._calibration[count - rank])

    def explain(self, rows: Any) -> list[list[str]]:
        """For each row what is strange about it, the strangest first, in words with numbers."""
        columns = self._columns(rows)
        placed = self.space.place(columns)
        near = self._core[np.argmin(self._distances(placed), axis=1)]
        beyond = self._beyond(placed)
        return [
            self._reasons({n: v[i] for n, v in columns.items()}, placed[i], near[i], beyond[i])
            for i in range(len(placed))
        ]

    def strangest(self, rows: Any) -> list[str]:
        """For each row the column that adds most to its strangeness."""
        placed = self._place(rows)
        near = self._core[np.argmin(self._distances(placed), axis=1)]
        beyond = self._beyond(placed)
        return [self._ranked(placed[i], near[i], beyond[i])[0] for i in range(len(placed))]

    # --- inside ---------------------------------------------------------------------------

    def _columns(self, rows: Any) -> dict[str, Any]:
        """The rows as columns of the space. Raises ValueError when they are others."""
        columns = as_columns(rows)
        names = self.space.names
        if set(columns) == set(names):
            return columns
        nameless = list(columns) == [f"x{i}" for i in range(len(names))]
        if not nameless:
            raise ValueError(f"the rows must have the columns {', '.join(names[:20])}")
        return dict(zip(names, columns.values(), strict=True))

    def _place(self, rows: Any) -> Floats:
        return self.space.place(self._columns(rows))

    def _distances(self, placed: Floats) -> Floats:
        squares = (placed**2).sum(axis=1)[:, None] + self._squares - 2.0 * (placed @ self._core.T)
        return np.sqrt(np.maximum(squares, 0.0))

    def _beyond(self, placed: Floats) -> Floats:
        """How far each coordinate lies outside what training rows hold, in usual differences."""
        return np.maximum(np.maximum(self._low - placed, placed - self._high), 0.0)

    def _scores(self, placed: Floats) -> Floats:
        """Written for one row of many calls as much as for many rows: few numpy calls."""
        squares = self._squares - placed @ self._twice
        if self._neighbour == 1:
            near = squares.min(axis=1)
        else:
            near = np.partition(squares, self._neighbour - 1, axis=1)[:, self._neighbour - 1]
        near += np.einsum("ij,ij->i", placed, placed)
        beyond = np.maximum(self._low - placed, placed - self._high).max(axis=1)
        far, out = self._tails
        return np.maximum(far.of(np.sqrt(np.maximum(near, 0.0))), out.of(np.maximum(beyond, 0.0)))

    def _ranked(self, placed: Floats, near: Floats, beyond: Floats) -> list[str]:
        """Columns by what they add: first what lies outside, then what differs from the nearest."""
        differs = (placed - near) ** 2
        outside = np.array([beyond[a.start : a.stop].max() for a in self.space.axes])
        apart = np.array([differs[a.start : a.stop].sum() for a in self.space.axes])
        weight = outside**2 + apart
        return [self.space.axes[i].name for i in np.argsort(-weight, kind="stable")]

    def _reasons(
        self, row: dict[str, Any], placed: Floats, near: Floats, beyond: Floats
    ) -> list[str]:
        axes = {axis.name: axis for axis in self.space.axes}
        said: list[str] = []
        ranked = self._ranked(placed, near, beyond)
        for name in ranked:
            axis = axes[name]
            value = row[name]
            if beyond[axis.start : axis.stop].max() <= 0:
                continue
            said.append(self._outside(axis, value))
            if len(said) == _MOST_REASONS:
                return said
        if not said:
            said.append(
                "no single value is unusual, the combination is: the nearest training row differs "
                f"most in {', '.join(ranked[:2])}"
            )
        return said

    def _outside(self, axis: Any, value: Any) -> str:
        if axis.kind != "number":
            if value == "":
                return f"{axis.name} is missing, which training rows never are"
            if axis.kind == "category":
                return f"{axis.name} = {value!r} is no value that training rows hold"
            return f"{axis.name} is written or measured unlike any training text"
        if not np.isfinite(value):
            return f"{axis.name} is missing, which training rows never are"
        mean, deviation = axis.mean[0], axis.deviation[0]
        high = self._high[axis.start] * deviation + mean
        low = self._low[axis.start] * deviation + mean
        if value > high:
            return f"{axis.name} = {value:g} is above the training maximum {high:g}"
        return f"{axis.name} = {value:g} is below the training minimum {low:g}"

    # --- on disk --------------------------------------------------------------------------

    def to_bytes(self) -> bytes:
        """The guard as an .npz file without any object in it."""
        told = {
            "format": 1,
            "false_alarm_rate": self.false_alarm_rate,
            "neighbour": self._neighbour,
            "axes": self.space.to_json(),
            "slopes": [tail.slope for tail in self._tails],
        }
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            told=np.frombuffer(json.dumps(told).encode(), np.uint8),
            core=self._core.astype(np.float32),
            low=self._low,
            high=self._high,
            calibration=self._calibration,
            far_knots=self._tails[0].knots,
            far_heights=self._tails[0].heights,
            beyond_knots=self._tails[1].knots,
            beyond_heights=self._tails[1].heights,
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Novelty:
        """The inverse of `to_bytes`. Raises ValueError or KeyError on anything else."""
        with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:
            told = json.loads(arrays["told"].tobytes())
            slopes = told["slopes"]
            tails = (
                Tail(arrays["far_knots"], arrays["far_heights"], slopes[0]),
                Tail(arrays["beyond_knots"], arrays["beyond_heights"], slopes[1]),
            )
            return cls(
                Space.from_json(told["axes"]),
                arrays["core"].astype(np.float64),
                arrays["low"],
                arrays["high"],
                tails,
                arrays["calibration"],
                float(told["false_alarm_rate"]),
                int(told["neighbour"]),
            )


def learn_novelty(
    rows: Any,
    columns: Sequence[str] | None = None,
    *,
    false_alarm_rate: float = 0.01,
    vetted: bool = True,
    seed: int = 0,
) -> Novelty:
    """Learns what training rows look like.

    rows:    a DataFrame, a mapping of columns or an array; numbers may be missing (NaN), texts are
             categories or free text.
    columns: names for the columns of an array.
    false_alarm_rate: the share of good rows that may be called novel.
    vetted:  the rows hold no bad ones; False looks at the fifth-nearest row instead of the first.
    seed:    of the split into rows to fit and rows kept aside.

    Raises ValueError for too few rows, an impossible rate, or what is no table.
    """
    if not 0.0 < false_alarm_rate < 1.0:
        raise ValueError("false_alarm_rate must lie between 0 and 1")
    table = as_columns(rows, columns)
    count = len(next(iter(table.values())))
    if count < LEAST_ROWS:
        raise ValueError(f"{count} rows are too few to learn from: {LEAST_ROWS} are the least")
    random = np.random.default_rng(seed)
    order = random.permutation(count)[:_MOST_ROWS]
    kept_aside = min(_MOST_CALIBRATION, len(order) - ceil(len(order) * _FIT_SHARE))
    fit, aside = order[kept_aside:], order[:kept_aside]
    space = learn_space(_take(table, fit))
    # As it is saved: float32, so that a guard read from a file answers the same.
    placed = space.place(_take(table, fit)).astype(np.float32).astype(np.float64)
    core_size = min(len(fit), _MOST_CORE, max(64, _MOST_WEIGHT // max(1, space.width)))
    core = placed[:core_size]
    neighbour = 1 if vetted else min(_UNVETTED_NEIGHBOUR, core_size)
    guard = Novelty(
        space,
        core,
        placed.min(axis=0),
        placed.max(axis=0),
        _learn_tails(placed, core, neighbour),
        np.zeros(0),
        false_alarm_rate,
        neighbour,
    )
    guard.calibrate(guard.scores(_take(table, aside)))
    return guard


def _learn_tails(placed: Floats, core: Floats, neighbour: int) -> tuple[Tail, Tail]:
    """Tails from the fit rows themselves, each as if it had not been there."""
    distances: list[Floats] = []
    for start in range(0, len(placed), 512):
        block = placed[start : start + 512]
        squares = (block**2).sum(axis=1)[:, None] + (core**2).sum(axis=1) - 2.0 * (block @ core.T)
        own = np.arange(start, start + len(block))
        inside = own < len(core)
        squares[np.flatnonzero(inside), own[inside]] = np.inf
        near = min(neighbour, squares.shape[1] - 1)
        distances.append(
            np.sqrt(np.maximum(np.partition(squares, near - 1, axis=1)[:, near - 1], 0))
        )
    return Tail.learn(np.concatenate(distances)), Tail.learn(_own_excess(placed))


def _own_excess(placed: Floats) -> Floats:
    """How far each row lies beyond the range of all others."""
    ordered = np.sort(placed, axis=0)
    above = np.where(placed >= ordered[-1], placed - ordered[-2], 0.0)
    below = np.where(placed <= ordered[0], ordered[1] - placed, 0.0)
    return np.maximum(above, below).max(axis=1)


def _take(table: Mapping[str, Any], rows: Any) -> dict[str, Any]:
    return {name: values[rows] for name, values in table.items()}
