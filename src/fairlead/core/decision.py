"""What is decided about each row, and why."""

from __future__ import annotations

from dataclasses import dataclass

SERVE, WARN, ABSTAIN, REJECT = "serve", "warn", "abstain", "reject"


@dataclass(frozen=True, slots=True)
class Decision:
    """`serve`, `warn`, `abstain` or `reject`, with reasons in words, for one row."""

    outcome: str
    reasons: tuple[str, ...]


UNGUARDED = Decision(SERVE, ("unguarded",))
"""The decision of a package that has learnt no guard: served, and said so."""
