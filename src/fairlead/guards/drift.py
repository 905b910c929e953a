"""Do the rows still come from where the training rows came from?

One row is the novelty guard's matter; many rows that are each usual can still have moved. Every
column is counted in bins of its training quantiles, in windows of three sizes; a window that ends
is compared with training by the Kolmogorov-Smirnov distance on the bin edges, and all columns and
windows share one false-alarm rate (Holm 1979). How large a change is, is said by PSI and the shift
in training units, never decided by them.

The novelty p-values give an alarm that needs no window: a bet against their uniformity, whose
wealth reaches 1/rate with a chance of at most `rate`, ever (Ville 1939).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, log, sqrt
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fairlead.guards.columns import as_columns

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

BINS = 64
WINDOWS = (256, 1024, 4096)
_MOST_CATEGORIES = 256
_AT_ONCE = 10_000


@dataclass(slots=True)
class Watched:
    """One column in bins: its edges (numbers) or categories, and how training rows fill them.

    The last two bins are missing values and what training rows do not hold.
    """

    name: str
    edges: Floats | None
    categories: dict[str, int]
    shares: Floats
    rows: int

    @property
    def bins(self) -> int:
        return len(self.shares)

    def count(self, values: Any) -> Counts:
        """How many values fall into each bin."""
        if self.edges is not None:
            inner = self.bins - 2
            finite: Any = np.isfinite(values)
            search: Any = np.searchsorted
            found: Any = search(self.edges, values[finite], side="right")
            counted: Any = np.bincount(found, minlength=inner)
            return np.append(counted, [len(values) - int(finite.sum()), 0]).astype(np.int64)
        places = [self._place(v) for v in values.tolist()]
        return np.bincount(places, minlength=self.bins).astype(np.int64)

    def _place(self, value: str) -> int:
        if value == "":
            return self.bins - 2
        return self.categories.get(value, self.bins - 1)


def watch(name: str, values: Any) -> Watched:
    """Learns the bins of one column of training rows."""
    count = len(values)
    if values.dtype.kind == "f":
        edges = _edges(values[np.isfinite(values)])
        made = Watched(name, edges, {}, np.zeros(len(edges) + 3), count)
    else:
        found, counts = np.unique(values.astype(str), return_counts=True)
        order = np.argsort(-counts, kind="stable")
        kept = [str(found[i]) for i in order if found[i] != ""][:_MOST_CATEGORIES]
        made = Watched(
            name, None, {c: i for i, c in enumerate(kept)}, np.zeros(len(kept) + 2), count
        )
    made.shares = made.count(values) / max(1, count)
    return made


def _edges(values: Floats) -> Floats:
    """Quantiles; for few distinct values a bin for each, so that anything in between shows."""
    distinct = np.unique(values)
    if len(distinct) <= BINS // 2:
        return np.sort(np.concatenate([distinct, np.nextafter(distinct, np.inf)]))
    return np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))


@dataclass(frozen=True, slots=True)
class Alarm:
    """A column that has moved.

    window: rows looked at; p: the chance of such a distance without a change, before Holm's
    correction; psi: the population stability index and what it reaches in one of a hundred windows
    without a change; shift: of the mean, in training deviations (None for categories).
    """

    column: str
    window: int
    p: float
    distance: float
    psi: float
    psi_usual: float
    words: str


@dataclass(slots=True)
class _Window:
    size: int
    seen: int = 0
    counts: list[Counts] = field(default_factory=list[Counts])


class Drift:
    """Watches all columns in constant memory.

    rate: the chance that a window without any change raises an alarm.
    """

    def __init__(self, watched: Sequence[Watched], rate: float = 0.01) -> None:
        self.watched = list(watched)
        self.rate = rate
        self._windows = [_Window(size) for size in WINDOWS]
        for window in self._windows:
            self._clear(window)
        self.alarms: list[Alarm] = []
        self.rows = 0

    def _clear(self, window: _Window) -> None:
        window.seen = 0
        window.counts = [np.zeros(w.bins, np.int64) for w in self.watched]

    def see(self, rows: Any) -> list[Alarm]:
        """Counts rows; returns the alarms of the windows that ended with them."""
        columns = cast("dict[str, Any]", rows) if isinstance(rows, dict) else as_columns(rows)
        count = len(next(iter(columns.values())))
        raised: list[Alarm] = []
        at = 0
        while at < count:
            room = min(w.size - w.seen for w in self._windows)
            part = slice(at, at + min(room, count - at))
            taken = part.stop - part.start
            counted = [w.count(columns[w.name][part]) for w in self.watched]
            for window in self._windows:
                for held, new in zip(window.counts, counted, strict=True):
                    held += new
                window.seen += taken
                if window.seen == window.size:
                    raised += self._judge(window)
                    self._clear(window)
            at += taken
            self.rows += taken
        self.alarms = [*self.alarms, *raised][-100:]
        return raised

    def _judge(self, window: _Window) -> list[Alarm]:
        """Holm's procedure over the columns; the windows of different sizes share the rate."""
        found = [(p_value(w, c), w, c) for w, c in zip(self.watched, window.counts, strict=True)]
        found.sort(key=lambda entry: entry[0])
        raised: list[Alarm] = []
        share = self.rate / len(WINDOWS)
        for done, (p, watched, counts) in enumerate(found):
            if p > share / (len(found) - done):
                break
            raised.append(_alarm(watched, counts, window.size, p))
        return raised


def _alarm(watched: Watched, counts: Counts, size: int, p: float) -> Alarm:
    shares = counts / size
    index = psi(watched.shares, shares, size)
    usual = _usual_psi(watched, size)
    most = int(np.argmax(np.abs(shares - watched.shares)))
    words = (
        f"{watched.name}: {_bin_words(watched, most)} holds {shares[most]:.1%} of the last {size} "
        f"rows, {watched.shares[most]:.1%} of training rows"
    )
    return Alarm(watched.name, size, p, distance(watched, counts), index, usual, words)


def _bin_words(watched: Watched, place: int) -> str:
    if place == watched.bins - 2:
        return "missing"
    if place == watched.bins - 1:
        return "a value that training rows do not hold"
    if watched.edges is None:
        return repr(next(c for c, i in watched.categories.items() if i == place))
    low = f"{watched.edges[place - 1]:g}" if place > 0 else "-inf"
    high = f"{watched.edges[place]:g}" if place < len(watched.edges) else "inf"
    return f"[{low}, {high})"


def distance(watched: Watched, counts: Counts) -> float:
    """The largest difference of the cumulative shares (numbers), or half the sum of differences."""
    apart = counts / max(1, counts.sum()) - watched.shares
    if watched.edges is None:
        return float(np.abs(apart).sum() / 2)
    return float(max(np.abs(np.cumsum(apart[:-2])).max(initial=0.0), np.abs(apart[-2:]).max()))


def p_value(watched: Watched, counts: Counts) -> float:
    """The chance of so large a distance between training rows and rows like them."""
    seen = int(counts.sum())
    if watched.edges is None:
        return _chi_squared(watched, counts)
    apart = counts / seen - watched.shares
    held = 1.0 - watched.shares[-2:].sum()
    most = float(np.abs(np.cumsum(apart[:-2])).max(initial=0.0))
    size = sqrt(seen * watched.rows / (seen + watched.rows))
    numbers = _kolmogorov(most * size) if held > 0 else 1.0
    rest = min(_share_moved(watched, counts, place) for place in (-2, -1))
    return min(1.0, 2.0 * min(numbers, 2.0 * rest))


def _kolmogorov(value: float) -> float:
    """The survival of Kolmogorov's distribution; with bins it is an upper bound."""
    if value < 0.2:
        return 1.0
    total = 0.0
    for k in range(1, 101):
        term = 2.0 * (-1.0) ** (k - 1) * exp(-2.0 * (k * value) ** 2)
        total += term
        if abs(term) < 1e-12:
            break
    return min(1.0, max(0.0, total))


def _share_moved(watched: Watched, counts: Counts, place: int) -> float:
    """Two-sided test of one bin's share, by the normal of two pooled shares."""
    seen, rows = int(counts.sum()), watched.rows
    hits = float(counts[place]) + watched.shares[place] * rows
    pooled = (hits + 1.0) / (seen + rows + 2.0)
    spread = sqrt(pooled * (1 - pooled) * (1 / seen + 1 / rows))
    apart = abs(float(counts[place]) / seen - watched.shares[place]) - 0.5 / seen
    return _two_sided(apart / spread) if apart > 0 else 1.0


def _two_sided(z: float) -> float:
    from math import erfc

    return erfc(z / sqrt(2.0))


def _chi_squared(watched: Watched, counts: Counts) -> float:
    """Homogeneity of categories, rare ones joined; by Wilson and Hilferty's cube root."""
    seen, rows = int(counts.sum()), watched.rows
    trained = watched.shares * rows
    expected = (trained + counts) * seen / (seen + rows)
    rare = expected < 5.0
    mine = np.append(counts[~rare], counts[rare].sum()).astype(float)
    theirs = np.append(trained[~rare], trained[rare].sum())
    kept = (mine + theirs) > 0
    mine, theirs = mine[kept], theirs[kept]
    freedom = len(mine) - 1
    if freedom < 1:
        return 1.0
    whole = mine + theirs
    first, second = whole * seen / (seen + rows), whole * rows / (seen + rows)
    value = float(((mine - first) ** 2 / first + (theirs - second) ** 2 / second).sum())
    scaled = (value / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))
    z = scaled / sqrt(2 / (9 * freedom))
    return _two_sided(z) / 2 if z > 0 else 1.0


def psi(expected: Floats, found: Floats, size: int) -> float:
    """The population stability index; an empty bin counts as half a row."""
    least = 0.5 / size
    left, right = np.maximum(expected, least), np.maximum(found, least)
    return float(((right - left) * np.log(right / left)).sum())


def _usual_psi(watched: Watched, size: int) -> float:
    """What the index exceeds in one of a hundred windows without a change."""
    freedom = max(1, int((watched.shares > 0).sum()) - 1)
    scale = 1 / size + 1 / max(1, watched.rows)
    # It is nearly chi-squared; Wilson and Hilferty's cube root gives the quantile.
    high = freedom * (1 - 2 / (9 * freedom) + 2.326 * sqrt(2 / (9 * freedom))) ** 3
    return scale * high


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
        self._limit = log(1.0 / rate)
        self.seen = 0
        self.restart()

    @property
    def alarmed(self) -> bool:
        return self.since is not None

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

    def restart(self) -> None:
        """Begins anew after somebody has looked."""
        self._logs = np.full(len(self._POWERS) + len(self._SLOPES), -np.inf)
        self._begun = 0
        self.highest = 0.0
        self.since: int | None = None


def learn_drift(rows: Any, columns: Sequence[str] | None = None, *, rate: float = 0.01) -> Drift:
    """Learns the bins of every column. rate: of false alarms per window."""
    table: Mapping[str, Any] = as_columns(rows, columns)
    return Drift([watch(name, values) for name, values in table.items()], rate)
