"""Where the answers are worse: the same figure for every kind of row, and for two kinds at once.

The worst of many is worse by chance alone, so its interval is as much wider as there are others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import floor, log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairlead.packing.uncertainty import FEW, interval_of

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_MOST_COLUMNS = 64
_MOST_CATEGORIES = 12
_MOST_DISTINCT_SHARE = 0.2
_WHOLE_KINDS = 10
"""Numbers of so few distinct values are kinds of rows, not sizes."""

_BINS = 4
_WORST = 4
_MOST_PAIRS = 24
PRIVATE_LEAST = 10
_QUARTERS = ("lowest quarter", "second quarter", "third quarter", "highest quarter")


@dataclass(frozen=True, slots=True)
class Slice:
    """Some of the rows: those whose column has this value. rows: which ones."""

    column: str
    value: str
    rows: Mask


def slices_of(
    columns: Mapping[str, Any], per_row: Floats, *, higher: bool, private: bool = False
) -> dict[str, Any]:
    """How the mean of a value per row differs between kinds of rows.

    columns: of the evaluation rows, label left out. higher: more is better. private: no number of
    a row is told, and no slice of fewer than ten rows.

    {"overall", "slices": [entry], "pairs": [entry], "worst": entry or None, "compared": count,
    "left_out": columns beyond the first 64}; an entry is {"of": [[column, value], ...], "n",
    "value", "low", "high", "few"}. `worst` has the interval of one among `compared`, and
    "worse": whether even that leaves out the mean of all rows.
    """
    found = [
        one
        for name in list(columns)[:_MOST_COLUMNS]
        for one in parted(name, columns[name], private)
    ]
    least = PRIVATE_LEAST if private else 1
    found = [one for one in found if int(one.rows.sum()) >= least]
    overall = float(per_row.mean())
    ranked = sorted(
        (one for one in found if FEW <= int(one.rows.sum()) < len(per_row)),
        key=lambda one: -_worse(per_row, one.rows, overall, higher=higher),
    )
    crossed = _crossed(ranked, per_row, overall, higher=higher)
    compared = len(ranked) + len(crossed)
    candidates = [([one], one.rows) for one in ranked] + [
        (list(pair), pair[0].rows & pair[1].rows) for pair in crossed
    ]
    worst = max(
        candidates, key=lambda c: _worse(per_row, c[1], overall, higher=higher), default=None
    )
    return {
        "overall": overall,
        "slices": [_entry([one], one.rows, per_row) for one in found],
        "pairs": [_entry(pair, pair[0].rows & pair[1].rows, per_row) for pair in crossed],
        "worst": worst and _judged(*worst, per_row, overall, compared, higher=higher),
        "compared": compared,
        "left_out": max(0, len(columns) - _MOST_COLUMNS),
    }


def parted(name: str, values: Any, private: bool = False) -> list[Slice]:
    """A column's kinds of rows: categories, or quarters of numbers; [] of free text."""
    if values.ndim != 1 or not len(values):
        return []
    if values.dtype.kind in "OUS":
        return _categories(name, values.astype(str))
    if values.dtype.kind not in "fiub":
        return []
    numbers = values.astype(np.float64)
    there = np.isfinite(numbers)
    distinct = np.unique(numbers[there])
    whole = bool((distinct == np.trunc(distinct)).all())
    if len(distinct) <= (_WHOLE_KINDS if whole else 2):
        made = [Slice(name, f"{value:g}", numbers == value) for value in distinct.tolist()]
    else:
        made = _quarters(name, numbers, numbers[there], private)
    return made + _missing(name, ~there)


def _categories(name: str, values: Any) -> list[Slice]:
    found, counts = np.unique(values[values != ""], return_counts=True)
    if len(found) > max(_MOST_CATEGORIES, _MOST_DISTINCT_SHARE * len(values)):
        return []  # free text, or a name of each row
    most = sorted(np.argsort(-counts, kind="stable")[:_MOST_CATEGORIES].tolist())
    made = [Slice(name, str(found[i]), values == found[i]) for i in most]
    return made + _missing(name, values == "")


def _missing(name: str, rows: Mask) -> list[Slice]:
    return [Slice(name, "missing", rows)] if rows.any() else []


def _quarters(name: str, numbers: Floats, finite: Floats, private: bool) -> list[Slice]:
    edges = np.unique(np.quantile(finite, np.linspace(0, 1, _BINS + 1)[1:-1]))
    with np.errstate(invalid="ignore"):
        places = np.where(np.isfinite(numbers), np.searchsorted(edges, numbers, side="left"), -1)
    made: list[Slice] = []
    for place in range(len(edges) + 1):
        rows = places == place
        if not rows.any():
            continue
        words = _QUARTERS[place] if len(edges) == _BINS - 1 else f"part {place + 1}"
        if not private:
            words = _between(edges, place)
        made.append(Slice(name, words, rows))
    return made


def _between(edges: Floats, place: int) -> str:
    """A part in words, its edges as finely as they lie apart."""
    first, last = float(edges[0]), float(edges[-1])
    spread = (last - first) or abs(first)
    usual = 1e-6 < spread < 1e12
    digits = max(0, 2 - floor(log10(spread))) if usual else 0
    told = [f"{edge:.{digits}f}" if usual else f"{edge:.4g}" for edge in edges.tolist()]
    if place == 0:
        return f"up to {told[0]}"
    if place == len(told):
        return f"above {told[-1]}"
    return f"{told[place - 1]} to {told[place]}"


def _worse(per_row: Floats, rows: Mask, overall: float, *, higher: bool) -> float:
    """How much worse than all rows, in standard errors."""
    mine = per_row[rows]
    apart = overall - float(mine.mean()) if higher else float(mine.mean()) - overall
    # The spread of all rows, so that a slice without an error is not infinitely good.
    spread = float(per_row.std())
    return apart * len(mine) ** 0.5 / spread if spread else 0.0


def _crossed(
    ranked: Sequence[Slice], per_row: Floats, overall: float, *, higher: bool
) -> list[tuple[Slice, Slice]]:
    """Pairs of slices that are among the worst: each with every slice of the others' columns."""
    worst = [
        one for one in ranked[:_WORST] if _worse(per_row, one.rows, overall, higher=higher) > 0
    ]
    pairs: list[tuple[Slice, Slice]] = []
    for one, other in combinations(worst, 2):
        if one.column != other.column and int((one.rows & other.rows).sum()) >= FEW:
            pairs.append((one, other))
    return pairs[:_MOST_PAIRS]


def _entry(parts: Sequence[Slice], rows: Mask, per_row: Floats, among: int = 1) -> dict[str, Any]:
    mine = per_row[rows]
    low, high = interval_of(mine, among)
    return {
        "of": [[part.column, part.value] for part in parts],
        "n": len(mine),
        "value": float(mine.mean()),
        "low": low,
        "high": high,
        "few": len(mine) < FEW,
    }


def _judged(
    parts: Sequence[Slice],
    rows: Mask,
    per_row: Floats,
    overall: float,
    compared: int,
    *,
    higher: bool,
) -> dict[str, Any]:
    entry = _entry(parts, rows, per_row, compared)
    return entry | {"worse": entry["high"] < overall if higher else entry["low"] > overall}
