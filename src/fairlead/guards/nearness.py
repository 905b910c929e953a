"""How near rows come to the ones before them, and how often good rows come so near by themselves.

The more rows one is held against, the nearer the nearest is. So what is usual is learnt from rows
that are each held against as many as later in the server, however few rows there are to learn from.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairlead.guards.bounds import upper_bound

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
"""Where rows lie: along a few directions in steps of 1/1024, and a hash of the row at the end."""

GRAIN = 1024.0
_AT_ONCE = 128


def nearest(places: Places, earlier: Places, held: int) -> tuple[NDArray[np.bool_], Floats]:
    """Which rows are no exact repetition, and how far each is from the nearest of `held` before it.

    earlier: places before these, the newest last. A repetition says nothing: clients ask again.
    """
    here = places[:, :-1] / GRAIN
    count = len(places)
    before: Any = np.tri(count, k=-1, dtype=bool)
    window = before & ~np.tri(count, k=-held - 1, dtype=bool)
    squares = np.where(window, _squares(here, here), np.inf)
    again: Any = ((places[:, -1:] == places[:, -1]) & before).any(axis=1)
    found: Any = squares.min(axis=1, initial=np.inf)
    if len(earlier):
        back = np.arange(count)[:, None] + np.arange(len(earlier), 0, -1)
        known = np.where(back <= held, _squares(here, earlier[:, :-1] / GRAIN), np.inf)
        found = np.minimum(found, known.min(axis=1))
        again |= np.isin(places[:, -1], earlier[:, -1])
    return ~again, np.sqrt(np.maximum(found, 0.0))


def _squares(left: Floats, right: Floats) -> Floats:
    """Squared distances of all pairs."""
    found: Any = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1) - 2.0 * left @ right.T
    return found


def apart_from_earlier(places: Places, held: int) -> Floats:
    """How far each row that has `held` before it is from the nearest of them; repetitions aside."""
    found = [np.zeros(0)]
    for start in range(held, len(places), _AT_ONCE):
        new, apart = nearest(places[start : start + _AT_ONCE], places[start - held : start], held)
        found.append(apart[new])
    return np.concatenate(found)


def reach_of(apart: Floats, share: float) -> float:
    """The largest distance within which at most this share of the rows lie."""
    rank = int(share * len(apart))
    return float(np.nextafter(np.sort(apart)[rank], 0.0)) if rank else 0.0


def usual_share(apart: Floats, reach: float, doubt: float) -> float:
    """A share of good rows that are so near an earlier one, too small with a chance of `doubt`.

    It is more than was seen in any case, since clients differ.
    """
    count, near = len(apart), int(np.count_nonzero(apart <= reach))
    if not count:
        return 1.0
    return max(1.5 * near / count + 0.01, upper_bound(count, near, 1.0 - doubt))
