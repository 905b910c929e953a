"""A kind of rows that is answered worse is found, and chance is not taken for one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.packing.slices import parted, slices_of


def right(count: int, share: float = 0.8, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random(count) < share).astype(float)


def test_the_slice_that_is_worse_is_found():
    region = np.array(["north", "south"] * 500, dtype=object)
    per_row = right(1000, 0.9)
    per_row[region == "south"] = right(500, 0.6, 1)
    worst = slices_of({"region": region, "x": np.arange(1000.0)}, per_row, higher=True)["worst"]
    assert worst["of"] == [["region", "south"]]
    assert worst["worse"]
    assert worst["n"] == 500


def test_two_columns_together_are_found_where_either_alone_is_not_the_whole():
    random = np.random.default_rng(2)
    a = random.choice(["p", "q"], 4000).astype(object)
    b = random.choice(["r", "s"], 4000).astype(object)
    per_row = right(4000, 0.95)
    both = (a == "p") & (b == "r")
    per_row[both] = right(int(both.sum()), 0.5, 3)
    found = slices_of({"a": a, "b": b}, per_row, higher=True)
    assert sorted(map(tuple, found["worst"]["of"])) == [("a", "p"), ("b", "r")]
    assert found["worst"]["worse"]


def test_of_errors_more_is_worse():
    kind = np.array(["x", "y"] * 100, dtype=object)
    errors = np.where(kind == "y", 3.0, 1.0) + np.arange(200) / 1000
    found = slices_of({"kind": kind}, errors, higher=False)["worst"]
    assert found["of"] == [["kind", "y"]]
    assert found["worse"]


def test_where_nothing_differs_the_worst_of_many_is_seldom_called_worse():
    called = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        columns = {f"c{i}": random.standard_normal(400) for i in range(10)}
        worst = slices_of(columns, right(400, 0.8, seed + 1000), higher=True)["worst"]
        called += worst["worse"]
    assert called <= 8


def test_slices_of_too_few_rows_are_shown_and_not_judged():
    kind = np.array(["many"] * 200 + ["few"] * 10, dtype=object)
    per_row = np.concatenate([right(200), np.zeros(10)])
    found = slices_of({"kind": kind}, per_row, higher=True)
    few = {dict(one["of"])["kind"]: one["few"] for one in found["slices"]}
    assert few == {"many": False, "few": True}
    assert found["worst"]["of"] == [["kind", "many"]]


@given(
    st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(float("nan"))), min_size=1, max_size=80),
)
def test_the_parts_of_a_column_of_numbers_hold_every_row_once(values):
    parts = parted("x", np.array(values))
    counts = sum(one.rows.astype(int) for one in parts)
    assert (counts == 1).all()


@given(st.lists(st.sampled_from(["a", "b", "c", ""]), min_size=20, max_size=60))
def test_the_parts_of_a_column_of_categories_hold_every_row_once(values):
    parts = parted("x", np.array(values, dtype=object))
    assert (sum(one.rows.astype(int) for one in parts) == 1).all()
    assert [one.value for one in parts if one.value == "missing"] == ["missing"] * ("" in values)


def test_free_text_and_whole_tensors_have_no_parts():
    assert parted("x", np.array([f"text {i}" for i in range(100)], dtype=object)) == []
    assert parted("x", np.zeros((10, 3))) == []


def test_few_whole_numbers_are_kinds_and_many_are_quarters():
    assert [p.value for p in parted("x", np.array([1, 2, 3, 1]))] == ["1", "2", "3"]
    assert len(parted("x", np.arange(100))) == 4


def test_privately_no_number_of_a_row_is_told_and_no_slice_of_fewer_than_ten():
    kind = np.array(["many"] * 95 + ["few"] * 5, dtype=object)
    found = slices_of({"kind": kind, "x": np.arange(100.0)}, right(100), higher=True, private=True)
    assert [dict(one["of"]) for one in found["slices"]] == [
        {"kind": "many"},
        *({"x": f"{word} quarter"} for word in ("lowest", "second", "third", "highest")),
    ]


def test_columns_beyond_the_first_are_counted():
    columns = {f"c{i}": np.arange(40.0) for i in range(70)}
    assert slices_of(columns, right(40), higher=True)["left_out"] == 6


@pytest.mark.parametrize("per_row", [np.ones(50), np.zeros(50)])
def test_rows_that_are_all_alike_have_no_worse_ones(per_row):
    found = slices_of({"x": np.arange(50.0)}, per_row, higher=True)
    assert found["worst"] is None or not found["worst"]["worse"]
