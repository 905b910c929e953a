"""An error goal is answered when the package is made: what it gives, or why it cannot be kept."""

from __future__ import annotations

import numpy as np

from fairlead.core.package import GuardChoice
from fairlead.guards.confidence import learn_confidence
from fairlead.guards.files import CONFIDENCE
from fairlead.packing.goal import reached, words_of


def guard(rows: int = 2000, sure: float = 1.0) -> dict[str, bytes]:
    """Confidence of a model that is right as often as it says, on evenly spread scores."""
    random = np.random.default_rng(0)
    chance = random.uniform(0.5, sure, rows)
    right = random.uniform(size=rows) < chance
    scores = np.column_stack([chance, 1 - chance])
    return {CONFIDENCE: learn_confidence(scores, np.where(right, 0, 1)).to_bytes()}


def test_without_a_goal_nothing_is_said():
    assert reached(GuardChoice(), guard()) is None


def test_a_goal_that_can_be_kept_gives_its_threshold_and_the_share_of_answers():
    found = reached(GuardChoice(error_goal=0.1), guard())
    assert found is not None
    assert 0.6 < found["threshold"] < 1.0
    # Right as often as it says: nine tenths are right on average from a confidence of 0.8 on.
    assert 0.2 < found["coverage"] < 0.45
    assert found["reason"] == ""
    words = words_of(found)
    assert words.startswith("at most 0.1 wrong, with 0.95 assurance: ")
    assert f"{found['coverage']:.1%} of the evaluation rows are answered" in words
    assert f"{found['threshold']:.3f}" in words


def test_a_goal_that_cannot_be_kept_is_said_loudly_with_the_reason():
    unsure = reached(GuardChoice(error_goal=0.02), guard(sure=0.7))
    few = reached(GuardChoice(error_goal=0.001, assurance=0.99), guard(rows=100))
    for found, why in ((unsure, "surest rows are wrong"), (few, "100 labelled rows cannot show")):
        assert found is not None
        assert (found["threshold"], found["coverage"]) == (None, 0.0)
        assert words_of(found).startswith("CANNOT BE KEPT")
        assert why in words_of(found)
        assert words_of(found).endswith("every answer will be withheld")


def test_a_goal_without_labelled_rows_withholds_nothing_and_says_so():
    found = reached(GuardChoice(error_goal=0.02), {})
    assert found is not None
    assert words_of(found).startswith("CANNOT BE KEPT")
    assert words_of(found).endswith("labelled rows; nothing is withheld")
