"""How often two versions agree on the same calls, and how far apart they are."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.rollout.bins import Bins
from fairlead.rollout.pairs import Pairs
from fairlead.rollout.words import agreement

NUMBERS, CLASSES = Bins(edges=(0.0,)), Bins(classes=3)
ANSWERS = st.lists(st.tuples(st.floats(), st.floats()), max_size=30)


def pairs(bins: Bins, answers: list[tuple[float, float]]) -> Pairs:
    made = Pairs(bins)
    made.add([a for a, _ in answers], [b for _, b in answers])
    return made


@given(st.sampled_from([NUMBERS, CLASSES]), ANSWERS, ANSWERS)
def test_pairs_add_up_in_any_order_and_travel_unchanged(bins, some, others):
    one, other = pairs(bins, some), pairs(bins, others)
    one.merge(pairs(bins, others))
    other.merge(pairs(bins, some))
    together = pairs(bins, some + others)
    assert one.to_json() == other.to_json() == together.to_json()
    assert Pairs.from_json(json.loads(json.dumps(one.to_json()))).to_json() == one.to_json()
    assert one.calls == len(some) + len(others)


@given(st.lists(st.floats(), max_size=30))
def test_a_version_agrees_with_itself(answers):
    made = pairs(NUMBERS, [(each, each) for each in answers])
    assert made.same == made.calls == len(answers)


@given(st.floats(1e-6, 0.5), st.floats(1e-3, 1e6))
def test_a_relative_difference_is_told_to_a_factor_of_two(apart, size):
    made = pairs(NUMBERS, [(size, size * (1 - apart))])
    assert apart * (1 - 1e-6) <= made.difference(0.5) <= 2 * apart * (1 + 1e-6)


def test_what_is_missing_on_one_side_is_as_far_apart_as_can_be():
    nan, inf = float("nan"), float("inf")
    made = pairs(NUMBERS, [(nan, 1.0), (1.0, inf), (-inf, inf)])
    assert made.same == 0
    assert made.difference(0.01) > 2


def test_classes_agree_or_do_not():
    made = pairs(CLASSES, [(0, 0), (1, 1), (2, 0)])
    assert (made.calls, made.same) == (3, 2)
    assert agreement(made).startswith("66.67% of 3 answers are the same (")


def test_numbers_are_told_with_how_far_apart_they_are():
    made = pairs(NUMBERS, [(100.0, 101.0)] * 99 + [(100.0, 200.0)])
    assert "half differ by at most 0.017 of their size, 99 of 100 by 0.017" in agreement(made)
    assert agreement(Pairs(NUMBERS)) == "no call was answered by both versions"
    assert np.isnan(Pairs(NUMBERS).difference(0.5))


def test_pairs_of_another_kind_are_refused():
    with pytest.raises(ValueError, match="of other answers"):
        Pairs(NUMBERS).merge(Pairs(CLASSES))
    with pytest.raises(ValueError, match="has a partner"):
        Pairs(NUMBERS).add([1.0], [])
    with pytest.raises(ValueError, match="format"):
        Pairs.from_json(Pairs(NUMBERS).to_json() | {"format": 9})
