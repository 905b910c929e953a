"""How near rows come to earlier ones, and how often good rows do so by themselves."""

from __future__ import annotations

import numpy as np
import pytest

from fairlead.guards.nearness import GRAIN, apart_from_earlier, nearest, reach_of, usual_share


def places(*values: float) -> np.ndarray:
    """Rows on a line, each with a hash of its own value."""
    return np.array([[round(value * GRAIN), round(value * 1000)] for value in values], np.int64)


def test_a_row_is_held_against_so_many_before_it_and_no_more():
    line = places(0.0, 10.0, 20.0, 0.5, 10.5)
    new, apart = nearest(line, line[:0], 4)
    assert new.all()
    assert apart[3:].tolist() == [0.5, 0.5]
    _, apart = nearest(line, line[:0], 2)
    assert apart[3:].tolist() == [9.5, 9.5], "the first rows are too long ago"


@pytest.mark.parametrize("held", [1, 2, 3, 7])
def test_it_is_the_same_whether_rows_come_together_or_one_after_another(held):
    rows = np.random.default_rng(0).normal(size=40)
    together = nearest(places(*rows), places(), held)[1]
    line = places(*rows)
    single = [nearest(line[i : i + 1], line[:i], held)[1][0] for i in range(len(line))]
    assert together.tolist() == single
    assert apart_from_earlier(line, held).tolist() == single[held:]


def test_the_same_row_again_is_no_new_one_however_long_ago():
    new, _ = nearest(places(5.0, 6.0, 7.0), places(5.0, 8.0), 1)
    assert new.tolist() == [False, True, True]


def test_at_most_the_share_lies_within_reach():
    apart = np.arange(1.0, 101.0)
    assert (apart <= reach_of(apart, 0.2)).sum() == 20
    assert reach_of(apart[:3], 0.2) == 0.0, "three rows tell of no fifth"


def test_what_is_usual_is_more_than_was_seen_and_more_so_of_few_rows():
    few, many = np.arange(1.0, 31.0), np.arange(1.0, 3001.0)
    assert usual_share(few, 6.0, 0.001) > 0.4
    assert usual_share(many, 600.0, 0.001) == pytest.approx(0.31)
    assert usual_share(few[:0], 1.0, 0.001) == 1.0
