"""Bets are fair when nothing differs, and bounds hold however often one looks."""

from __future__ import annotations

from math import comb, exp, lgamma, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.guards.bounds import upper_bound
from fairlead.rollout import exact
from fairlead.rollout.exact import chance, log_gains, lower, mixed, upper

CALLS = st.integers(0, 40)


@st.composite
def windows(draw):
    """Calls of the candidate, of the stable version, and marked ones of both."""
    ours, theirs = draw(CALLS), draw(CALLS)
    return ours, theirs, draw(st.integers(0, ours + theirs))


def shares(ours: int, theirs: int, marked: int) -> dict[int, float]:
    """The hypergeometric distribution, worked out by counting."""
    every = comb(ours + theirs, marked)
    return {
        taken: comb(ours, taken) * comb(theirs, marked - taken) / every
        for taken in range(max(0, marked - theirs), min(ours, marked) + 1)
    }


def gain(taken: int, ours: int, theirs: int, marked: int, odds: float) -> float:
    return float(log_gains([taken], [marked], [ours], [theirs], [odds])[0])


@given(windows(), st.floats(-4, 4))
def test_a_bet_wins_as_much_as_it_loses_when_nothing_differs(window, odds):
    ours, theirs, marked = window
    found = shares(ours, theirs, marked)
    worth = sum(p * exp(gain(taken, *window, odds)) for taken, p in found.items())
    assert worth == pytest.approx(1.0)


@given(windows(), st.floats(-3, 0), st.floats(0.1, 3))
def test_a_bet_on_more_does_not_win_when_there_are_fewer(window, real, odds):
    ours, theirs, marked = window
    tilted = {t: p * exp(real * t) for t, p in shares(ours, theirs, marked).items()}
    total = sum(tilted.values())
    worth = sum(p / total * exp(gain(t, ours, theirs, marked, odds)) for t, p in tilted.items())
    assert worth <= 1 + 1e-9


@given(windows(), st.floats(0.1, 3))
def test_the_more_the_candidate_has_of_them_the_more_is_won(window, odds):
    gains = [gain(taken, *window, odds) for taken in shares(*window)]
    assert gains == sorted(gains)


@given(windows())
def test_nothing_is_won_where_nothing_is_bet_and_where_one_version_has_no_calls(window):
    ours, _, marked = window
    for taken in shares(*window):
        assert gain(taken, *window, 0.0) == pytest.approx(0.0)
    alone = min(marked, ours)
    assert gain(alone, ours, 0, alone, 2.0) == pytest.approx(0.0)


@given(st.lists(windows(), min_size=1, max_size=8), st.floats(-2, 2))
def test_bets_that_are_worked_out_together_are_those_worked_out_alone(several, odds):
    rows = [(min(shares(*window)), window[2], window[0], window[1]) for window in several]
    together = log_gains(*np.array(rows).T, [odds] * len(rows))
    alone = [gain(taken, ours, theirs, marked, odds) for taken, marked, ours, theirs in rows]
    assert together.tolist() == pytest.approx(alone)


def test_memory_is_bounded_by_working_a_part_out_at_a_time(monkeypatch):
    rows = ([5, 50, 3], [20, 90, 5], [40, 100, 9], [60, 300, 90], [1.0, 0.5, 2.0])
    whole = log_gains(*rows)
    monkeypatch.setattr(exact, "_MOST_TERMS", 1)
    assert log_gains(*rows).tolist() == pytest.approx(whole.tolist())


@given(windows(), st.data())
def test_the_chance_of_so_many_is_that_of_fishers_test(window, data):
    ours, theirs, marked = window
    found = shares(*window)
    taken = data.draw(st.sampled_from(sorted(found)))
    expected = sum(p for t, p in found.items() if t >= taken)
    assert chance(taken, marked, ours, theirs) == pytest.approx(expected)


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=6))
def test_bets_together_are_worth_their_weighted_sum(logs):
    weights = np.full(len(logs), 1 / len(logs))
    expected = log(sum(exp(each) for each in logs) / len(logs))
    assert mixed(np.array(logs), weights) == pytest.approx(expected)
    assert mixed(np.array([5000.0, 0.0]), np.array([0.5, 0.5])) == pytest.approx(5000 - log(2))


# --- bounds -----------------------------------------------------------------------------


@given(st.integers(1, 5000), st.data(), st.floats(0.001, 0.2))
def test_bounds_enclose_what_was_seen_and_are_wider_than_for_one_look(count, data, rate):
    seen = data.draw(st.integers(0, count))
    low, high = lower(count, seen, rate), upper(count, seen, rate)
    assert 0 <= low <= seen / count <= high <= 1
    assert high >= upper_bound(count, seen, 1 - rate) - 1e-9


@given(st.integers(1, 2000), st.data())
def test_more_that_are_marked_raise_both_bounds(count, data):
    seen = data.draw(st.integers(0, count - 1))
    assert upper(count, seen, 0.05) <= upper(count, seen + 1, 0.05) + 1e-12
    assert lower(count, seen, 0.05) <= lower(count, seen + 1, 0.05) + 1e-12


@pytest.mark.parametrize("share", [0.01, 0.3])
def test_a_bound_holds_at_every_look_while_one_for_a_fixed_count_does_not(share):
    """The negative control is the exact bound of Clopper and Pearson, looked at as often."""
    random = np.random.default_rng(5)
    streams, looks = 300, [int(20 * 1.15**i) for i in range(35)]
    sums = (random.random((streams, looks[-1])) < share).cumsum(axis=1)[:, np.array(looks) - 1]
    # So few that the bound for one look lies below the true share.
    few = np.array([_quantile(count, share, 0.1) for count in looks])
    control = int((sums < few).any(axis=1).sum())
    broken = sum(
        any(upper(count, seen, 0.1) < share for count, seen in zip(looks, stream, strict=True))
        for stream in sums.tolist()
    )
    assert broken <= 0.1 * streams < control


def _quantile(count: int, share: float, rate: float) -> int:
    """The least number that fewer or as many than which come with a chance of at least `rate`."""
    places = np.arange(count + 1)
    logs = [lgamma(count + 1) - lgamma(k + 1) - lgamma(count - k + 1) for k in places]
    chances = np.exp(np.array(logs) + places * log(share) + (count - places) * log(1 - share))
    return int(np.searchsorted(chances.cumsum(), rate))


def test_nothing_is_known_without_calls():
    assert (lower(0, 0, 0.05), upper(0, 0, 0.05)) == (0.0, 1.0)
