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
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairlead.guards.bends import Bends, learn_bends
from fairlead.guards.bounds import assured_rank
from fairlead.guards.columns import all_missing, as_columns, nothing
from fairlead.guards.ellipsoid import Ellipsoid
from fairlead.guards.nearest import Nearest
from fairlead.guards.novelty_reasons import Shape, ranked, reasons
from fairlead.guards.novelty_space import Space, learn_space
from fairlead.guards.ranges import Ranges, learn_ranges
from fairlead.guards.tails import Tail
from fairlead.guards.witnesses import Witnesses, witnesses_of

Floats = NDArray[np.float64]

FORMAT = 2
LEAST_ROWS = 20
_FIT_SHARE = 0.7
_MOST_CALIBRATION = 5000
_MOST_CORE = 2000
_MOST_WEIGHT = 1_000_000
"""Core rows times coordinates: beyond it one row would take more than 50 µs."""

_MOST_ROWS, _MOST_VALUES = 100_000, 20_000_000
_MOST_TAIL = 20_000
_UNVETTED_NEIGHBOUR = 5
_VERY_FEW, _FEW = 2, 8
"""So many rows are faster judged, and looked up, one by one than by numpy."""


class Novelty:
    """A learnt novelty guard.

    false_alarm_rate: the owner's number: the share of good rows that may be called novel.
    calibrated: rows kept aside, whose scores decide.
    """

    def __init__(self, shape: Shape, calibration: Floats, false_alarm_rate: float) -> None:
        self.space = shape.space
        self.false_alarm_rate = false_alarm_rate
        self._shape = shape
        self.calibrate(calibration)

    def calibrate(self, scores: Floats) -> None:
        """Lets these scores, of rows kept aside, decide from now on."""
        self._calibration = np.sort(scores)
        self._sorted: list[float] = self._calibration.tolist()

    @property
    def calibrated(self) -> int:
        return len(self._calibration)

    @property
    def raw_rows(self) -> int:
        """How many training rows the guard holds, as coordinates."""
        return len(self._shape.nearest.rows)

    @property
    def smallest_rate(self) -> float:
        """No smaller false-alarm rate can be promised from so many rows."""
        return 1.0 / (self.calibrated + 1)

    def scores(self, rows: Any) -> Floats:
        """How strange each row is; higher is stranger, without an upper end."""
        return self.scores_of(self.space.place(self._columns(rows)))

    def scores_of(self, placed: Floats) -> Floats:
        """The scores of rows that are placed already; few numpy calls, for a row at a time."""
        shape = self._shape
        if len(placed) <= _VERY_FEW:
            return np.array([self._score_of_one(row) for row in placed])
        distances = shape.nearest.distances(shape.bends.rows(placed))
        excess = shape.ranges.excess(placed)
        if len(placed) <= _FEW:
            far_of, out_of = shape.far.of_one, shape.out.of_one
            pairs = zip(distances.tolist(), excess.tolist(), strict=True)
            return np.array([max(far_of(apart), out_of(beyond)) for apart, beyond in pairs])
        return np.maximum(shape.far.of(distances), shape.out.of(excess))

    def _score_of_one(self, row: Floats) -> float:
        shape = self._shape
        far = shape.far.of_one(shape.nearest.distance_of_one(shape.bends.rows(row)))
        return max(far, shape.out.of_one(shape.ranges.excess_of_one(row)))

    def p_values(self, rows: Any) -> Floats:
        """The share of good rows that are at least as strange; small is novel."""
        return self.p_of(self.scores(rows))

    def p_of(self, scores: Floats) -> Floats:
        """The p-values of scores."""
        known, count = self._sorted, len(self._sorted)
        if len(scores) <= _FEW:
            given = scores.tolist()
            return np.array([(1.0 + count - bisect_left(known, s)) / (count + 1) for s in given])
        above = count - np.searchsorted(self._calibration, scores, side="left")
        return (1.0 + above) / (count + 1)

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
        return float("inf") if rank < 1 else self._sorted[count - rank]

    def witnesses(self, limit: float) -> Witnesses | None:
        """What shows of most rows that their score is at most `limit`; None where nothing can."""
        return witnesses_of(self._shape, limit)

    def explain(
        self, rows: Any, *, limits: bool = True, hidden: Collection[str] = ()
    ) -> list[list[str]]:
        """For each row what is strange about it, the strangest first, in words with numbers.

        limits: say what training rows held; False names the column only, as it is with columns
        that are hidden.
        """
        columns = self._columns(rows)
        placed = self.space.place(columns)
        told = {n: v for n, v in columns.items() if n not in hidden} if limits else {}
        return [
            reasons(self._shape, row, {n: v[i] for n, v in told.items()})
            for i, row in enumerate(placed)
        ]

    def strangest(self, rows: Any) -> list[str]:
        """For each row the column without which it would be least strange."""
        return [ranked(self._shape, row)[0].name for row in self.space.place(self._columns(rows))]

    def _columns(self, rows: Any) -> dict[str, Any]:
        """The rows as columns of the space. Raises ValueError when they are others."""
        columns = as_columns(rows)
        names = self.space.names
        if set(columns) != set(names):
            if list(columns) != [f"x{i}" for i in range(len(names))]:
                raise ValueError(f"the rows must have the columns {', '.join(names[:20])}")
            columns = dict(zip(names, columns.values(), strict=True))
        for axis in self.space.axes:
            values = columns[axis.name]
            if (axis.kind == "number") != (values.dtype.kind == "f") and all_missing(values):
                columns[axis.name] = nothing(len(values), text=axis.kind != "number")
        return columns

    # --- on disk --------------------------------------------------------------------------

    def to_bytes(self) -> bytes:
        """The guard as an .npz file without any object in it."""
        shape = self._shape
        told = {
            "format": FORMAT,
            "false_alarm_rate": self.false_alarm_rate,
            "neighbour": shape.nearest.neighbour,
            "axes": self.space.to_json(),
            "slopes": [shape.far.slope, shape.out.slope],
        }
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            told=np.frombuffer(json.dumps(told).encode(), np.uint8),
            **_distance_arrays(shape.nearest),
            ranges=shape.ranges.table(),
            bends=shape.bends.table(),
            far=np.stack([shape.far.knots, shape.far.heights]),
            out=np.stack([shape.out.knots, shape.out.heights]),
            calibration=self._calibration,
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Novelty:
        """The inverse of `to_bytes`. Raises ValueError or KeyError on anything else."""
        with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:
            told: dict[str, Any] = json.loads(arrays["told"].tobytes())
            if told["format"] != FORMAT:
                raise ValueError(f"the guard is of format {told['format']}, not {FORMAT}")
            shape = Shape(
                Space.from_json(told["axes"]),
                _distance_of(arrays, int(told["neighbour"])),
                Bends.from_table(arrays["bends"]),
                Ranges.of(*arrays["ranges"]),
                Tail(arrays["far"][0], arrays["far"][1], float(told["slopes"][0])),
                Tail(arrays["out"][0], arrays["out"][1], float(told["slopes"][1])),
            )
            return cls(shape, arrays["calibration"], float(told["false_alarm_rate"]))


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
    fit, aside = parted(as_columns(rows, columns), false_alarm_rate, seed, LEAST_ROWS)
    guard = Novelty(learn_shape(fit, vetted=vetted), np.zeros(0), false_alarm_rate)
    guard.calibrate(guard.scores(aside))
    return guard


def parted(
    table: Mapping[str, Any], rate: float, seed: int, least: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Rows to fit and rows kept aside. Raises ValueError for fewer than `least`."""
    if not 0.0 < rate < 1.0:
        raise ValueError("false_alarm_rate must lie between 0 and 1")
    count = len(next(iter(table.values())))
    if count < least:
        raise ValueError(f"{count} rows are too few to learn from: {least} are the least")
    random = np.random.default_rng(seed)
    most = min(_MOST_ROWS, max(200, _MOST_VALUES // len(table)))
    order = random.permutation(count)[:most]
    aside = _kept_aside(len(order), rate)
    return _take(table, order[aside:]), _take(table, order[:aside])


def _distance_arrays(nearest: Nearest | Ellipsoid) -> dict[str, Any]:
    """What measures distances, for the disk; `_distance_of` takes it back."""
    if isinstance(nearest, Ellipsoid):
        return {"mean": nearest.mean, "whitening": nearest.whitening}
    return {"core": nearest.rows.astype(np.float32)}


def _distance_of(arrays: Any, neighbour: int) -> Nearest | Ellipsoid:
    if "whitening" in arrays:
        return Ellipsoid(arrays["mean"], arrays["whitening"])
    return Nearest(arrays["core"].astype(np.float64), neighbour)


def _kept_aside(count: int, rate: float) -> int:
    """How many rows calibrate: three of ten, up to half where the rate needs so many."""
    usual = count - ceil(count * _FIT_SHARE)
    needed = ceil(2.0 / rate)
    return min(_MOST_CALIBRATION, max(usual, min(needed, count // 2)))


def learn_shape(table: Mapping[str, Any], *, vetted: bool) -> Shape:
    """Everything but the calibration, from rows to fit."""
    space = learn_space(table)
    placed = space.place(table)
    ranges, excess = learn_ranges(placed, *space.units())
    bends = learn_bends(placed, *space.numbers)
    bent = bends.rows(placed)
    size = min(len(bent), _MOST_CORE, max(64, _MOST_WEIGHT // max(1, space.width)))
    core, repeated = _distinct(bent, size) if vetted else (bent[:size], np.zeros(0, np.intp))
    neighbour = 1 if vetted else min(_UNVETTED_NEIGHBOUR, len(core))
    # Each training row as if it had not been there: of the core, not itself but the next.
    far = np.concatenate(
        [
            Nearest(core, min(neighbour + 1, len(core))).distances(
                core.astype(np.float32).astype(float)
            ),
            Nearest(core, neighbour).distances(bent[size:][:_MOST_TAIL]),
        ]
    )
    far[repeated] = 0.0
    nearest = Nearest(core, neighbour)
    return Shape(space, nearest, bends, ranges, Tail.learn(far), Tail.learn(excess))


def _distinct(rows: Floats, size: int) -> tuple[Floats, NDArray[np.intp]]:
    """The distinct ones of the first rows, in order, and which of them are there repeatedly."""
    _, first, counts = np.unique(
        rows[:size].astype(np.float32), axis=0, return_index=True, return_counts=True
    )
    order = np.argsort(first)
    return rows[first[order]], np.flatnonzero(counts[order] > 1)


def _take(table: Mapping[str, Any], rows: Any) -> dict[str, Any]:
    return {name: values[rows] for name, values in table.items()}
