"""Bars of a column: few, named, and together the whole of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.documents.bars import bars
from fairlead.guards.drift_columns import watch

NUMBERS = st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(NUMBERS, min_size=1, max_size=300), st.lists(NUMBERS, min_size=1, max_size=50))
def test_the_shares_of_all_bars_are_one(train, fresh):
    watched = watch("x", np.array(train))
    counts = watched.count(np.array(fresh))
    found = bars(watched, (counts / counts.sum()).tolist())
    assert sum(bar.learnt for bar in found) == pytest.approx(1.0)
    assert sum(bar.now for bar in found) == pytest.approx(1.0)
    assert 1 <= len(found) <= 52


def test_few_distinct_numbers_have_a_bar_each():
    watched = watch("x", np.array([0.0] * 60 + [1.0] * 40))
    now = watched.count(np.array([0.0, 0.5, 7.0, np.nan])) / 4
    found = [(bar.label, bar.learnt, bar.now, bar.beside) for bar in bars(watched, now.tolist())]
    assert found == [
        ("0", 0.6, 0.25, False),
        ("0 to 1", 0.0, 0.25, False),
        ("1", 0.4, 0.0, False),
        ("1 or more", 0.0, 0.25, False),
        ("missing", 0.0, 0.25, True),
    ]


def test_many_numbers_have_bars_of_equal_width_and_one_on_either_side():
    values = np.random.default_rng(0).uniform(0, 100, 5000)
    found = bars(watch("x", values), None)
    assert len(found) == 26
    assert found[0].label.startswith("below ")
    assert found[-1].label.endswith(" or more")
    assert [bar.learnt for bar in found[1:-1]] == pytest.approx([0.97 / 24] * 24, rel=0.2)
    assert all(bar.now == 0.0 for bar in found)


def test_a_column_of_nearly_one_value_shows_it():
    values = np.where(np.arange(1000) % 100 == 0, np.arange(1000.0), 0.0)
    found = {bar.label: bar.learnt for bar in bars(watch("x", values), None)}
    assert found["0"] == pytest.approx(0.991)


def test_many_categories_are_the_commonest_and_the_rest_together():
    names = [f"c{i}" for i in range(30) for _ in range(30 - i)] * 20
    watched = watch("x", np.array(names, dtype=object), categories=[f"c{i}" for i in range(30)])
    found = bars(watched, None)
    assert [bar.label for bar in found] == [*(f"c{i}" for i in range(11)), "19 more"]
    assert found[-1].beside
    assert sum(bar.learnt for bar in found) == pytest.approx(1.0)


def test_a_category_that_has_become_common_is_shown():
    names = [f"c{i}" for i in range(30)]
    watched = watch("x", np.array(names * 3, dtype=object), categories=names)
    now = [0.0] * watched.bins
    now[29] = 1.0
    assert ("c29", 1.0) in [(bar.label, bar.now) for bar in bars(watched, now)]
