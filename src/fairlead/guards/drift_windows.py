"""A window of rows being counted, the last one that ended, and what the ones before it found.

All of it is bounded, and goes to and from plain JSON values.
"""

from __future__ import annotations

import base64
import binascii
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fairlead.guards.drift_columns import Counts

Found = NDArray[np.float16]

MOST_PAST = 200
_MOST_FIGURES = 80_000
"""Of the past of one size of window: with many columns it is shorter."""

FIGURES = ("surprise", "distance", "psi", "shift")
"""What is kept of every column in a past window. surprise: minus the logarithm of p, base 10."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A column that has moved.

    window: rows looked at; p: the chance of such a distance without a change, before Holm's
    correction; psi: the population stability index and what it reaches in one of a hundred windows
    without a change; shift: of the mean, in standard deviations of the rows learnt from, None where
    there is none; row: how many rows had been seen in all; when: the time that the caller gave.
    """

    column: str
    window: int
    p: float
    distance: float
    psi: float
    psi_usual: float
    shift: float | None
    words: str
    row: int
    when: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Alarm:
        """The inverse of `to_json`. Raises KeyError, TypeError or ValueError on anything else."""
        shift = told["shift"]
        return cls(
            str(told["column"]),
            int(told["window"]),
            float(told["p"]),
            float(told["distance"]),
            float(told["psi"]),
            float(told["psi_usual"]),
            None if shift is None else float(shift),
            str(told["words"]),
            int(told["row"]),
            str(told["when"]),
        )


class Ended(NamedTuple):
    """A window that ended: when, how many rows it held, and the counts of all bins in a row."""

    when: str
    rows: int
    counts: Counts


class Past(NamedTuple):
    """What a window found: when, rows, and `FIGURES` by column (NaN for no shift)."""

    when: str
    rows: int
    found: Found


@dataclass(slots=True)
class Window:
    """Rows counted until there are `size` of them.

    alarms: of the last window that ended.
    """

    size: int
    counts: Counts
    columns: int
    seen: int = 0
    last: Ended | None = None
    alarms: list[Alarm] = field(default_factory=list[Alarm])
    past: deque[Past] = field(init=False)
    _packed: str | None = None

    def __post_init__(self) -> None:
        most = max(1, min(MOST_PAST, _MOST_FIGURES // (len(FIGURES) * max(1, self.columns))))
        self.past = deque(maxlen=most)

    def end(self, when: str, found: Found, alarms: list[Alarm]) -> None:
        """Keeps what the window held and found, and begins the next."""
        self.last = Ended(when, self.seen, self.counts)
        self.past.append(Past(when, self.seen, found))
        self.alarms = alarms
        self._packed = None
        self.counts = np.zeros_like(self.counts)
        self.seen = 0

    def to_json(self) -> dict[str, Any]:
        if self._packed is None:
            every = [past.found for past in self.past]
            # Made once a window: the state is asked for far more often than windows end.
            self._packed = _text(np.array(every, "<f2"))
        last = self.last
        return {
            "size": self.size,
            "seen": self.seen,
            "counts": _text(self.counts.astype("<i4")),
            "last": last
            and {"when": last.when, "rows": last.rows, "counts": _text(last.counts.astype("<i4"))},
            "alarms": [alarm.to_json() for alarm in self.alarms],
            "past": {
                "when": [past.when for past in self.past],
                "rows": [past.rows for past in self.past],
                "found": self._packed,
            },
        }

    def from_json(self, told: Mapping[str, Any]) -> Window:
        """A window like this one with that content. Raises KeyError, TypeError or ValueError."""
        if told["size"] != self.size:
            raise ValueError(f"the window is of {told['size']} rows, not {self.size}")
        bins = len(self.counts)
        made = Window(self.size, _counts(told["counts"], bins), self.columns, int(told["seen"]))
        if told["last"] is not None:
            last: Mapping[str, Any] = told["last"]
            made.last = Ended(str(last["when"]), int(last["rows"]), _counts(last["counts"], bins))
        made.alarms = [Alarm.from_json(alarm) for alarm in told["alarms"]]
        past: Mapping[str, Sequence[Any]] = told["past"]
        shape = (len(past["when"]), len(FIGURES), self.columns)
        found = _array(str(past["found"]), "<f2", shape).astype(np.float16)
        for when, rows, each in zip(past["when"], past["rows"], found, strict=True):
            made.past.append(Past(str(when), int(rows), each))
        return made


def _text(array: NDArray[Any]) -> str:
    return base64.b64encode(array.tobytes()).decode()


def _array(text: str, kind: str, shape: tuple[int, ...]) -> NDArray[Any]:
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"no numbers: {error}") from None
    return np.frombuffer(raw, kind).reshape(shape)


def _counts(text: Any, bins: int) -> Counts:
    found = _array(str(text), "<i4", (bins,)).astype(np.int64)
    if found.min(initial=0) < 0:
        raise ValueError("a bin holds fewer rows than none")
    return found
