"""Do the rows still come from where the training rows came from?

One row is the novelty guard's matter; many rows that are each usual can still have moved. Every
column is counted in bins of its training quantiles, in windows of three sizes; a window that ends
is held against training (`drift_evidence`), and all columns and windows share one false-alarm rate
(Holm 1979). How large a change is, is said by PSI and the shift in training units, never decided
by them.

Counts add up: rows may be counted where they are seen, and the counts be judged elsewhere.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fairlead.guards.columns import as_columns
from fairlead.guards.drift_columns import Counts, Watched, count_columns, watch
from fairlead.guards.drift_evidence import Evidence, evidence, usual_psi
from fairlead.guards.drift_windows import Alarm, Window
from fairlead.guards.drift_words import words

FORMAT = 1
WINDOWS = (256, 1024, 4096)
MOST_COLUMNS = 512
PREDICTED, CONFIDENT = "(prediction)", "(confidence)"
"""The columns of what the model answers."""

AT_ONCE = 256
"""No more rows are counted together: a window ends with at most so many more than its size."""

_MOST_ALARMS, _MOST_USUAL = 100, 32
_MOST_SURPRISE = 300.0


class Drift:
    """Watches all columns in constant memory.

    rate:     the chance that a window without any change raises an alarm.
    left_out: columns that are not watched because there are too many.
    rows:     seen so far; raised: alarms so far; alarms: the last of them, oldest first.
    windows:  of each size, what is being counted and what has been found.
    """

    def __init__(
        self,
        watched: Sequence[Watched],
        rate: float = 0.01,
        *,
        left_out: int = 0,
        windows: Sequence[int] = WINDOWS,
    ) -> None:
        self.watched = list(watched)
        self.rate = rate
        self.left_out = left_out
        self._ends: list[int] = np.cumsum([w.bins for w in self.watched]).tolist()
        bins = self._ends[-1] if self._ends else 0
        self.windows = [
            Window(size, np.zeros(bins, np.int64), len(self.watched)) for size in windows
        ]
        self.alarms: list[Alarm] = []
        self.rows = self.raised = 0
        self._usual: dict[tuple[int, int], float] = {}

    @property
    def standing(self) -> list[Alarm]:
        """The alarms of the windows that ended last, one for each column, the least likely first.

        A column stands until a window of the same size ends without it.
        """
        found: dict[str, Alarm] = {}
        every = [alarm for window in self.windows for alarm in window.alarms]
        for alarm in sorted(every, key=lambda alarm: alarm.p):
            found.setdefault(alarm.column, alarm)
        return list(found.values())

    def watches(self, name: str) -> bool:
        """Whether a column of this name is watched."""
        return any(watched.name == name for watched in self.watched)

    def see(self, rows: Any, when: str = "") -> list[Alarm]:
        """Counts rows; returns the alarms of the windows that ended with them.

        rows: a DataFrame, a mapping of columns or an array. when: is said in the alarms.
        """
        columns = cast("dict[str, Any]", rows) if isinstance(rows, dict) else as_columns(rows)
        total = len(next(iter(columns.values())))
        raised: list[Alarm] = []
        at = 0
        while at < total:
            # No further than the next window's end, so that windows hold exactly their size.
            room = min(AT_ONCE, *(w.size - w.seen for w in self.windows))
            part = slice(at, min(total, at + room))
            counts = self.count({name: values[part] for name, values in columns.items()})
            raised += self.absorb(counts, part.stop - at, when)
            at = part.stop
        return raised

    def count(self, columns: Mapping[str, Any]) -> list[Counts]:
        """How some rows fill the bins of every watched column; a column that is not given, none.

        Takes whatever values there are: text where numbers were is counted as unseen.
        """
        return self.by_column(self.count_all(columns))

    def count_all(self, columns: Mapping[str, Any]) -> Counts:
        """As `count`, of all columns in a row."""
        return count_columns(self.watched, columns)

    def absorb(self, counts: Sequence[Counts], rows: int, when: str = "") -> list[Alarm]:
        """Adds the counts of rows; returns the alarms of the windows that ended with them.

        A window ends once it holds at least its size, and is judged by the rows it really holds.
        rows: that were counted, 256 at most together. Raises ValueError for counts of other bins
        than these.
        """
        if [len(each) for each in counts] != [w.bins for w in self.watched]:
            raise ValueError("the counts are not of the bins that were learnt")
        together = np.concatenate(counts) if len(counts) else np.zeros(0, np.int64)
        raised: list[Alarm] = []
        self.rows += rows
        for window in self.windows:
            window.counts += together
            window.seen += rows
            if window.seen >= window.size:
                raised += self._judge(window, when)
        self.raised += len(raised)
        self.alarms = [*self.alarms, *raised][-_MOST_ALARMS:]
        return raised

    def by_column(self, counts: Counts) -> list[Counts]:
        """The counts of each column, from those of all bins in a row."""
        return [counts[start:end] for start, end in pairwise([0, *self._ends])]

    def _judge(self, window: Window, when: str) -> list[Alarm]:
        """Holm's procedure over the columns; the windows of different sizes share the rate."""
        counted = self.by_column(window.counts)
        found = [evidence(w, c) for w, c in zip(self.watched, counted, strict=True)]
        order = sorted(range(len(found)), key=lambda place: found[place].p)
        share = self.rate / len(self.windows)
        alarms: list[Alarm] = []
        for done, place in enumerate(order):
            if found[place].p > share / (len(found) - done):
                break
            alarms.append(self._alarm(place, window, counted[place], found[place], when))
        window.end(when, _figures(found), alarms)
        return alarms

    def _alarm(
        self, place: int, window: Window, counts: Counts, found: Evidence, when: str
    ) -> Alarm:
        watched = self.watched[place]
        return Alarm(
            watched.name,
            window.seen,
            found.p,
            found.distance,
            found.psi,
            self._usual_psi(place, int(counts.sum())),
            found.shift,
            words(watched, counts, found),
            self.rows,
            when,
        )

    def _usual_psi(self, place: int, rows: int) -> float:
        """As `usual_psi`, which costs more than all tests, of up to a sixteenth fewer rows.

        Windows end with a few more rows than their size; that of fewer is a little larger.
        """
        finest = max(0, rows.bit_length() - 5)
        rows = rows >> finest << finest
        known = self._usual.get((place, rows))
        if known is None:
            if len(self._usual) >= _MOST_USUAL * len(self.watched):
                self._usual.clear()
            known = self._usual[place, rows] = usual_psi(self.watched[place], rows)
        return known

    # --- what outlives the process ----------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """All that has been seen, as plain JSON values."""
        return {
            "format": FORMAT,
            "learnt": self.digest(),
            "rows": self.rows,
            "raised": self.raised,
            "alarms": [alarm.to_json() for alarm in self.alarms],
            "windows": [window.to_json() for window in self.windows],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes up a state of before. Raises ValueError or KeyError on anything else.

        That of another package is something else: bins that were learnt otherwise do not add up.
        """
        try:
            if state["format"] != FORMAT or state["learnt"] != self.digest():
                raise ValueError("the state is of something that was learnt otherwise")
            told: Sequence[Mapping[str, Any]] = state["windows"]
            windows = [w.from_json(t) for w, t in zip(self.windows, told, strict=True)]
            alarms = [Alarm.from_json(alarm) for alarm in state["alarms"]]
            rows, raised = int(state["rows"]), int(state["raised"])
        except (TypeError, AttributeError) as error:
            raise ValueError(f"no state of drift: {error}") from None
        self.windows, self.alarms = windows, alarms[-_MOST_ALARMS:]
        self.rows, self.raised = rows, raised

    def digest(self) -> str:
        """The same for everything that was learnt alike."""
        told, arrays = self._parts()
        found = hashlib.sha256(told)
        for array in arrays.values():
            found.update(array.tobytes())
        return found.hexdigest()

    def to_bytes(self) -> bytes:
        """What was learnt, as an .npz file without any object in it; not what was seen."""
        told, arrays = self._parts()
        buffer = io.BytesIO()
        save: Any = np.savez_compressed
        save(buffer, told=np.frombuffer(told, np.uint8), **arrays)
        return buffer.getvalue()

    def _parts(self) -> tuple[bytes, dict[str, NDArray[Any]]]:
        told = {
            "format": FORMAT,
            "rate": self.rate,
            "left_out": self.left_out,
            "columns": [
                {
                    "name": w.name,
                    "kind": w.kind,
                    "edges": None if w.edges is None else len(w.edges),
                    "categories": list(w.categories),
                    "spread": w.spread,
                }
                for w in self.watched
            ],
        }
        edges = [w.edges for w in self.watched if w.edges is not None]
        return json.dumps(told).encode(), {
            "edges": np.concatenate([*edges, np.zeros(0)]),
            "means": np.concatenate([*(w.means for w in self.watched), np.zeros(0)]),
            "filled": np.concatenate([*(w.filled for w in self.watched), np.zeros(0, np.int64)]),
        }

    @classmethod
    def from_bytes(cls, raw: bytes) -> Drift:
        """The inverse of `to_bytes`. Raises ValueError or KeyError on anything else."""
        try:
            with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:
                told: dict[str, Any] = json.loads(arrays["told"].tobytes())
                if told["format"] != FORMAT:
                    raise ValueError(f"drift is of format {told['format']}, not {FORMAT}")
                taken = {name: _Taken(arrays[name]) for name in ("edges", "means", "filled")}
            watched = [_watched(column, taken) for column in told["columns"]]
            return cls(watched, float(told["rate"]), left_out=int(told["left_out"]))
        except (TypeError, AttributeError, EOFError, OSError, zipfile.BadZipFile) as error:
            raise ValueError(f"no file of drift: {error}") from None


class _Taken:
    """An array of which one part after the other is taken."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array, self._at = array, 0

    def take(self, count: int) -> Any:
        self._at += count
        part = self._array[self._at - count : self._at]
        if len(part) != count:
            raise ValueError("the file of drift is cut short")
        return part


def _watched(told: Mapping[str, Any], taken: Mapping[str, _Taken]) -> Watched:
    categories = {str(name): place for place, name in enumerate(told["categories"])}
    edges, means, bins = None, np.zeros(0), len(categories)
    if told["edges"] is not None:
        edges = taken["edges"].take(int(told["edges"]))
        bins = len(edges) + 1
        means = taken["means"].take(bins)
    filled = taken["filled"].take(bins + 2)
    return Watched(
        str(told["name"]), told["kind"], edges, categories, filled, means, float(told["spread"])
    )


def _figures(found: Sequence[Evidence]) -> NDArray[np.float16]:
    """What is kept of every column, as `drift_windows.FIGURES` has it."""
    p = np.array([e.p for e in found])
    surprise = np.minimum(_MOST_SURPRISE, -np.log10(np.maximum(p, 1e-310)))
    shifts = [np.nan if e.shift is None else e.shift for e in found]
    rest = [[e.distance for e in found], [e.psi for e in found], np.clip(shifts, -6e4, 6e4)]
    return np.array([surprise, *rest]).astype(np.float16)


def answer_columns(answer: Any, classes: Sequence[str]) -> dict[str, Any]:
    """The columns of what a model answers, one row each.

    answer: a probability for each of the classes, or numbers or labels. classes: their names, empty
    when there are none.
    """
    if answer.ndim == 2 and classes:
        names: Any = np.array(classes, dtype=object)
        return {PREDICTED: names[answer.argmax(axis=1)], CONFIDENT: answer.max(axis=1)}
    return {PREDICTED: answer.reshape(len(answer), -1)[:, 0]}


def learn_drift(rows: Any, columns: Sequence[str] | None = None, *, rate: float = 0.01) -> Drift:
    """Learns the bins of every column, of the first 512 where there are more.

    rows: a DataFrame, a mapping of columns or an array; numbers may be missing (NaN).
    columns: names for the columns of an array. rate: of false alarms per window.

    Raises ValueError for an impossible rate or what is no table.
    """
    if not 0.0 < rate < 1.0:
        raise ValueError("rate must lie between 0 and 1")
    table: Mapping[str, Any] = as_columns(rows, columns)
    watched = [watch(name, values) for name, values in list(table.items())[:MOST_COLUMNS]]
    return Drift(watched, rate, left_out=max(0, len(table) - MOST_COLUMNS))
