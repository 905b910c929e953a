"""The tests of drift: as exact as the textbook's where they can be, never too sure elsewhere."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fairlead.guards.drift_columns import MISSING, watch
from fairlead.guards.drift_evidence import (
    chi_squared,
    chi_squared_survival,
    evidence,
    kolmogorov,
    psi,
    rank,
    share,
    shift,
    usual_psi,
)


def test_the_distance_of_numbers_is_never_surer_than_kolmogorov_and_smirnov():
    random = np.random.default_rng(0)
    train, fresh = random.normal(size=5000), random.normal(size=800)
    exact = stats.ks_2samp(train, fresh, method="asymp")
    found = evidence(watch("x", train), watch("x", train).count(fresh))
    assert exact.statistic * 0.8 <= found.distance <= exact.statistic
    size = (5000 * 800 / 5800) ** 0.5
    assert kolmogorov(found.distance * size) >= exact.pvalue * 0.99


@given(st.floats(0.0, 6.0))
def test_the_survival_of_kolmogorovs_distribution_is_scipys(value):
    assert kolmogorov(value) == pytest.approx(stats.kstwobign.sf(value), rel=1e-6, abs=1e-9)


@given(st.floats(1e-6, 1200.0), st.integers(1, 300))
def test_the_survival_of_the_chi_squared_distribution_is_scipys(value, freedom):
    exact = stats.chi2.sf(value, freedom)
    assert chi_squared_survival(value, freedom) == pytest.approx(exact, rel=1e-8, abs=1e-300)


@given(st.data())
def test_the_test_of_two_shares_is_fishers(data):
    rows, others = data.draw(st.integers(1, 400)), data.draw(st.integers(1, 400))
    mine, theirs = data.draw(st.integers(0, rows)), data.draw(st.integers(0, others))
    table = stats.hypergeom(rows + others, mine + theirs, rows)
    exact = min(1.0, 2 * min(table.sf(mine - 1), table.cdf(mine)))
    assert share(mine, rows, theirs, others) == pytest.approx(exact, rel=1e-6)


def test_the_test_of_categories_is_the_chi_squared_test():
    random = np.random.default_rng(0)
    mine, theirs = random.multinomial(500, [0.45, 0.33, 0.22]), np.array([2000, 1200, 800])
    exact = stats.chi2_contingency(np.array([mine, theirs]), correction=False).pvalue
    assert chi_squared(mine, theirs) == pytest.approx(exact, rel=1e-9)


def test_rare_categories_are_joined_until_each_cell_expects_five_rows():
    theirs = np.array([500, 480, *[1] * 20])
    assert chi_squared(np.array([52, 48, *[0] * 20]), theirs) > 0.05
    assert chi_squared(np.array([200, 200, *[5] * 20]), theirs) < 1e-9
    assert chi_squared(np.array([100, 0]), np.array([5000, 0])) == 1.0


def test_rare_categories_that_are_rare_no_more_are_seen():
    random = np.random.default_rng(0)
    names = [f"city {i}" for i in range(200)]
    train = random.choice(names, 4000, p=[0.9, *[0.1 / 199] * 199]).astype(object)
    watched = watch("x", train)
    fresh = watched.count(random.choice(names, 100, p=[0.6, *[0.4 / 199] * 199]).astype(object))
    assert evidence(watched, fresh).p < 1e-6


def test_the_mean_rank_is_mann_and_whitneys():
    random = np.random.default_rng(0)
    train, fresh = random.integers(0, 20, 2000), random.integers(1, 20, 300)
    exact = stats.mannwhitneyu(train, fresh, method="asymptotic", use_continuity=False).pvalue
    counts = [np.bincount(values, minlength=20) for values in (fresh, train)]
    assert rank(*counts) == pytest.approx(exact, rel=1e-6)
    assert rank(*counts[::-1]) == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize(("rows", "others"), [(256, 3000), (256, 30), (4096, 200)])
def test_the_mean_rank_is_never_too_sure_of_a_column_of_ties(rows, others):
    """One row in a hundred is 1, all others are 0: nothing about that is normal."""
    random = np.random.default_rng(0)
    ones = random.binomial(rows, 0.01, 20_000), random.binomial(others, 0.01, 20_000)
    p = [
        rank(np.array([rows - a, a]), np.array([others - b, b])) for a, b in zip(*ones, strict=True)
    ]
    assert np.mean(np.array(p) <= 0.001) <= 0.001
    assert rank(np.array([rows // 2, rows - rows // 2]), np.array([others, 0])) < 0.001


def test_nothing_is_said_without_rows():
    watched = watch("x", np.arange(100.0))
    nothing = evidence(watched, np.zeros(watched.bins, np.int64))
    assert (nothing.p, nothing.distance, nothing.shift) == (1.0, 0.0, None)
    assert rank(np.zeros(3, int), np.ones(3, int)) == 1.0


@given(st.lists(st.floats(allow_nan=True), min_size=1, max_size=60), st.integers(1, 300))
def test_the_same_rows_again_are_no_evidence(values, times):
    watched = watch("x", np.array(values))
    found = evidence(watched, watched.filled * times)
    assert found.p == 1.0
    assert found.distance == pytest.approx(0.0, abs=1e-9)
    assert found.psi == pytest.approx(0.0, abs=1e-9)
    assert found.shift is None or found.shift == pytest.approx(0.0, abs=1e-6)


def test_the_shift_is_in_standard_deviations_of_the_training_rows():
    random = np.random.default_rng(0)
    train = random.gamma(4.0, 3.0, 5000)
    watched = watch("x", train)
    moved = watched.count(random.gamma(4.0, 3.0, 5000) + 0.5 * train.std())
    assert shift(watched, moved) == pytest.approx(0.5, abs=0.08)
    assert shift(watched, watched.count(np.full(50, np.nan))) is None
    constant = watch("x", np.ones(100))
    assert shift(constant, constant.count(np.zeros(10))) is None


@pytest.mark.parametrize("rows", [256, 1024, 4096])
def test_the_usual_psi_is_exceeded_by_about_one_unchanged_window_in_a_hundred(rows):
    random = np.random.default_rng(0)
    train = random.multinomial(3000, np.ones(64) / 64)
    watched = watch("x", np.repeat(np.arange(64.0), train))
    usual = usual_psi(watched, rows)
    shares = random.multinomial(rows, np.ones(64) / 64, 3000) / rows
    others = random.multinomial(3000, np.ones(64) / 64, 3000) / 3000
    over = np.mean([psi(a, b, rows) > usual for a, b in zip(others, shares, strict=True)])
    assert 0.002 <= over <= 0.04


def test_missing_values_have_a_test_of_their_own():
    random = np.random.default_rng(0)
    watched = watch("x", random.normal(size=3000))
    fresh = random.normal(size=256)
    fresh[:8] = np.nan
    found = evidence(watched, watched.count(fresh))
    assert found.test == "missing"
    assert found.p == pytest.approx(20 * share(8, 256, 0, 3000))
    assert watched.count(fresh)[MISSING] == 8
