"""The verdict of a rollout: go on, promote or roll back, however often one looks.

Every question has its stake and its part of the chance of a false alarm. The candidate is rolled
back once a question's bets have multiplied their stake by one over that part, and promoted once
the bounds of all questions together leave no room for what would be too much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp, log
from typing import Any

import numpy as np

from fairlead.core.package import RolloutChoice
from fairlead.rollout.bins import Bins
from fairlead.rollout.evidence import Evidence
from fairlead.rollout.exact import Floats, chance, mixed
from fairlead.rollout.margins import within
from fairlead.rollout.pairs import Pairs
from fairlead.rollout.questions import QUESTIONS, asked, gains, weights
from fairlead.rollout.spread import design_effect
from fairlead.rollout.words import agreement, differs, figures_of, summary

FORMAT = 1
GOING_ON, PROMOTE, ROLL_BACK = "going on", "promote", "roll back"
OUTCOMES = (GOING_ON, PROMOTE, ROLL_BACK)

FALSE_ALARMS = 0.05
"""The chance that a candidate that is no different is ever rolled back by the bets."""
PARTS = {"errors": 0.4, "latency": 0.12, "decisions": 0.09, "predictions": 0.09}
"""Of that chance for each question (Bonferroni). Errors are rare, so that they need the most."""
LAST_PART = 0.3
"""Of it for the one test of errors that is made when it must be decided: all parts sum to one."""
OVERLOOKED = 0.05
"""The chance that a candidate which is beyond a margin is promoted by its bounds."""

WINDOW = 50
"""Calls of both versions, at least, on which bets are placed at once: of fewer nothing follows."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the candidate, and why.

    outcome: one of OUTCOMES. reasons: sentences with their numbers. figures: the numbers alone, as
    plain JSON values, by question.
    """

    outcome: str = GOING_ON
    reasons: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def to_json(self) -> dict[str, Any]:
        return {
            "outcome": self.outcome,
            "reasons": list(self.reasons),
            "figures": dict(self.figures),
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Verdict:
        """The inverse of `to_json`. Raises ValueError, KeyError or TypeError on anything else."""
        if told["outcome"] not in OUTCOMES:
            raise ValueError(f"{told['outcome']!r:.40} is no verdict")
        return cls(told["outcome"], tuple(map(str, told["reasons"])), dict(told["figures"]))


class Judge:
    """Takes in what was seen since it last looked, and says what becomes of the candidate.

    rule:      what would be too much, and when it is decided.
    bins:      how answers are counted; None asks nothing of them.
    stable, candidate: all that was seen, but for what waits for a whole window.
    pairs:     of a shadow, how often both versions answered the same; None before there are any.
    verdict:   the last one. It never changes once it is to promote or to roll back.

    What it is given may come late and in any order, but must be of calls that were assigned while
    both versions served.
    """

    def __init__(self, rule: RolloutChoice, bins: Bins | None = None) -> None:
        self.rule, self.bins = rule, bins
        self.stable, self.candidate = self._nothing(), self._nothing()
        self.pairs: Pairs | None = None
        self._waiting = self._nothing(), self._nothing()
        self._asked = [question for question in QUESTIONS if asked(question, rule, bins)]
        self._logs: dict[str, Floats] = {
            question: np.zeros(len(weights(question, bins))) for question in self._asked
        }
        self.verdict = Verdict()

    def _nothing(self) -> Evidence:
        return Evidence(self.bins, grouped=self.rule.assignment == "caller")

    def look(
        self,
        stable: Evidence,
        candidate: Evidence,
        elapsed_s: float,
        pairs: Pairs | None = None,
    ) -> Verdict:
        """The verdict after these further calls, `elapsed_s` seconds after the rollout began.

        pairs: of a shadow, what both versions answered; it decides nothing, and is told.

        Raises ValueError for evidence that is counted in other bins.
        """
        if self.verdict.outcome != GOING_ON:
            return self.verdict
        if pairs is not None:
            self.pairs = self.pairs or Pairs(pairs.bins)
            self.pairs.merge(pairs)
        waiting = self._waiting
        waiting[0].merge(stable)
        waiting[1].merge(candidate)
        due = self.candidate.calls + waiting[1].calls >= self.rule.requests
        if waiting[0].calls + waiting[1].calls >= WINDOW or due:
            self._bet(*waiting)
            self._waiting = self._nothing(), self._nothing()
            self.verdict = self._decide(due, elapsed_s)
        elif self.verdict.reasons == ():
            self.verdict = self._going_on(elapsed_s)
        return self.verdict

    def _bet(self, stable: Evidence, candidate: Evidence) -> None:
        for question in self._asked:
            self._logs[question] += gains(question, self.rule, self.stable, stable, candidate)
        self.stable.merge(stable)
        self.candidate.merge(candidate)

    def evidence(self, question: str) -> float:
        """The logarithm of what a question's stake is worth: how sure it is that there is a
        difference. Where callers are kept at a version it counts for as much as calls of alike
        callers do (`spread`).
        """
        logs = self._logs[question]
        if not len(logs):
            return 0.0
        effect = design_effect(question, self.stable, self.candidate)
        return mixed(logs / effect, weights(question, self.bins))

    def _decide(self, due: bool, elapsed_s: float) -> Verdict:
        sure = {question: self.evidence(question) for question in self._asked}
        limits = {question: -log(FALSE_ALARMS * PARTS[question]) for question in self._asked}
        against = [question for question in self._asked if sure[question] >= limits[question]]
        if against:
            worst = sorted(against, key=lambda one: limits[one] - sure[one])
            reasons = [differs(one, self.stable, self.candidate, sure[one]) for one in worst]
            return self._told(ROLL_BACK, reasons, sure)
        if elapsed_s < self.rule.minutes * 60:
            return self._going_on(elapsed_s)
        last = self._last() if due else 1.0
        if last <= FALSE_ALARMS * LAST_PART:
            said = differs("errors", self.stable, self.candidate, -log(last))
            return self._told(ROLL_BACK, [said], sure)
        if self._all_within():
            return self._told(PROMOTE, self._summaries("nothing is beyond its margin"), sure)
        if due:
            said = f"after {self.candidate.calls} calls of it nothing was shown against it"
            outcome = PROMOTE if self.rule.otherwise == "promote" else ROLL_BACK
            return self._told(outcome, self._summaries(said), sure)
        return self._going_on(elapsed_s)

    def _last(self) -> float:
        """The chance of so many failures without a difference, as far as they are too many.

        It is asked once, at a count that the rule has fixed: with all the calls at once one look
        sees more than bets that could have ended at any time. Where it is above half of the margin
        at least, since with very many calls a trifle is as sure as anything.
        """
        ours, theirs = self.candidate, self.stable
        if not ours.calls or not theirs.calls:
            return 1.0
        apart = ours.failed / ours.calls - theirs.failed / theirs.calls
        if apart < self.rule.error_points / 200:
            return 1.0
        effect = design_effect("errors", theirs, ours)
        found = chance(ours.failed, ours.failed + theirs.failed, ours.calls, theirs.calls)
        return max(found, 1e-300) ** (1 / effect)

    def _all_within(self) -> bool:
        """Whether no question has room for what would be too much.

        Each may err with the whole chance: that one is wrong is no likelier where all must agree
        (Berger 1982, the intersection-union test).
        """
        return all(
            within(question, self.rule, self.stable, self.candidate, OVERLOOKED)
            for question in self._asked
        )

    def _summaries(self, first: str) -> list[str]:
        return [first, *(summary(one, self.stable, self.candidate) for one in self._asked)]

    def _going_on(self, elapsed_s: float) -> Verdict:
        seen = self.candidate.calls + self._waiting[1].calls
        said = [f"{seen} of at most {self.rule.requests} calls of the candidate were seen"]
        if elapsed_s < self.rule.minutes * 60:
            said.append(f"it is promoted after {self.rule.minutes:g} minutes at the earliest")
        return Verdict(GOING_ON, tuple(said))

    def _told(self, outcome: str, reasons: list[str], sure: Mapping[str, float]) -> Verdict:
        figures: dict[str, Any] = {
            question: {
                **figures_of(question, self.stable, self.candidate),
                "evidence": exp(min(700.0, sure[question])),
            }
            for question in self._asked
        }
        told: dict[str, Any] = {
            "calls": {"stable": self.stable.calls, "candidate": self.candidate.calls}
        }
        if self.pairs is not None:
            reasons = [*reasons, agreement(self.pairs)]
            told["pairs"] = {"calls": self.pairs.calls, "same": self.pairs.same}
        return Verdict(outcome, tuple(reasons), told | figures)

    def to_json(self) -> dict[str, Any]:
        """All that was seen and said, as plain JSON values."""
        return {
            "format": FORMAT,
            "bins": self.bins and self.bins.to_json(),
            "stable": self.stable.to_json(),
            "candidate": self.candidate.to_json(),
            "pairs": self.pairs and self.pairs.to_json(),
            "waiting": [each.to_json() for each in self._waiting],
            "logs": {question: logs.tolist() for question, logs in self._logs.items()},
            "verdict": self.verdict.to_json(),
        }

    @classmethod
    def from_json(cls, rule: RolloutChoice, told: Mapping[str, Any]) -> Judge:
        """The judge of `to_json`, by the same rule.

        Raises ValueError, KeyError or TypeError on anything else.
        """
        if told["format"] != FORMAT:
            raise ValueError("a rollout of a format that is not known")
        made = cls(rule, None if told["bins"] is None else Bins.from_json(told["bins"]))
        made.stable.merge(Evidence.from_json(told["stable"]))
        made.candidate.merge(Evidence.from_json(told["candidate"]))
        if told["pairs"] is not None:
            made.pairs = Pairs.from_json(told["pairs"])
        for mine, theirs in zip(made._waiting, told["waiting"], strict=True):
            mine.merge(Evidence.from_json(theirs))
        for question, logs in made._logs.items():
            held = np.array(told["logs"][question], dtype=np.float64)
            if held.shape != logs.shape or not np.isfinite(held).all():
                raise ValueError(f"the bets on {question} are others")
            made._logs[question] = held
        made.verdict = Verdict.from_json(told["verdict"])
        return made
