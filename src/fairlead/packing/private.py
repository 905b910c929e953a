"""Guards from aggregates: what they are learnt from, and what detection that costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fairlead.guards.novelty import Novelty, learn_novelty, parted
from fairlead.guards.novelty_private import LEAST_ROWS, learn_private_novelty

Columns = Mapping[str, Any]
Say = Callable[[str, str], None]

_MOST_TRIED = 2000
_SENTINEL = -999.0


def learn_private(columns: Columns, rate: float, say: Say) -> Novelty:
    """The novelty guard from aggregates, after saying what it costs. Raises ValueError."""
    guard = learn_private_novelty(columns, false_alarm_rate=rate)
    cost = detection(columns, guard, learn_novelty(columns, false_alarm_rate=rate), rate)
    shares = [
        f"{words} {private:.0%} (from rows {usual:.0%})" for words, (private, usual) in cost.items()
    ]
    told = f"of good rows that were changed it notices: {', '.join(shares)}"
    say("private", told if shares else "there is no number to try it on")
    return guard


def detection(
    columns: Columns, private: Novelty, usual: Novelty, rate: float
) -> dict[str, tuple[float, float]]:
    """The shares of changed rows that each guard calls novel, by what was changed.

    The rows are those that were kept aside when the guards were learnt.
    """
    _, aside = parted(columns, rate, 0, LEAST_ROWS)
    good = {name: values[:_MOST_TRIED] for name, values in aside.items()}
    found: dict[str, tuple[float, float]] = {}
    for words, change in _CHANGES.items():
        made = change(good, np.random.default_rng(0))
        if made is not None:
            share = [float(guard.decide(made).mean()) for guard in (private, usual)]
            found[words] = (share[0], share[1])
    return found


def _unit(good: Columns, random: Any) -> Columns | None:
    return _touched(good, random, lambda values: values * 1000.0)


def _sentinel(good: Columns, random: Any) -> Columns | None:
    return _touched(good, random, lambda values: np.full_like(values, _SENTINEL))


def _touched(good: Columns, random: Any, change: Callable[[Any], Any]) -> Columns | None:
    """One number of each row changed; rows that stay the same are left out."""
    names = _numbers(good)
    if not names:
        return None
    chosen = random.integers(0, len(names), len(good[names[0]]))
    made = {name: values.copy() for name, values in good.items()}
    changed = np.zeros(len(chosen), dtype=bool)
    for place, name in enumerate(names):
        mine = (chosen == place) & np.isfinite(good[name])
        made[name][mine] = change(good[name][mine])
        changed |= mine & (made[name] != good[name])
    return _kept(made, changed)


def _shuffled(good: Columns, random: Any) -> Columns | None:
    """The numbers of each row in another order."""
    names = _numbers(good)
    if len(names) < 2:
        return None
    rows = np.column_stack([good[name] for name in names])
    mixed = random.permuted(rows, axis=1)
    same = (mixed == rows) | (np.isnan(mixed) & np.isnan(rows))
    return _kept({**good, **dict(zip(names, mixed.T, strict=True))}, ~same.all(axis=1))


_CHANGES: dict[str, Callable[[Columns, Any], Columns | None]] = {
    "one value times 1000": _unit,
    "one value -999": _sentinel,
    "values in another order": _shuffled,
}


def _numbers(columns: Columns) -> list[str]:
    return [name for name, values in columns.items() if values.dtype.kind == "f"]


def _kept(made: Columns, rows: Any) -> Columns | None:
    return {name: values[rows] for name, values in made.items()} if rows.any() else None
