"""Which versions are wanted while a server runs."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.serving.choosing import NEWEST, Choice


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        (NEWEST, [9]),
        (Choice(newest=2), [9, 4]),
        (Choice(newest=7), [9, 4, 1]),
        (Choice(newest=0), [9, 4, 1]),
        (Choice(only=(1, 4)), [4, 1]),
        (Choice(only=(5,)), [5]),
    ],
)
def test_the_highest_ones_all_or_those_that_are_named(choice, wanted):
    assert choice.of([4, 9, 1]) == wanted


@given(
    st.integers(0, 9),
    st.lists(st.integers(0, 10**17)),
    st.booleans(),
    st.none() | st.dictionaries(st.text(), st.integers(0, 10**17)),
)
def test_a_choice_travels_as_json_unchanged(newest, only, exact, labels):
    choice = Choice(newest, tuple(only), exact, labels)
    assert Choice.from_json(json.loads(json.dumps(choice.to_json()))) == choice
