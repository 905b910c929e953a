"""Witnesses: what they show of a row is true, and of nearly all ordinary rows they show it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_wine

from fairlead.guards import learn_novelty
from fairlead.guards.witnesses import MOST


def _tables():
    random = np.random.default_rng(0)
    money = np.exp(random.normal(6, 3, (600, 3)))  # bent
    steps = random.integers(0, 4, (600, 3)).astype(float)
    far = random.normal(1e9, 1.0, (600, 2))
    fixed = np.full((600, 1), 7.0)
    return {
        "cancer": load_breast_cancer().data,
        "wine": load_wine().data,
        "normal": random.normal(size=(800, 5)),
        "money": np.hstack([money, random.normal(size=(600, 2))]),
        "steps": np.hstack([steps, fixed]),
        "far": np.hstack([far, money[:, :1]]),
        "one": random.normal(size=(300, 1)),
    }


TABLES = _tables()
GUARDS = {name: learn_novelty(table) for name, table in TABLES.items()}


def asked(name, rate):
    """A guard, its limit at this rate, or the least that it can keep, and its witnesses."""
    guard = GUARDS[name]
    guard.false_alarm_rate = max(rate, guard.smallest_rate)
    limit = guard.threshold()
    return guard, limit, guard.witnesses(limit)


def scores(guard, rows):
    with np.errstate(all="ignore"):
        return guard.scores_of(guard.space.place_numbers(rows.astype(np.float64)))


@given(
    st.sampled_from(sorted(TABLES)),
    st.sampled_from([0.01, 0.05, 0.3]),
    st.integers(0, 2**32 - 1),
    st.floats(0.0, 8.0),
    st.sampled_from([np.float32, np.float64]),
)
def test_a_row_that_is_shown_is_within_the_limit(name, rate, seed, spread, dtype):
    guard, limit, witnesses = asked(name, rate)
    if witnesses is None:
        return
    random = np.random.default_rng(seed)
    table = TABLES[name]
    rows = table[random.integers(0, len(table), 60)]
    rows = rows + spread * random.normal(size=rows.shape) * table.std(axis=0)
    rows = rows.astype(dtype)
    shown = witnesses.show(rows)
    assert (scores(guard, rows)[shown] <= limit).all()


@pytest.mark.parametrize("name", ["cancer", "wine", "normal", "money", "far", "one"])
def test_rows_at_the_very_edge_of_the_limit_are_shown_only_within_it(name):
    """Each row is moved along one line until its score passes the limit, to the last bit."""
    guard, limit, witnesses = asked(name, 0.01)
    table = TABLES[name]
    random = np.random.default_rng(1)
    for row in table[:20]:
        way = random.normal(size=row.shape) * (table.std(axis=0) + 1e-3)
        low, high = 0.0, 1e4
        for _ in range(80):
            middle = (low + high) / 2
            within = scores(guard, (row + middle * way)[None])[0] <= limit
            low, high = (middle, high) if within else (low, middle)
        edge = np.array([row + part * way for part in (low, high, np.nextafter(high, 1e9))])
        shown = witnesses.show(edge)
        assert not (shown & (scores(guard, edge) > limit)).any()


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, 1e300, -1e300, 1e30])
@pytest.mark.filterwarnings("error")
def test_what_is_no_usual_number_is_never_shown(odd):
    _, _, witnesses = asked("normal", 0.05)
    rows = TABLES["normal"][:3].copy()
    rows[1, 2] = odd
    assert witnesses.show(rows).tolist()[1] is False


@pytest.mark.parametrize("name", ["cancer", "wine", "normal", "money", "far", "one"])
def test_nearly_all_ordinary_rows_are_shown_by_few(name):
    guard, limit, witnesses = asked(name, 0.01)
    rows = TABLES[name]
    ordinary = scores(guard, rows) <= limit
    assert witnesses.show(rows)[ordinary].mean() > 0.9
    assert witnesses.count <= MOST


def test_a_row_is_shown_the_same_alone_and_among_others():
    _, _, witnesses = asked("cancer", 0.01)
    rows = TABLES["cancer"][:50]
    alone = [bool(witnesses.show(row[None])[0]) for row in rows]
    assert alone == witnesses.show(rows).tolist()


def test_there_are_none_where_nothing_can_be_shown_so():
    random = np.random.default_rng(0)
    rows = random.normal(size=(300, 3))
    unvetted = learn_novelty(rows, vetted=False)
    assert unvetted.witnesses(unvetted.threshold()) is None
    texts = learn_novelty({"a": rows[:, 0], "b": np.array(["x", "y", "z"] * 100, object)})
    assert texts.witnesses(texts.threshold()) is None
    assert asked("steps", 0.01)[2] is None  # equal rows: whoever differs is novel
    guard = learn_novelty(rows)
    assert guard.witnesses(float("inf")) is None
    assert guard.witnesses(-1.0) is None
