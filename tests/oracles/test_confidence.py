"""Calibrations, sets, intervals and exact bounds against scikit-learn, SciPy, crepes and MAPIE."""

from __future__ import annotations

import numpy as np
import pytest
from crepes import ConformalClassifier, ConformalRegressor
from crepes.extras import hinge
from mapie.classification import SplitConformalClassifier
from mapie.regression import SplitConformalRegressor
from scipy import optimize, special, stats
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from tests.oracles.parts import MARKS, classified

from fairlead.guards import learn_confidence, learn_intervals
from fairlead.guards.bounds import assured_rank, upper_bound
from fairlead.guards.calibration import FITS
from fairlead.guards.confidence import COVERAGES

pytestmark = MARKS


class Given(ClassifierMixin, BaseEstimator):
    """A fitted classifier whose rows are its scores."""

    def fit(self, rows, labels):
        self.classes_ = np.unique(labels)
        return self

    def predict_proba(self, rows):
        return rows

    def predict(self, rows):
        return self.classes_[rows.argmax(axis=1)]


class Same(RegressorMixin, BaseEstimator):
    """A fitted regression that answers its only column."""

    def fit(self, rows, truths):
        self.fitted_ = True
        return self

    def predict(self, rows):
        return rows[:, 0]


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_sets_are_those_of_crepes_and_of_mapie_row_by_row(classes):
    scores, labels = classified(classes, classes=classes)
    fresh, _ = classified(100 + classes, classes=classes)
    guard = learn_confidence(scores, labels)
    names = np.arange(classes)
    crepes = ConformalClassifier().fit(hinge(scores, names, labels))
    mapie = SplitConformalClassifier(
        Given().fit(scores, labels), confidence_level=COVERAGES, conformity_score="lac"
    ).conformalize(scores, labels)
    _, theirs = mapie.predict_set(fresh)
    for place, coverage in enumerate(COVERAGES):
        ours = guard.sets(fresh, coverage)
        made = crepes.predict_set(hinge(fresh), confidence=coverage, smoothing=False)
        assert (ours == np.asarray(made).astype(bool)).all()
        assert (ours == theirs[:, :, place]).all()


def test_isotonic_steps_are_those_of_scikit_learn_with_one_observation_more_on_either_side():
    scores, labels = classified(1)
    best, right = scores.max(axis=1), scores.argmax(axis=1) == labels
    steps, counts = np.unique(
        IsotonicRegression().fit(best, right).predict(best).round(12), return_counts=True
    )
    values = FITS["isotonic"](scores, labels).values
    heights = values[len(values) // 2 :]
    np.testing.assert_allclose(
        heights, np.maximum.accumulate((steps * counts + 0.5) / (counts + 1)), atol=1e-9
    )


@pytest.mark.parametrize("classes", [2, 5])
def test_the_temperature_is_the_one_that_scipy_finds(classes):
    scores, labels = classified(2, classes=classes)
    logits = np.log(scores)

    def loss(temperature: float) -> float:
        scaled = special.log_softmax(logits / temperature, axis=1)
        return -float(scaled[np.arange(len(labels)), labels].mean())

    theirs = optimize.minimize_scalar(loss, bounds=(0.05, 20), method="bounded")
    (ours,) = FITS["temperature"](scores, labels).values
    assert ours == pytest.approx(theirs.x, rel=1e-3)
    # The scores are twice as sharp as the truth.
    assert ours == pytest.approx(2.0, rel=0.15)


def test_beta_calibration_is_scikit_learns_logistic_regression_on_the_logarithms():
    scores, labels = classified(3, rows=4000, classes=2)
    second = scores[:, 1]
    features = np.column_stack([np.log(second), -np.log1p(-second)])
    theirs = LogisticRegression(C=1e6, tol=1e-10, max_iter=10_000).fit(features, labels)
    ours = FITS["beta"](scores, labels)
    np.testing.assert_allclose(ours(scores), theirs.predict_proba(features), atol=2e-4)


def test_the_upper_bound_on_an_error_rate_is_scipys_clopper_pearson():
    for count, seen in ((59, 0), (149, 0), (200, 3), (1500, 40), (10, 9)):
        for confidence in (0.8, 0.95, 0.99):
            exact = stats.binomtest(seen, count, alternative="less").proportion_ci(confidence)
            assert upper_bound(count, seen, confidence) == pytest.approx(exact.high, abs=1e-9)


def test_the_assured_rank_is_the_largest_that_the_beta_distribution_allows():
    for count in (50, 300, 1000, 5000):
        for rate in (0.01, 0.05, 0.2):
            ranks = np.arange(1, count)
            chance = stats.beta.cdf(rate, ranks, count + 1 - ranks)
            assert assured_rank(count, rate) == int((chance >= 0.95).sum())


def test_intervals_are_as_wide_as_those_of_crepes_and_of_mapie():
    random = np.random.default_rng(4)
    answers = random.normal(size=700)
    truths = answers + random.standard_t(4, size=700)
    guard = learn_intervals(answers, truths)
    fresh = random.normal(size=50)
    crepes = ConformalRegressor().fit(truths - answers)
    mapie = SplitConformalRegressor(
        Same().fit(answers[:, None], truths), confidence_level=COVERAGES
    ).conformalize(answers[:, None], truths)
    _, theirs = mapie.predict_interval(fresh[:, None])
    for place, coverage in enumerate(COVERAGES):
        ours = np.stack(guard.around(fresh, coverage), axis=1)
        np.testing.assert_allclose(ours, crepes.predict_int(fresh, confidence=coverage))
        np.testing.assert_allclose(ours, theirs[:, :, place])
