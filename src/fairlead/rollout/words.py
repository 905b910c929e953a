"""A rollout in words and figures: what was counted for each question, of either version."""

from __future__ import annotations

from math import exp
from typing import Any

import numpy as np

from fairlead.core.decision import OUTCOMES
from fairlead.rollout.bins import Counts, latency_edge
from fairlead.rollout.evidence import Evidence
from fairlead.rollout.exact import lower, upper
from fairlead.rollout.pairs import Pairs
from fairlead.rollout.questions import percentile

_RATE = 0.05


def differs(question: str, stable: Evidence, candidate: Evidence, sure: float) -> str:
    """What speaks against the candidate, and how sure it is.

    sure: the logarithm of what the bets have multiplied their stake by.
    """
    odds = exp(min(sure, 20.0))
    return (
        f"{summary(question, stable, candidate)}; were the versions alike, so much evidence"
        f" would come in at most one of {odds:,.0f} rollouts"
    )


def summary(question: str, stable: Evidence, candidate: Evidence) -> str:
    """What was counted for a question: the candidate's figures against the stable ones."""
    if question == "errors":
        return f"errors: {_failures(candidate)} against {_failures(stable)}"
    if question == "latency":
        ours, theirs = (_slow_ms(each.latencies) for each in (candidate, stable))
        return f"latency: 99 of 100 calls take at most {ours:.3g} ms against {theirs:.3g} ms"
    if question == "decisions":
        name, ours, theirs = _most_moved(candidate.decisions, stable.decisions)
        return f"decisions: {ours:.2%} are {OUTCOMES[name]} against {theirs:.2%}"
    name, ours, theirs = _most_moved(candidate.answers, stable.answers)
    return f"predictions: {ours:.2%} are {_answer(stable, name)} against {theirs:.2%}"


def figures_of(question: str, stable: Evidence, candidate: Evidence) -> dict[str, Any]:
    """The figures of a question by version, as plain JSON values."""
    return {
        name: _figures(question, each)
        for name, each in (("stable", stable), ("candidate", candidate))
    }


def agreement(pairs: Pairs) -> str:
    """How often the versions agree on the calls that both answered, with its bounds."""
    calls, same = pairs.calls, pairs.same
    if not calls:
        return "no call was answered by both versions"
    low, high = lower(calls, same, _RATE / 2), upper(calls, same, _RATE / 2)
    said = f"{same / calls:.2%} of {calls:,} answers are the same ({low:.2%} to {high:.2%})"
    if pairs.bins.classes:
        return said
    half, most = (pairs.difference(share) for share in (0.5, 0.99))
    return f"{said}; half differ by at most {half:.2g} of their size, 99 of 100 by {most:.2g}"


def _figures(question: str, seen: Evidence) -> dict[str, Any]:
    if question == "errors":
        low, high = _bounds(seen)
        share = seen.failed / seen.calls if seen.calls else 0.0
        kinds = dict(sorted(seen.errors.items()))
        return {"calls": seen.calls, "share": share, "low": low, "high": high, "kinds": kinds}
    if question == "latency":
        return {"calls": int(seen.latencies.sum()), "p99_ms": _slow_ms(seen.latencies)}
    if question == "decisions":
        return dict(zip(OUTCOMES, seen.decisions.tolist(), strict=True))
    return {"bins": seen.answers.tolist()}


def _failures(seen: Evidence) -> str:
    low, high = _bounds(seen)
    share = seen.failed / seen.calls if seen.calls else 0.0
    return f"{share:.2%} of {seen.calls:,} calls ({low:.2%} to {high:.2%})"


def _bounds(seen: Evidence) -> tuple[float, float]:
    """Of the share of failures: both hold at any time with a chance of 95 %."""
    if not seen.calls:
        return 0.0, 1.0
    return lower(seen.calls, seen.failed, _RATE / 2), upper(seen.calls, seen.failed, _RATE / 2)


def _slow_ms(latencies: Counts) -> float:
    """The end of the bin of the 99th percentile, in milliseconds."""
    return latency_edge(percentile(latencies) + 1) * 1e3


def _most_moved(ours: Counts, theirs: Counts) -> tuple[int, float, float]:
    """The place whose share differs most, and both shares."""
    one, other = (counts / max(1, int(counts.sum())) for counts in (ours, theirs))
    place = int(np.abs(one - other).argmax()) if len(one) else 0
    return place, float(one[place]), float(other[place])


def _answer(seen: Evidence, place: int) -> str:
    bins = seen.bins
    if bins is None or place == bins.size - 1:
        return "missing or unknown"
    if bins.classes:
        return f"class {place}"
    low = bins.edges[place - 1] if place else float("-inf")
    high = bins.edges[place] if place < len(bins.edges) else float("inf")
    return f"from {low:.4g} up to {high:.4g}"
