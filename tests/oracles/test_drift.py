"""Drift tests against SciPy's, and the alarm without a window against river's ADWIN."""

from __future__ import annotations

import numpy as np
import pytest
from river.drift import ADWIN
from scipy import stats
from tests.oracles.parts import MARKS

from fairlead.guards.betting import Betting
from fairlead.guards.drift_columns import MISSING, watch
from fairlead.guards.drift_evidence import (
    chi_squared,
    chi_squared_survival,
    distance,
    evidence,
    kolmogorov,
    share,
)

pytestmark = MARKS
SEEN, TRAINED = 1000, 4000


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("seed", range(5))
def test_the_distance_and_p_value_of_numbers_are_those_of_kolmogorov_and_smirnov(seed, shift):
    random = np.random.default_rng(seed)
    # Few distinct values have a bin each, so that nothing is lost by counting.
    train = random.normal(size=TRAINED).round(1).clip(-1.5, 1.5)
    fresh = (random.normal(size=SEEN) + shift).round(1).clip(-1.5, 1.5)
    watched = watch("x", train)
    counts = watched.count(fresh)
    theirs = stats.ks_2samp(fresh, train, method="exact")
    assert distance(watched, counts) == pytest.approx(theirs.statistic, abs=1e-12)
    size = np.sqrt(SEEN * TRAINED / (SEEN + TRAINED))
    p = kolmogorov(theirs.statistic * size)
    assert p == pytest.approx(stats.kstwobign.sf(theirs.statistic * size), rel=1e-9)
    # Never more certain than the exact test, and hardly less.
    assert theirs.pvalue <= p <= 1.2 * theirs.pvalue + 1e-12
    found = evidence(watched, counts)
    if found.test == "shape" and found.p < 1.0:
        assert found.p == pytest.approx(p / 0.45, rel=1e-9)


@pytest.mark.parametrize("moved", [0.0, 0.03, 0.1])
@pytest.mark.parametrize("seed", range(5))
def test_the_p_value_of_categories_is_that_of_the_chi_squared_test(seed, moved):
    random = np.random.default_rng(seed)
    names = ["a", "b", "c", "d"]
    train = random.choice(names, TRAINED, p=[0.4, 0.3, 0.2, 0.1])
    fresh = random.choice(names, SEEN, p=[0.4 - moved, 0.3 + moved, 0.2, 0.1])
    mine, theirs = (np.array([(rows == n).sum() for n in names]) for rows in (fresh, train))
    exact = stats.chi2_contingency([mine, theirs], correction=False)
    assert chi_squared(mine, theirs) == pytest.approx(exact.pvalue, rel=1e-9)
    assert chi_squared_survival(exact.statistic, 3) == pytest.approx(exact.pvalue, rel=1e-9)


@pytest.mark.parametrize(("mine", "theirs"), [(0, 100), (30, 100), (26, 100), (3, 0), (1000, 3900)])
def test_the_p_value_of_missing_values_is_fishers_exact_one(mine, theirs):
    table = [[mine, SEEN - mine], [theirs, TRAINED - theirs]]
    tails = [stats.fisher_exact(table, alternative=side).pvalue for side in ("less", "greater")]
    exact = min(1.0, 2.0 * min(tails))
    assert share(mine, SEEN, theirs, TRAINED) == pytest.approx(exact, rel=1e-6)
    train, fresh = np.zeros(TRAINED), np.zeros(SEEN)
    train[:theirs] = fresh[:mine] = np.nan
    watched = watch("x", train)
    assert (watched.filled[MISSING], watched.count(fresh)[MISSING]) == (theirs, mine)


def low(calibration, values):
    """p-values that are small for small values."""
    return (1 + np.searchsorted(calibration, values, side="right")) / (len(calibration) + 1)


def noticed_by_adwin(stream) -> int:
    """The row at which ADWIN sees a change, the stream's end when it sees none."""
    detector = ADWIN()
    for row, value in enumerate(stream.tolist()):
        detector.update(value)
        if detector.drift_detected:
            return row + 1
    return len(stream)


def test_a_fall_of_confidence_is_noticed_no_later_than_by_adwin_without_a_false_alarm():
    ours, theirs, quiet = [], [], 1000
    for seed in range(10):
        random = np.random.default_rng([1, seed])
        calibration = np.sort(random.beta(18, 2, 1000))
        stream = np.concatenate([random.beta(18, 2, quiet), random.beta(17, 3, 5000)])
        bet = Betting(1000, rate=0.001)
        bet.see(low(calibration, stream))
        assert bet.since is not None
        ours.append(bet.since)
        theirs.append(noticed_by_adwin(stream))
    assert min(ours) > quiet
    # An alarm of ADWIN before the fall is none of the fall.
    assert np.median(ours) <= np.median([row for row in theirs if row > quiet])
