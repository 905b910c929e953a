"""How much less calls of the same few callers tell than as many calls of alike ones.

Where a caller is kept at a version, the callers of the two versions differ before the versions
do. How much is seen in the groups of callers: the variance of the groups' totals against that of
independent calls is the design effect (Kish 1965), and evidence counts for its inverse.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.rollout.evidence import COLUMNS, Evidence
from fairlead.rollout.exact import Floats

_LEAST_GROUPS = 8
"""Fewer groups say nothing of how much callers differ."""
_LEAST_UNEQUAL = 3.0
"""Of as many groups as would tell as much if all called equally often."""
_LEAST_MARKED = 10
_SLOW = (0.003, 0.25)
"""Shares of slow calls that are looked at: about those that are bet on."""


def design_effect(question: str, stable: Evidence, candidate: Evidence) -> float:
    """By how much the evidence must be divided, 1 where calls are as good as independent.

    It is 1 too where there are too few groups of callers to tell; then what differs may be the
    callers, and rolling back is the safer error.
    """
    if not stable.grouped:
        return 1.0
    arms = [_table(question, each.groups) for each in (stable, candidate)]
    within = [arm for arm in arms if np.count_nonzero(arm[0]) >= _LEAST_GROUPS]
    if not within:
        return 1.0
    every = np.array([_variances(calls, marked) for calls, marked in within]).sum(axis=0)
    seen: Any = np.array([marked.sum(axis=0) for _, marked in within]).sum(axis=0)
    told = _telling(question, seen, sum(float(calls.sum()) for calls, _ in within))
    effects: Any = every[0, told] / every[1, told]
    return max(1.0, float(effects.max(initial=1.0)))


def _table(question: str, groups: Any) -> tuple[Floats, Floats]:
    """Calls by group, and marked ones by group and kind of mark."""
    if question == "errors":
        return groups[:, 0].astype(float), groups[:, COLUMNS["errors"]].astype(float)
    held = groups[:, COLUMNS[question]].astype(float)
    calls = held.sum(axis=1)
    if question == "predictions":
        return calls, held
    return calls, held[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]


def _variances(calls: Floats, marked: Floats) -> tuple[Floats, Floats]:
    """The variance of each share of marked calls: by groups, and as if calls were independent."""
    total = float(calls.sum())
    share = marked.sum(axis=0) / total
    count = total**2 / float((calls * calls).sum())
    apart = marked - np.outer(calls, share)
    # What few groups say of their variance is itself uncertain, as Student's distribution is wider
    # than the normal one: its variance is n / (n - 2).
    wider = count / (count - 2) if count > _LEAST_UNEQUAL else _LEAST_UNEQUAL
    real = (apart * apart).sum(axis=0) * wider / total**2
    return real, share * (1 - share) / total


def _telling(question: str, marked: Any, calls: float) -> Any:
    """Which marks say something: of those that hardly occur the variance is chance alone."""
    if question != "latency":
        return (marked >= _LEAST_MARKED) & (calls - marked >= _LEAST_MARKED)
    return (marked >= _LEAST_MARKED) & (marked >= _SLOW[0] * calls) & (marked <= _SLOW[1] * calls)
