"""Columns in bins: every row is in one bin, whatever it holds; bins of training quantiles."""

import datetime as dt
import decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.guards.drift_columns import (
    BINS,
    MISSING,
    MOST_CATEGORIES,
    UNSEEN,
    count_columns,
    watch,
)

ODD = [
    None, "", "text", b"bytes", b"\xff", 0, -1, 2**70, True, 1.5, float("nan"), float("inf"),
    -float("inf"), 1j, np.float32("nan"), np.int8(3), np.datetime64("2026-01-01"), pd.NA, pd.NaT,
    [1, 2], {"a": 1}, (1,), {1}, object(), dt.datetime(2026, 1, 1), decimal.Decimal(1),
    np.array([1.0, 2.0]),
]  # fmt: skip


def objects(values):
    column = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        column[place] = value
    return column


@pytest.fixture(params=["numbers", "few numbers", "texts", "nothing"])
def watched(request):
    random = np.random.default_rng(0)
    columns = {
        "numbers": random.normal(size=500),
        "few numbers": random.integers(0, 5, 500).astype(float),
        "texts": random.choice(["a", "b"], 500).astype(object),
        "nothing": np.full(500, np.nan),
    }
    return watch("x", columns[request.param])


@given(st.lists(st.sampled_from(range(len(ODD))), max_size=20))
def test_every_odd_value_is_in_one_bin(places):
    values = [ODD[place] for place in places]
    for column in (np.arange(50.0) % 7, np.arange(50.0), objects(["a", "b"] * 25)):
        watched = watch("x", column)
        assert watched.count(objects(values)).sum() == len(values)
        assert watched.count(values).sum() == len(values)


@pytest.mark.parametrize(
    "values",
    [
        np.array([True, False, True]),
        np.array([1, 2, 3], dtype=np.uint8),
        np.array([1, 2, 2**63 - 1]),
        np.array([1, 2, 2**64 - 1], dtype=np.uint64),
        np.array([1, np.nan, np.inf], dtype=np.float16),
        np.array(["a", "", "c"]),
        np.array([b"a", b"", b"c"]),
        np.array([1j, 2j, 3j]),
        np.array(["2026-01-01", "NaT", "2026-01-02"], dtype="M8[s]"),
        np.zeros(3, dtype=[("a", "f8")]),
        np.zeros((3, 1)),
        np.zeros((3, 4)),
        pd.Series(["a", None, "b"], dtype="category"),
        pd.Series([1, None, 2], dtype="Int64"),
    ],
    ids=str,
)
def test_columns_of_every_type_are_counted(watched, values):
    assert watched.count(values).sum() == 3


def test_what_is_no_number_is_unseen_and_what_is_nothing_is_missing():
    numbers = watch("x", np.arange(100.0))
    counts = numbers.count(objects(["text", b"x", 1j, None, float("nan"), pd.NA, 2**2000, 5]))
    assert (counts[MISSING], counts[UNSEEN], counts[:MISSING].sum()) == (3, 3, 2)
    texts = watch("x", objects(["a", "b"] * 50))
    counts = texts.count(objects(["a", b"a", "", None, 3, "z", float("nan"), []]))
    assert (counts[MISSING], counts[UNSEEN], counts[:MISSING].sum()) == (3, 3, 2)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=200))
def test_any_numbers_can_be_learnt_and_are_counted_as_they_were(values):
    column = np.array(values)
    watched = watch("x", column)
    assert watched.filled.tolist() == watched.count(column).tolist()
    assert watched.filled.sum() == len(values)
    assert watched.filled[MISSING] == np.isnan(column).sum()
    assert np.all(np.diff(watched.edges) > 0)
    assert len(watched.edges) < 2 * BINS
    assert np.isfinite(watched.spread)


NUMBERS = st.floats(allow_nan=True, allow_infinity=True, width=32)
COLUMNS = st.sampled_from(["f8", "f4", "f2", "i8", "u1", "?", "O", "M8[s]", "list", "left out"])


@given(st.data(), st.integers(0, 12))
def test_columns_are_counted_together_as_each_alone(data, rows):
    """Numbers of every type, texts, what is no number, and what is not given."""
    random = np.random.default_rng(0)
    learnt = [random.normal(size=300), random.integers(0, 4, 300), objects(["a", "b"] * 50)]
    watched = [watch(f"c{i}", learnt[i % 3]) for i in range(7)]
    columns = {"another": np.zeros(rows)}
    for one in watched:
        kind = data.draw(COLUMNS)
        values = data.draw(st.lists(NUMBERS, min_size=rows, max_size=rows))
        with np.errstate(all="ignore"):
            if kind == "list":
                columns[one.name] = values
            elif kind == "O":
                columns[one.name] = objects(
                    [["a", None, 3.0, "z", np.nan][n % 5] for n in range(rows)]
                )
            elif kind[0] in "iuM?":
                columns[one.name] = np.arange(rows).astype(kind)
            elif kind != "left out":
                columns[one.name] = np.array(values, dtype=kind)
    alone = [
        one.count(columns[one.name]) if one.name in columns else np.zeros(one.bins, np.int64)
        for one in watched
    ]
    assert count_columns(watched, columns).tolist() == np.concatenate(alone).tolist()


def test_training_rows_fill_the_bins_of_a_smooth_column_evenly():
    watched = watch("x", np.random.default_rng(0).normal(size=6400))
    assert watched.bins == BINS + 2
    assert watched.shares[:MISSING] == pytest.approx(1 / BINS, abs=0.001)


def test_a_value_that_many_rows_share_has_a_bin_of_its_own():
    random = np.random.default_rng(0)
    watched = watch("x", np.where(random.random(5000) < 0.6, 0.0, random.gamma(2.0, size=5000)))
    counts = watched.count(np.full(100, 0.0))
    nearly = watched.count(np.full(100, 1e-9))
    assert counts.max() == nearly.max() == 100
    assert counts.argmax() != nearly.argmax()


def test_the_mean_of_a_bin_is_that_of_the_rows_in_it():
    values = np.random.default_rng(0).gamma(2.0, size=3000)
    watched = watch("x", values)
    inner = watched.filled[:MISSING]
    assert (watched.means * inner).sum() / inner.sum() == pytest.approx(values.mean())
    assert watched.spread == pytest.approx(values.std())
    assert watch("x", np.full(100, 0.1)).spread == 0.0


def test_categories_are_chosen_by_other_rows_than_they_are_counted_on():
    """Frequent ones look more frequent than they are in the rows that chose them."""
    random = np.random.default_rng(0)
    watched = watch("x", random.integers(0, 10**9, 2000).astype(str).astype(object))
    assert len(watched.categories) == MOST_CATEGORIES
    assert watched.rows == 1500
    assert watched.shares[UNSEEN] == 1.0


def test_categories_that_are_known_beforehand_are_counted_on_all_rows():
    values = objects(["yes"] * 90 + ["no"] * 10)
    watched = watch("(prediction)", values, "prediction", ["no", "maybe", "yes"])
    assert watched.filled.tolist() == [10, 0, 90, 0, 0]
    assert watched.learnt_from == "evaluation rows"
