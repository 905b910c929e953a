"""How sure is an answer, and which answers may be given?

From rows whose labels are known: a calibration that makes a score a probability, chosen by
cross-validated log-loss; the owner's goal ("error at most 2 % with 95 % confidence") turned into a
threshold by testing candidates from strict to loose and stopping at the first that may break the
goal (fixed-sequence testing, so the promise holds for the threshold that is kept); and prediction
sets that hold the true label as often as they say (split conformal prediction).
"""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairlead.guards.bounds import shows
from fairlead.guards.calibration import FITS, FOLDS, METHODS, Calibration, across, chosen

Floats = NDArray[np.float64]

COVERAGES = (0.8, 0.9, 0.95, 0.99)
LEAST_ROWS = 30
_STEPS = 200
_HALVINGS, _SAFE = 40, 1e-9
_UNEVEN, _SINGLE = 1e-5, 4
"""Probabilities of a model are rounded: together they are one, give or take so much, where each has
at least so many bytes."""
_MOST_WALKS = 3


class Confidence:
    """A learnt confidence guard for a classifier.

    method:    the calibration that was chosen; losses: the cross-validated log-loss of each.
    threshold: answers with at least this calibrated confidence may be given; None without a goal,
               infinite when no threshold keeps the goal.
    coverage:  the share of evaluation rows at or above the threshold.
    reason:    why there is no threshold, "" when there is one.
    """

    def __init__(
        self,
        calibration: Calibration,
        losses: dict[str, float],
        sure: Floats,
        wrong: NDArray[np.bool_],
        quantiles: Floats,
    ) -> None:
        """sure, wrong: honest confidence in each evaluation row's answer, and its failure."""
        self._calibration = calibration
        self.method = calibration.method
        self.losses = losses
        self._sure, self._wrong = sure, wrong
        self._quantiles = quantiles
        self._misses = dict(zip(COVERAGES, quantiles.tolist(), strict=True))
        self.error_goal: float | None = None
        self.assurance = 0.95
        self.threshold: float | None = None
        self.coverage, self.reason = 1.0, ""

    @property
    def rows(self) -> int:
        """Labelled rows that it was learnt from."""
        return len(self._sure)

    @property
    def honest(self) -> Floats:
        """The confidence in each row's answer by a calibration that the row did not teach."""
        return self._sure

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Which of those answers are not the true class."""
        return self._wrong

    def aim(self, error_goal: float | None, assurance: float = 0.95) -> None:
        """Sets the goal, and the threshold that keeps it with this assurance."""
        if error_goal is not None and not 0.0 < error_goal < 1.0:
            raise ValueError("error_goal must lie between 0 and 1")
        if not 0.5 <= assurance < 1.0:
            raise ValueError("assurance must lie between 0.5 and 1")
        self.error_goal, self.assurance = error_goal, assurance
        self.threshold, self.coverage, self.reason = None, 1.0, ""
        if error_goal is not None:
            self.threshold, self.coverage, self.reason = _threshold(
                self._sure, self._wrong, error_goal, assurance
            )

    def surely(self, classes: int) -> float | None:
        """The least score of an answer whose confidence is never below the threshold, whatever the
        scores of the other classes; in single precision. None where none is known.

        What is left is worst for the answer where it is all another class's, or the same for each:
        a temperature raises shares to a power, whose sum is largest at one of these. More of its
        own score never makes an answer less sure.
        """
        limit = self.threshold
        if limit is None or not 0.5 < limit < 1.0 or classes < 2:
            return None
        low, high = 0.5, 1.0
        if self._least(high, classes) < limit + _SAFE:
            return None
        for _ in range(_HALVINGS):
            middle = (low + high) / 2.0
            low, high = (
                (low, middle) if self._least(middle, classes) >= limit + _SAFE else (middle, high)
            )
        return min(1.0, float(np.nextafter(np.float32(high), np.float32(2.0))))

    def enough(self, scores: Any, least: float) -> bool:
        """Whether every answer has at least this score, and so is `surely` sure enough.

        Not of scores that are no probabilities to as many digits as `surely` allows for.
        """
        top: Any = np.maximum.reduce(scores, axis=1)
        if scores.dtype.itemsize < _SINGLE or not top.item(top.argmin()) >= least:
            return False
        # A negative one would leave more to another class than what the answer does not have.
        total: Any = np.add.reduce(np.abs(scores), axis=1)
        return total.item(total.argmax()) <= 1.0 + _UNEVEN

    def _least(self, score: float, classes: int) -> float:
        """The least calibrated probability of an answer with this score."""
        spare = 1.0 - score + _UNEVEN
        one = np.zeros((2 if classes > 2 else 1, classes))
        one[0, 1] = spare
        one[-1, 1:] = spare / (classes - 1)
        one[:, 0] = score
        # Of two classes a calibration need not treat both alike.
        rows = np.vstack([one, one[:, ::-1]])
        places = np.repeat([0, classes - 1], len(one))
        found: Any = self._calibration(rows)
        return float(found[np.arange(len(rows)), places].min())

    def calibrate(self, scores: Any, *, trusted: bool = False) -> Floats:
        """Calibrated probabilities of the classes, one row each; the first class stays the first.

        Where the calibration would make another class the most probable, the row keeps the order
        of its scores: an answer is never changed silently. trusted: the scores are known to be
        probabilities, as a model's own are.
        """
        return self._calibrated(_plain(scores) if trusted else as_scores(scores))

    def _calibrated(self, given: Floats) -> Floats:
        if self.method == "none":
            return given
        found = self._calibration(given)
        moved = found.argmax(axis=1) != given.argmax(axis=1)
        if np.count_nonzero(moved):
            found[moved] = given[moved]
        return found

    def weigh(self, scores: Any, coverage: float = 0.9) -> tuple[Floats, NDArray[np.bool_]]:
        """`confidence` and `sets` in one pass, for scores that a model gives as probabilities."""
        given = _plain(scores)
        inside = 1.0 - given <= self._misses[coverage]
        return self._calibrated(given).max(axis=1), inside

    def confidence(self, scores: Any) -> Floats:
        """The calibrated probability of each row's own answer."""
        return self.calibrate(scores).max(axis=1)

    def decide(self, scores: Any) -> NDArray[np.bool_]:
        """Which rows are sure enough to be answered; all of them without a goal."""
        found = self.confidence(scores)
        if self.threshold is None:
            return np.ones(len(found), dtype=bool)
        return found >= self.threshold

    def sets(
        self, scores: Any, coverage: float = 0.9, *, trusted: bool = False
    ) -> NDArray[np.bool_]:
        """Which classes belong to each row's prediction set at this coverage.

        Sets hold the true class in that share of rows like the evaluation rows. A model that is
        right more often than that has rows whose set is empty: no class is likely enough to be
        needed. Raises ValueError for a coverage that was not learnt.
        """
        if coverage not in COVERAGES:
            raise ValueError(f"coverage must be one of {', '.join(map(str, COVERAGES))}")
        found = _plain(scores) if trusted else as_scores(scores)
        # Misses as they were when the quantile was learnt: a tie must stay one.
        return 1.0 - found <= self._misses[coverage]

    def to_bytes(self) -> bytes:
        """The guard as an .npz file without any object in it."""
        told = {
            "format": 1,
            "method": self.method,
            "losses": self.losses,
            "error_goal": self.error_goal,
            "assurance": self.assurance,
        }
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            told=np.frombuffer(json.dumps(told).encode(), np.uint8),
            values=self._calibration.values,
            quantiles=self._quantiles,
            sure=self._sure,
            wrong=self._wrong,
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Confidence:
        """The inverse of `to_bytes`. Raises ValueError or KeyError on anything else."""
        with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:
            told: dict[str, Any] = json.loads(arrays["told"].tobytes())
            if told["format"] != 1 or told["method"] not in METHODS:
                raise ValueError(f"the calibration {told['method']!r} is not known")
            calibration = Calibration(told["method"], arrays["values"])
            found = cls(
                calibration,
                dict(told["losses"]),
                arrays["sure"],
                arrays["wrong"],
                arrays["quantiles"],
            )
        found.aim(told["error_goal"], float(told["assurance"]))
        return found


def learn_confidence(
    scores: Any,
    labels: Any,
    *,
    error_goal: float | None = None,
    assurance: float = 0.95,
    seed: int = 0,
) -> Confidence:
    """Learns how far scores can be believed.

    scores:  a probability per class, one row each (a 1-D array is that of the second of two).
    labels:  the true classes as positions.
    error_goal: the largest share of wrong answers among those given; None sets no threshold.
    assurance: the confidence with which the goal is kept.
    seed:    of the folds.

    Raises ValueError for scores that are no probabilities, or too few rows.
    """
    given = as_scores(scores)
    truth = np.asarray(labels).astype(np.int64).reshape(-1)
    if len(truth) != len(given):
        raise ValueError(f"there are {len(given)} rows of scores and {len(truth)} labels")
    if len(given) < LEAST_ROWS:
        raise ValueError(f"{len(given)} labelled rows are too few: {LEAST_ROWS} are the least")
    if truth.min() < 0 or truth.max() >= given.shape[1]:
        raise ValueError("a label is no position of a class")
    folds = np.random.default_rng(seed).permutation(len(given)) % FOLDS
    method, losses = chosen(given, truth, folds)
    # What a row's own label taught must not vouch for it: the threshold sees each row through the
    # calibration of the folds that it is not in.
    answers = given.argmax(axis=1)
    honest = across(method, given, truth, folds)[np.arange(len(answers)), answers]
    # Sets go by the scores as they are: a calibration's steps would make them wider than they say.
    guard = Confidence(
        FITS[method](given, truth), losses, honest, answers != truth, set_quantiles(given, truth)
    )
    guard.aim(error_goal, assurance)
    return guard


def as_scores(scores: Any) -> Floats:
    """Scores as a table of probabilities per class. Raises ValueError when they are none."""
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim == 1:
        table = np.column_stack([1.0 - table, table])
    if table.ndim != 2 or table.shape[1] < 2:
        raise ValueError("scores must hold a probability for each of two or more classes")
    if not np.isfinite(table).all() or table.min() < -1e-6 or table.max() > 1.0 + 1e-6:
        raise ValueError("scores must be probabilities between 0 and 1")
    if np.abs(table.sum(axis=1) - 1.0).max() > 1e-3:
        raise ValueError("the scores of a row must sum to 1")
    return np.clip(table, 0.0, 1.0)


def _plain(scores: Any) -> Floats:
    found: Any = scores.astype(np.float64)
    np.maximum(found, 0.0, out=found)
    return np.minimum(found, 1.0, out=found)


# --- promises ---------------------------------------------------------------------------


def _threshold(
    sure: Floats, failed: NDArray[np.bool_], goal: float, assurance: float
) -> tuple[float, float, str]:
    """Threshold, coverage and reason: the loosest threshold before one that may break the goal.

    The walk begins at the fewest rows that could show the goal, and, where there are enough, anew
    at twice and four times as many, so that one unlucky row at the very top does not end it; the
    walks share the chance of being wrong.
    """
    count = len(sure)
    least = _least_rows(goal, assurance)
    if least > count:
        return float("inf"), 0.0, f"{count} labelled rows cannot show it: {least} are the least"
    order = np.argsort(-sure, kind="stable")
    wrong = np.cumsum(failed[order])
    # Rows that are equally sure stand or fall together.
    edges: Any = np.flatnonzero(np.append(np.diff(sure[order]) != 0, True)) + 1
    starts, each = _starts(count, goal, assurance)
    best = max(_walk(edges[edges >= start], wrong, goal, each) for start in starts)
    if best == 0:
        seen = float(wrong[starts[0] - 1]) / starts[0]
        return float("inf"), 0.0, f"even the {starts[0]} surest rows are wrong in {seen:.1%}"
    threshold = float(sure[int(order[best - 1])])
    return threshold, float((sure >= threshold).mean()), ""


def _starts(count: int, goal: float, assurance: float) -> tuple[list[int], float]:
    """Where the walks begin, and the assurance of each."""
    for walks in range(_MOST_WALKS, 0, -1):
        each = 1.0 - (1.0 - assurance) / walks
        starts = [_least_rows(goal, each) << i for i in range(walks)]
        if starts[-1] <= count:
            return starts, each
    raise AssertionError("one walk always fits")


def _walk(ends: Any, wrong: Any, goal: float, assurance: float) -> int:
    """The most rows, surest first, that keep the goal before the first that may not; 0 if none."""
    best = 0
    steps: Any = np.unique(np.linspace(0, len(ends) - 1, _STEPS).astype(int))
    for rows in ends[steps].tolist():
        if not shows(int(rows), int(wrong[rows - 1]), goal, assurance):
            break
        best = int(rows)
    return best


def _least_rows(goal: float, assurance: float) -> int:
    """So many rows without an error are needed to show the goal at all."""
    return int(np.ceil(np.log(1.0 - assurance) / np.log1p(-goal)))


def set_quantiles(probabilities: Floats, truth: Any) -> Floats:
    """For each coverage the largest miss that a set must still forgive (LAC, Sadinle 2019)."""
    misses = np.sort(1.0 - probabilities[np.arange(len(truth)), truth])
    count = len(misses)
    ranks = [int(np.ceil(c * (count + 1))) for c in COVERAGES]
    return np.array([float(misses[r - 1]) if r <= count else 1.0 for r in ranks])
