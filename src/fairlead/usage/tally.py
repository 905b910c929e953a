"""How right a version's answers were: sums of what true labels showed, and what follows of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, isnan, sqrt
from typing import Any

from fairlead.usage.outcomes import CLASSES, NUMBERS, Outcome
from fairlead.usage.rates import Z_95, is_below, lowest, mean_interval, wilson

RECENT = 1000
"""Labelled rows that are shown apart, the newest."""
DOUBT = 0.005
"""Of the evaluation rows and of the live rows alike: 1 % of good versions ever alarm, at most."""
_DECISIONS = ("serve", "warn")
_SUMS = (
    "labelled",
    "hits",
    "sure",
    "confidence",
    "sure_hits",
    "gaps",
    "error",
    "squares",
    "inside",
)


class Tally:
    """The labelled rows of one version.

    about: what its outcome log says of it. sums: by decision. recent: what became of the newest
    rows, oldest first: 1 or 0 for right or wrong, of numbers the size of the error.
    """

    def __init__(
        self,
        about: Mapping[str, Any],
        sums: dict[str, dict[str, float]] | None = None,
        recent: Sequence[float] = (),
    ) -> None:
        self.about = about
        self.sums = sums or {name: dict.fromkeys(_SUMS, 0) for name in _DECISIONS}
        self.recent = list(recent)

    def add(self, outcome: Outcome, truth: Sequence[float]) -> tuple[int, int]:
        """Adds one call; (rows that were added, rows with a label that were never served).

        truth: as the kind of the version says; NaN where it is not known.
        """
        added = unserved = 0
        for row, true in enumerate(truth):
            if isnan(true):
                continue
            decision, predicted = outcome.decision[row], outcome.predicted[row]
            if decision >= len(_DECISIONS) or isnan(predicted):
                unserved += 1
                continue
            added += 1
            sums = self.sums[_DECISIONS[decision]]
            sums["labelled"] += 1
            if self.about["kind"] == NUMBERS:
                self._add_error(sums, abs(true - predicted))
            else:
                self._add_hit(sums, int(true == predicted), outcome.confidence[row])
        self.recent = self.recent[-RECENT:]
        return added, unserved

    def _add_hit(self, sums: dict[str, float], hit: int, confidence: float) -> None:
        self.recent.append(hit)
        sums["hits"] += hit
        if isfinite(confidence):
            sums["sure"] += 1
            sums["confidence"] += confidence
            sums["sure_hits"] += hit
            sums["gaps"] += (confidence - hit) ** 2

    def _add_error(self, sums: dict[str, float], error: float) -> None:
        self.recent.append(error)
        sums["error"] += error
        sums["squares"] += error * error
        radius = self.about.get("radius")
        sums["inside"] += radius is not None and error <= radius

    def facts(self) -> dict[str, Any]:
        """What is known by now, as plain JSON; intervals hold the truth in 95 of 100 cases."""
        total = {key: sum(self.sums[name][key] for name in _DECISIONS) for key in _SUMS}
        found: dict[str, Any] = {"kind": self.about["kind"], **self._of(total)}
        found["by_decision"] = {name: self._of(self.sums[name]) for name in _DECISIONS}
        found["recent"] = self._recent()
        if total["sure"]:
            found["confidence"] = _calibration(total)
        if self.about.get("evaluation"):
            found["evaluation"] = self.about["evaluation"]
        found["alarm"] = self._alarm(total)
        return found

    def _of(self, sums: Mapping[str, float]) -> dict[str, Any]:
        count = int(sums["labelled"])
        found: dict[str, Any] = {"labelled": count}
        if not count:
            return found
        if self.about["kind"] != NUMBERS:
            hits = int(sums["hits"])
            return found | _rate("correct", "accuracy", hits, count)
        found["mean_absolute_error"] = sums["error"] / count
        if count > 1:
            found["interval"] = [*mean_interval(sums["error"], sums["squares"], count)]
        if self.about.get("radius") is not None:
            found["inside"] = _rate("rows", "share", int(sums["inside"]), count)
        return found

    def _recent(self) -> dict[str, Any]:
        count = len(self.recent)
        found: dict[str, Any] = {"labelled": count}
        if count and self.about["kind"] != NUMBERS:
            found |= _rate("correct", "accuracy", int(sum(self.recent)), count)
        elif count:
            found["mean_absolute_error"] = sum(self.recent) / count
        return found

    def _alarm(self, total: Mapping[str, float]) -> str | None:
        """Words when the live rows are worse than was promised; None while they may be as good.

        Both sides may err: the promise is the lowest rate that the evaluation rows leave possible.
        """
        count = int(total["labelled"])
        evaluation = self.about.get("evaluation", {})
        rows = int(evaluation.get("rows", 0))
        if self.about["kind"] == NUMBERS:
            rows = int(self.about.get("interval_rows", 0))
            coverage = float(self.about.get("coverage", 0.0))
            hits, what = int(total["inside"]), "share of answers within their interval"
            promised = coverage if self.about.get("radius") is not None else None
        else:
            hits, what, promised = int(total["hits"]), "accuracy", evaluation.get("accuracy")
        goal = self.about.get("promised")
        if goal is not None and count:
            # Only answers that are sure enough are given: they keep the goal, not the average.
            least, promised, source = float(goal), float(goal), "the error goal promises"
        elif promised is None or not rows or not count:
            return None
        else:
            least = lowest(round(promised * rows), rows, DOUBT)
            source = f"{rows} evaluation rows showed"
        if not is_below(hits, count, least, DOUBT):
            return None
        return (
            f"the live {what} is {hits / count:.3f} over {count} labelled rows, below the "
            f"{promised:.3f} that {source} (with 99 % confidence)"
        )


def _rate(hits: str, share: str, count: int, of: int) -> dict[str, Any]:
    return {hits: count, share: count / of, "interval": [*wilson(count, of)]}


def _calibration(total: Mapping[str, float]) -> dict[str, Any]:
    """Mean confidence beside the accuracy of the same rows, and how far apart they may be."""
    count = int(total["sure"])
    gap = (total["confidence"] - total["sure_hits"]) / count
    half = Z_95 * sqrt(max(0.0, total["gaps"] / count - gap * gap) / count)
    return {
        "labelled": count,
        "mean": total["confidence"] / count,
        "accuracy": total["sure_hits"] / count,
        "gap": gap,
        "gap_interval": [gap - half, gap + half],
    }


def truth_of(about: Mapping[str, Any], labels: Sequence[Any]) -> list[float]:
    """Labels as numbers to compare with predictions: NaN for null and for a class unknown here."""
    if about["kind"] != CLASSES:
        return [float(v) if isinstance(v, int | float) else float("nan") for v in labels]
    places = {name: float(place) for place, name in enumerate(about["classes"])}
    return [places.get(str(v), float("nan")) for v in labels]
