"""The novelty guard against PyOD, scikit-learn and crepes."""

from __future__ import annotations

import numpy as np
import pytest
from crepes import ConformalClassifier
from pyod.models.knn import KNN
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler
from tests.oracles.parts import MARKS, tables

from fairlead.guards import learn_novelty
from fairlead.guards.nearest import Nearest

pytestmark = MARKS


def level(score, good, foreign) -> float:
    """The chance that a foreign row is ranked above a good one."""
    truth = np.repeat([0, 1], [len(good), len(foreign)])
    return float(roc_auc_score(truth, np.concatenate([score(good), score(foreign)])))


def test_foreign_classes_are_ranked_as_well_as_by_pyods_knn():
    ours, knn = [], []
    for name, (train, good, foreign) in tables().items():
        ours.append(level(learn_novelty(train).scores, good, foreign))
        scaled = StandardScaler().fit(train).transform
        detector = KNN().fit(scaled(train))
        knn.append(level(detector.decision_function, scaled(good), scaled(foreign)))
        assert ours[-1] > knn[-1] - 0.05, name
    # KNN keeps every row, of few; ours keeps three of ten aside.
    assert np.mean(ours) > np.mean(knn) - 0.015


@pytest.mark.parametrize("neighbour", [1, 5])
def test_nearest_distances_are_those_of_scikit_learn(neighbour):
    for train, good, foreign in tables().values():
        space = learn_novelty(train).space
        placed = space.place_numbers(np.concatenate([good, foreign]))
        nearest = Nearest(space.place_numbers(train), neighbour)
        theirs = NearestNeighbors(n_neighbors=neighbour, algorithm="brute").fit(nearest.rows)
        exact = theirs.kneighbors(placed)[0][:, -1]
        # Theirs subtracts large squares; ours is measured exactly.
        np.testing.assert_allclose(nearest.distances(placed), exact, rtol=1e-6, atol=1e-6)
        alone = [nearest.distance_of_one(row) for row in placed[:20]]
        assert alone == nearest.distances(placed[:20]).tolist()


def test_p_values_are_the_conformal_ones_of_crepes_row_by_row():
    random = np.random.default_rng(0)
    guard = learn_novelty(random.normal(size=(500, 4)))
    calibration = random.exponential(size=200).round(1)
    fresh = random.exponential(size=300).round(1)
    guard.calibrate(calibration)
    theirs = ConformalClassifier().fit(calibration).predict_p(fresh[:, None], smoothing=False)
    np.testing.assert_allclose(guard.p_of(fresh), np.ravel(theirs), rtol=0, atol=1e-12)
    alone = [float(guard.p_of(fresh[i : i + 1])[0]) for i in range(len(fresh))]
    assert alone == guard.p_of(fresh).tolist()
