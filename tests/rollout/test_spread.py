"""Calls of few callers who differ count for less than as many of alike ones."""

from __future__ import annotations

import numpy as np
import pytest

from fairlead.rollout.assign import GROUPS
from fairlead.rollout.bins import Bins
from fairlead.rollout.evidence import Evidence
from fairlead.rollout.questions import QUESTIONS
from fairlead.rollout.spread import design_effect


def calls(callers: int, each: int, differ: bool, seed: int, *, grouped: bool = True) -> Evidence:
    """Callers with a group each; where they differ, one of ten is unlike the others in all."""
    random = np.random.default_rng(seed)
    made = Evidence(Bins(classes=2), grouped=grouped)
    for caller in range(callers):
        odd = differ and caller % 10 == 0
        share = 0.6 if odd else 0.05
        group = [caller % GROUPS] * each
        made.add(
            (np.where(random.random(each) < share / 2, 0.1, 0.01)).tolist(),
            (2 * (random.random(each) < share)).tolist(),
            (random.random(each) < share).astype(float).tolist(),
            group,
        )
        for _ in range(int(random.binomial(each, share))):
            made.fail("MODEL_ERROR", caller % GROUPS)
    made.settle()
    return made


@pytest.mark.parametrize("question", QUESTIONS)
def test_callers_who_differ_make_calls_count_for_less_and_alike_ones_do_not(question):
    def effect(differ: bool) -> float:
        return design_effect(question, calls(60, 50, differ, 1), calls(40, 50, differ, 2))

    assert 1.0 <= effect(differ=False) < 1.6
    assert effect(differ=True) > 3


def test_calls_that_were_drawn_count_whole():
    drawn = calls(60, 50, True, 1, grouped=False)
    assert design_effect("errors", drawn, drawn) == 1.0


def test_too_few_groups_tell_nothing_so_that_the_candidate_can_still_be_rolled_back():
    few = calls(3, 200, True, 1)
    assert design_effect("errors", few, few) == 1.0


def test_where_only_one_version_has_groups_enough_they_stand_for_both():
    many, few = calls(60, 50, True, 1), calls(2, 50, True, 2)
    assert design_effect("errors", many, few) > 3


def test_nothing_seen_is_no_spread():
    nothing = Evidence(Bins(classes=2), grouped=True)
    assert {design_effect(question, nothing, nothing) for question in QUESTIONS} == {1.0}
