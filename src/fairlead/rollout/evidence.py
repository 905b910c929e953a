"""What has been seen of one version in a rollout: counts, bounded, that add up in any order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fairlead.core.decision import OUTCOMES
from fairlead.core.errors import RequestTimeout
from fairlead.core.failure import Code, FairleadError
from fairlead.rollout.assign import GROUPS
from fairlead.rollout.bins import LATENCY_BINS, Bins, Counts, latency_places

FORMAT = 1
_AT_ONCE = 4096
_MOST_KINDS = 64
_MOST_COUNT = 1 << 53
OTHER = "other"

_COARSE = 15
"""So many bins of latency are one in the counts by group of callers: each twice as long."""
_LATENCIES = -(-LATENCY_BINS // _COARSE)
_ANSWERS = 16
COLUMNS = {
    "calls": slice(0, 1),
    "errors": slice(1, 2),
    "decisions": slice(2, 2 + len(OUTCOMES)),
    "latency": slice(2 + len(OUTCOMES), 2 + len(OUTCOMES) + _LATENCIES),
    "predictions": slice(2 + len(OUTCOMES) + _LATENCIES, 2 + len(OUTCOMES) + _LATENCIES + _ANSWERS),
}
"""Where in a row of `Evidence.groups` what is counted."""
_WIDTH = COLUMNS["predictions"].stop

_OURS = (Code.MODEL_FAILED, Code.INTERNAL, Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED)


def is_failure(error: FairleadError) -> bool:
    """Whether an error speaks against the version: its own fault or the server's.

    What is refused for the caller's own fault is not counted at all, and what the guards decline
    is a decision.
    """
    return error.code in _OURS and not isinstance(error, RequestTimeout)


class Evidence:
    """What was seen of one version; any number of them make one, in any order.

    bins:      how answers are counted; None where they are not.
    calls:     answered and failed ones.
    errors:    the failed ones by the name of their error.
    latencies: of the answered ones, by bin. decisions: likewise, by the worst decision of a row.
    answers:   of the answered ones, by bin: the answer on the first row of each, since the rows of
               one call are alike. Empty without bins.
    groups:    the same by group of callers, in `COLUMNS`; empty where callers are not told apart.
    """

    def __init__(self, bins: Bins | None = None, *, grouped: bool = False) -> None:
        self.bins = bins
        self.calls = 0
        self.errors: Counter[str] = Counter()
        self.latencies: Counts = np.zeros(LATENCY_BINS, np.int64)
        self.decisions: Counts = np.zeros(len(OUTCOMES), np.int64)
        self.answers: Counts = np.zeros(bins.size if bins else 0, np.int64)
        self.groups: Counts = np.zeros((GROUPS if grouped else 0, _WIDTH), np.int64)
        self._waiting: tuple[list[float], list[int], list[float], list[int]] = ([], [], [], [])

    @property
    def grouped(self) -> bool:
        """Whether callers are told apart."""
        return len(self.groups) > 0

    @property
    def failed(self) -> int:
        """Calls that failed."""
        return self.errors.total()

    def add(
        self,
        latencies: Sequence[float],
        decisions: Sequence[int],
        answers: Sequence[float] = (),
        groups: Sequence[int] = (),
    ) -> None:
        """Counts the answered calls of a batch; four lists grow, and numpy is left for later.

        latencies: seconds of each call. decisions: positions in OUTCOMES. answers: on the first
        row of each call, needed with bins. groups: of the callers, needed where they are told
        apart. Raises ValueError for lists of different lengths.
        """
        count = len(latencies)
        wrong = len(decisions) != count or (self.bins is not None and len(answers) != count)
        if wrong or (self.grouped and len(groups) != count):
            raise ValueError("every call has a latency, a decision, an answer and a group")
        waiting = self._waiting
        waiting[0].extend(latencies)
        waiting[1].extend(decisions)
        if self.bins is not None:
            waiting[2].extend(answers)
        if self.grouped:
            waiting[3].extend(groups)
        if len(waiting[0]) >= _AT_ONCE:
            self.settle()

    def fail(self, kind: str, group: int = 0) -> None:
        """Counts a failed call by the name of its error (`is_failure`)."""
        known = kind in self.errors or len(self.errors) < _MOST_KINDS - 1
        self.errors[kind if known else OTHER] += 1
        self.calls += 1
        if self.grouped:
            self.groups[group, :2] += 1

    def settle(self) -> None:
        """Brings what waits into the counts. Reading them is exact only afterwards."""
        latencies, decisions, answers, groups = self._waiting
        if not latencies:
            return
        self._waiting = ([], [], [], [])
        self.calls += len(latencies)
        durations = latency_places(latencies)
        self.latencies += np.bincount(durations, minlength=LATENCY_BINS)
        self.decisions += np.bincount(decisions, minlength=len(OUTCOMES))
        places: Any = None
        if self.bins is not None:
            places = self.bins.places(answers)
            self.answers += np.bincount(places, minlength=self.bins.size)
        if self.grouped:
            self._settle_groups(np.array(groups), durations, np.array(decisions), places)

    def _settle_groups(self, groups: Any, durations: Any, decisions: Any, places: Any) -> None:
        add: Any = np.add.at
        add(self.groups, (groups, 0), 1)
        add(self.groups, (groups, COLUMNS["decisions"].start + decisions), 1)
        add(self.groups, (groups, COLUMNS["latency"].start + durations // _COARSE), 1)
        if places is not None:
            add(self.groups, (groups, COLUMNS["predictions"].start + places % _ANSWERS), 1)

    def merge(self, other: Evidence) -> None:
        """Takes in what another one has counted. Raises ValueError where it counts otherwise."""
        if self.bins != other.bins or self.grouped != other.grouped:
            raise ValueError("the evidence is counted in other bins")
        self.settle()
        other.settle()
        self.calls += other.calls
        self.errors = _joined(self.errors, other.errors)
        self.latencies += other.latencies
        self.decisions += other.decisions
        self.answers += other.answers
        self.groups += other.groups

    def drain(self) -> Evidence:
        """All that was counted, for somebody else; this one is empty afterwards."""
        self.settle()
        drained = Evidence(self.bins, grouped=self.grouped)
        drained.merge(self)
        fresh = Evidence(self.bins, grouped=self.grouped)
        self.calls, self.errors = fresh.calls, fresh.errors
        self.latencies, self.decisions = fresh.latencies, fresh.decisions
        self.answers, self.groups = fresh.answers, fresh.groups
        return drained

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; counts by place, those of nothing left out."""
        self.settle()
        return {
            "format": FORMAT,
            "bins": self.bins and self.bins.to_json(),
            "grouped": self.grouped,
            "calls": self.calls,
            "errors": dict(sorted(self.errors.items())),
            "latencies": sparse(self.latencies),
            "decisions": sparse(self.decisions),
            "answers": sparse(self.answers),
            "groups": sparse(self.groups.reshape(-1)),
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Evidence:
        """The inverse of `to_json`. Raises ValueError, KeyError or TypeError on anything else."""
        if told["format"] != FORMAT:
            raise ValueError(f"evidence of the format {told['format']!r} is not known")
        bins = None if told["bins"] is None else Bins.from_json(told["bins"])
        made = cls(bins, grouped=bool(told["grouped"]))
        errors: Mapping[str, Any] = told["errors"]
        if len(errors) > _MOST_KINDS:
            raise ValueError("evidence of too many kinds of errors")
        made.errors = Counter({str(kind): _count(count) for kind, count in errors.items()})
        made.latencies = dense(told["latencies"], LATENCY_BINS)
        made.decisions = dense(told["decisions"], len(OUTCOMES))
        made.answers = dense(told["answers"], len(made.answers))
        made.groups = dense(told["groups"], made.groups.size).reshape(-1, _WIDTH)
        made.calls = _count(told["calls"])
        if made.calls != made.failed + int(made.latencies.sum()):
            raise ValueError("the calls of the evidence do not add up")
        return made


def _joined(mine: Counter[str], others: Counter[str]) -> Counter[str]:
    """The sum, in which the kinds beyond the most are one: the same whoever is added to whom."""
    total = mine + others
    if len(total) > _MOST_KINDS:
        kept = sorted(kind for kind in total if kind != OTHER)[: _MOST_KINDS - 1]
        rest = total.total() - sum(total[kind] for kind in kept)
        total = Counter({kind: total[kind] for kind in kept})
        total[OTHER] = rest
    return total


def sparse(counts: Counts) -> list[list[int]]:
    """The places that hold anything, and how much."""
    places = np.flatnonzero(counts)
    return [places.tolist(), counts[places].tolist()]


def dense(told: Sequence[Sequence[Any]], size: int) -> Counts:
    """The inverse of `sparse`. Raises ValueError, TypeError or IndexError on anything else."""
    counts = np.zeros(size, np.int64)
    for place, count in zip(told[0], told[1], strict=True):
        if type(place) is not int or not 0 <= place < size:
            raise ValueError(f"there is no place {place!r:.20} in the evidence")
        counts[place] = _count(count)
    return counts


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < _MOST_COUNT:
        raise ValueError(f"{value!r:.20} is no count")
    return value
