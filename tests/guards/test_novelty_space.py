"""Where rows stand: finite, the same after the disk, and what was never seen far away."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.guards.columns import as_columns
from fairlead.guards.novelty_space import Space, is_text, learn_space, text_features

anything = st.one_of(st.none(), st.floats(width=64))
words = st.one_of(st.none(), st.sampled_from(["a", "b", "c"]), st.text(max_size=5))


@given(
    st.lists(st.tuples(anything, words), min_size=1, max_size=30),
    st.lists(st.tuples(anything, words), min_size=1, max_size=10),
)
def test_any_row_has_a_finite_place_and_the_same_one_after_the_disk(train, test):
    def table(rows):
        numbers, texts = zip(*rows, strict=True)
        return as_columns({"n": [np.nan if v is None else v for v in numbers], "t": list(texts)})

    with np.errstate(over="ignore", invalid="ignore"):
        learnt = table(train)
        if learnt["t"].dtype.kind == "f":  # every text is missing
            return
        space = learn_space(learnt)
        asked = table(test)
        if asked["t"].dtype.kind == "f":
            asked["t"] = np.full(len(test), "", dtype=object)
        placed = space.place(asked)
        assert placed.shape == (len(test), space.width)
        assert np.isfinite(placed).all()
        again = Space.from_json(json.loads(json.dumps(space.to_json())))
        assert np.array_equal(again.place(asked), placed)


def test_numbers_are_standardised_and_gaps_cost_a_little():
    values = np.random.default_rng(0).normal(50, 10, size=1000)
    values[::5] = np.nan
    space = learn_space({"x": values})
    placed = space.place({"x": values})
    there = np.isfinite(values)
    assert placed[there, 0].std() == pytest.approx(1.0, rel=1e-6)
    assert (placed[~there, 0] == 0).all()
    assert (placed[~there, 1] > 0).all()
    assert (placed[there, 1] == 0).all()
    assert not space.plain


def test_a_gap_where_there_never_was_one_is_farther_than_any_value():
    space = learn_space({"x": np.random.default_rng(0).normal(size=100)})
    assert space.plain
    found = space.place_numbers(np.array([[np.nan], [1e5]]))
    assert found[0, 0] > found[1, 0]


def test_two_categories_are_as_far_apart_as_two_numbers_usually_are():
    random = np.random.default_rng(0)
    values = random.choice(["a", "b", "c"], 3000, p=[0.5, 0.3, 0.2]).astype(object)
    placed = learn_space({"c": values}).place({"c": values})
    one, other = placed[random.permutation(3000)], placed
    assert ((one - other) ** 2).sum(axis=1).mean() == pytest.approx(2.0, rel=0.1)


def test_a_text_is_its_length_and_scripts():
    found = text_features(np.array(["abc", "абв", "123", ""], dtype=object))
    assert (found[0] != found[1]).any()
    assert found[:, 0].tolist() == [np.log1p(3)] * 3 + [0.0]
    assert found[:, 1:].sum(axis=1).tolist() == [1.0, 1.0, 1.0, 0.0]
    assert is_text(np.array([f"sentence number {i}" for i in range(50)], dtype=object))
    assert not is_text(np.array(["yes", "no"] * 25, dtype=object))
