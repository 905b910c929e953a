"""Finds good settings in few trials: how many rows to join, executions at once, callers.

Along each of the three more is better up to a point and worse beyond it, so a line is searched by
sections, and lines are searched in turn until none brings more. Two different beginnings keep it
from resting where batches are small only because threads are many. What was tried is not tried
again, and places that are the same to a server (no batch is larger than what callers can fill)
count as one. The best few are tried once more, since the best of many trials is partly luck.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf

Place = tuple[int, int, int]
"""Rows joined at most, executions at once, callers."""

SHARE = 0.25
"""Of the trials of the whole grid that a search may take."""
_LEAST_TRIALS = 8
_AGAIN = 4
"""The best so many are tried once more."""
_HOPELESS = 0.6
_BETTER = 1.01
"""What is better by less is not worth more rows, threads or callers."""
_FEW = 3
_CALLERS = 2
_MOST_CALLERS, _MOST_BATCH, _ROUNDS = 64, 256, 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a trial found: rows per second, and the 99th percentile of a call's seconds."""

    rows_per_s: float
    p99_s: float


@dataclass(frozen=True, slots=True)
class Grid:
    """The values of each axis, in growing order."""

    batches: tuple[int, ...]
    threads: tuple[int, ...]
    callers: tuple[int, ...]

    @property
    def size(self) -> int:
        """Trials of the whole grid."""
        return len(self.batches) * len(self.threads) * len(self.callers)

    @property
    def places(self) -> list[Place]:
        """All of it."""
        return [(b, t, c) for t in self.threads for c in self.callers for b in self.batches]

    def same(self, place: Place) -> Place:
        """The place with the smallest batch and fewest threads that is the same to a server."""
        batch, threads, callers = place
        threads = next((t for t in self.threads if t >= min(threads, callers)), threads)
        fills = -(-callers // threads)
        return next((b for b in self.batches if b >= min(batch, fills)), batch), threads, callers


def grid_of(max_batch: int, most_threads: int) -> Grid:
    """The grid of a model: batches and callers by doubling, every number of threads."""
    return Grid(_doubled(min(max_batch, _MOST_BATCH)), tuple(range(1, most_threads + 1)), CALLERS)


def _doubled(most: int) -> tuple[int, ...]:
    found = [1]
    while found[-1] * 2 <= most:
        found.append(found[-1] * 2)
    return (*found, most) if found[-1] < most else tuple(found)


CALLERS = _doubled(_MOST_CALLERS)


@dataclass(frozen=True, slots=True)
class Found:
    """The best places, what each that was tried gave, and trials in all."""

    throughput: Place
    latency: Place
    tried: dict[Place, Outcome]
    trials: int


Measure = Callable[[Place, float], Outcome]
"""Tries a place. The second argument: of rows per second so few that a trial may end early."""


def search(
    grid: Grid, measure: Measure, company: int, over: Callable[[], bool] = lambda: False
) -> Found:
    """The place with most rows per second, and the one that answers `company` callers soonest.

    company: callers that share the server when latency is looked at. over: whether time is up;
    then what was tried so far must do.
    """
    run = _Search(grid, measure, over)
    least, most = 0, len(grid.callers) - 1
    corners = (
        [len(grid.batches) // 2, len(grid.threads) - 1, most],
        [len(grid.batches) - 1, least, most],
    )
    throughput = run.best([run.climb(corner, run.rate, (0, 1, 2)) for corner in corners], run.rate)
    fastest = run.surest(grid.same(run.place(throughput)))
    near = min(range(most + 1), key=lambda i: abs(grid.callers[i] - company))
    starts = ([least, len(grid.threads) - 1, near], [len(grid.batches) - 1, least, near])
    latency = run.best([run.climb(start, run.speed, (0, 1)) for start in starts], run.speed)
    soonest = grid.same(run.place(latency))
    if soonest not in run.tried:  # time was up before
        soonest = min(run.tried, key=lambda place: run.tried[place].p99_s)
    return Found(fastest, soonest, run.tried, run.trials)


@dataclass
class _Search:
    """Trials under way. Where: positions on the three axes."""

    grid: Grid
    measure: Measure
    over: Callable[[], bool]
    tried: dict[Place, Outcome] = field(default_factory=dict[Place, Outcome])
    top: float = 0.0
    trials: int = 0

    def place(self, where: Sequence[int]) -> Place:
        grid = self.grid
        return grid.batches[where[0]], grid.threads[where[1]], grid.callers[where[2]]

    def outcome(self, where: Sequence[int]) -> Outcome | None:
        """What a place gives; None for one that was not tried and may not be any more."""
        place = self.grid.same(self.place(where))
        if place not in self.tried:
            if self.tried and self._ended(0):
                return None
            self.trials += 1
            found = self.tried[place] = self.measure(place, _HOPELESS * self.top)
            self.top = max(self.top, found.rows_per_s)
        return self.tried[place]

    def _ended(self, kept: int) -> bool:
        """Whether no more may be tried, so many trials apart."""
        return self.trials + kept >= max(_LEAST_TRIALS, int(SHARE * self.grid.size)) or self.over()

    def surest(self, first: Place) -> Place:
        """The best of some that are tried once more, by the mean of both trials."""
        others = sorted(self.tried, key=lambda place: -self.tried[place].rows_per_s)
        rivals = [place for place in others if place != first][: _AGAIN - 1]
        for place in (first, *rivals):
            if self._ended(_LEAST_TRIALS):  # as many are left for latency
                return first
            before = self.tried[place]
            if before.rows_per_s < _HOPELESS * self.top:
                continue
            self.trials += 1
            found = self.measure(place, 0.0)
            mean = (before.rows_per_s + found.rows_per_s) / 2
            self.tried[place] = Outcome(mean, (before.p99_s + found.p99_s) / 2)
        return max((first, *rivals), key=self._sure(first))

    def _sure(self, first: Place) -> Callable[[Place], float]:
        """How good a place is; the one that was found first by a little more."""
        return lambda place: self.tried[place].rows_per_s * (_BETTER if place == first else 1.0)

    def rate(self, where: Sequence[int]) -> float:
        """For throughput."""
        found = self.outcome(where)
        return found.rows_per_s if found is not None else -inf

    def speed(self, where: Sequence[int]) -> float:
        """For latency."""
        found = self.outcome(where)
        return 1 / max(found.p99_s, 1e-12) if found is not None else -inf

    def best(self, ends: Sequence[list[int]], score: Callable[[list[int]], float]) -> list[int]:
        """The best of some places; the first of those that are hardly worse."""
        kept = ends[0]
        for end in ends[1:]:
            kept = end if score(end) > _BETTER * score(kept) else kept
        return kept

    def climb(
        self, where: list[int], score: Callable[[list[int]], float], axes: Sequence[int]
    ) -> list[int]:
        """From a place along one axis after the other, until none leads higher."""
        for _ in range(_ROUNDS):
            before = where
            for axis in axes:
                where = self._along(where, axis, score)
            if where == before:
                break
        return where

    def _along(self, where: list[int], axis: int, score: Callable[[list[int]], float]) -> list[int]:
        """The best place on the line through `where` that is along one axis."""
        grid = self.grid
        length = len((grid.batches, grid.threads, grid.callers)[axis])
        find = _downhill if axis == _CALLERS else _section

        def placed(position: int) -> list[int]:
            return [*where[:axis], position, *where[axis + 1 :]]

        return placed(find(length, where[axis], lambda position: score(placed(position))))


def _section(length: int, start: int, score: Callable[[int], float]) -> int:
    """The best position on a line that rises, then falls: by sections, all of it where it is short.

    Of positions that are about as good the lowest.
    """
    low, high = 0, length - 1
    while high - low > _FEW:
        step = round((high - low) * 0.382)
        left, right = low + step, high - step
        if left == right:
            right += 1
        if score(right) > _BETTER * score(left):
            low = left + 1
        else:
            high = right - 1 if right - 1 >= left else left
    kept = start
    for position in range(low, high + 1):
        better = score(position) > _BETTER * score(kept)
        as_good = position < kept and score(position) * _BETTER >= score(kept)
        kept = position if better or as_good else kept
    return kept


def _downhill(length: int, start: int, score: Callable[[int], float]) -> int:
    """From the upper end down as long as that brings more."""
    kept = start
    while kept and score(kept - 1) > _BETTER * score(kept):
        kept -= 1
    return kept
