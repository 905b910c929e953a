"""What the owner's error goal gives, said when the package is made rather than when it serves."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from fairlead.core.package import GuardChoice
from fairlead.guards.confidence import Confidence
from fairlead.guards.files import CONFIDENCE


def reached(choice: GuardChoice, files: Mapping[str, bytes | Path]) -> dict[str, Any] | None:
    """The goal with its threshold and coverage; None when the owner has no goal.

    {"error_goal", "assurance", "threshold" (None when the goal cannot be kept), "coverage" (the
    share of answers given), "reason" (why it cannot be kept, or "")}.
    """
    if choice.error_goal is None:
        return None
    told = {"error_goal": choice.error_goal, "assurance": choice.assurance}
    raw = files.get(CONFIDENCE)
    if not isinstance(raw, bytes):
        reason = "no confidence was learnt: it takes a classifier's scores and labelled rows"
        return {**told, "threshold": None, "coverage": 1.0, "reason": reason}
    guard = Confidence.from_bytes(raw)
    guard.aim(choice.error_goal, choice.assurance)
    kept = guard.threshold is not None and isfinite(guard.threshold)
    threshold = guard.threshold if kept else None
    return {**told, "threshold": threshold, "coverage": guard.coverage, "reason": guard.reason}


def words_of(goal: Mapping[str, Any]) -> str:
    """The same in a line for people; a goal that cannot be kept is said first and loudly."""
    wanted = f"at most {goal['error_goal']:.3g} wrong, with {goal['assurance']:.3g} assurance"
    if goal["threshold"] is not None:
        share = f"{goal['coverage']:.1%} of the evaluation rows are answered"
        return f"{wanted}: {share}, those with a confidence of {goal['threshold']:.3f} or more"
    after = "nothing is withheld" if goal["coverage"] else "every answer will be withheld"
    return f"CANNOT BE KEPT ({wanted}): {goal['reason']}; {after}"
