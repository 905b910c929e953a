"""The universal scalability law: found again from points of it, and near to points beside it."""

from __future__ import annotations

from dataclasses import replace
from math import inf, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.costs.profile import Point, Scaling
from fairlead.costs.scaling import fit, most_useful, rate

CALLERS = (1, 2, 4, 8, 16, 32, 64)


def points(law: Scaling, noise=()) -> list[Point]:
    factors = [*noise, *[1.0] * len(CALLERS)]
    return [Point(n, rate(law, n) * f, 0.0, 0.0) for n, f in zip(CALLERS, factors, strict=False)]


@given(
    st.floats(0.1, 1e5),
    st.floats(0, 1).map(lambda s: round(s, 4)),
    st.floats(0, 0.05).map(lambda k: round(k, 6)),
)
def test_a_law_is_found_again_from_its_own_points(a, s, k):
    found = fit(points(Scaling(a, s, k, 0.0)))
    assert found.a == pytest.approx(a, rel=1e-6)
    assert (found.s, found.k) == (pytest.approx(s, abs=1e-6), pytest.approx(k, abs=1e-7))
    assert found.worst < 1e-6


@given(st.lists(st.floats(0.9, 1.1), min_size=7, max_size=7))
def test_noise_of_a_tenth_moves_no_point_by_much_more(noise):
    found = fit(points(Scaling(1000.0, 0.1, 0.001, 0.0), noise))
    assert found.worst < 0.25
    assert min(found.a, found.s, found.k) >= 0


@given(st.lists(st.floats(1.0, 1e6), min_size=1, max_size=7))
def test_whatever_was_measured_no_part_of_the_law_is_negative(rates):
    given_points = [Point(n, x, 0.0, 0.0) for n, x in zip(CALLERS, rates, strict=False)]
    found = fit(given_points)
    assert found.a > 0
    assert min(found.s, found.k) >= 0
    shown = [abs(rate(found, p.callers) - p.calls_per_s) / p.calls_per_s for p in given_points]
    assert found.worst == pytest.approx(max(shown))


@given(st.lists(st.floats(0.8, 1.2), min_size=7, max_size=7), st.sampled_from("ask"))
def test_no_law_beside_the_one_that_is_found_is_nearer(noise, part):
    """By relative differences of n / X, which is what is made least."""
    measured = points(Scaling(100.0, 0.2, 0.002, 0.0), noise)

    def error(law):
        return sum((1 - p.calls_per_s / rate(law, p.callers)) ** 2 for p in measured)

    found = fit(measured)
    for factor in (0.99, 1.01):
        beside = replace(found, **{part: getattr(found, part) * factor})
        assert error(found) <= error(beside) + 1e-9


def test_one_point_has_no_contention():
    assert fit([Point(4, 100.0, 0.0, 0.0)]) == Scaling(25.0, 0.0, 0.0, 0.0)


def test_without_a_rate_there_is_no_law():
    for bad in ([], [Point(1, 0.0, 0.0, 0.0)], [Point(0, 1.0, 0.0, 0.0)]):
        with pytest.raises(ValueError, match="no points"):
            fit(bad)


def test_the_most_useful_number_of_callers_is_where_the_curve_turns():
    law = Scaling(10.0, 0.1, 0.001, 0.0)
    turn = most_useful(law)
    assert turn == sqrt(0.9 / 0.001)
    assert rate(law, turn) > max(rate(law, turn - 1), rate(law, turn + 1))
    assert most_useful(Scaling(10.0, 0.1, 0.0, 0.0)) == inf
    assert most_useful(Scaling(10.0, 1.5, 0.0, 0.0)) == 1.0
    assert most_useful(Scaling(10.0, 0.1, 5.0, 0.0)) == 1.0
