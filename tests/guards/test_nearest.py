"""Distances are exact, and the same for a row alone and among others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from fairlead.guards.nearest import Nearest


@given(
    seed=st.integers(0, 10**6),
    rows=st.integers(1, 200),
    width=st.integers(1, 40),
    scale=st.sampled_from([1e-6, 1.0, 1e3, 1e9]),
    far=st.sampled_from([0.0, 1.0, 1e4, 1e12]),
    neighbour=st.integers(1, 5),
)
def test_a_distance_is_the_exact_one(seed, rows, width, scale, far, neighbour):
    random = np.random.default_rng(seed)
    kept = (scale * random.normal(size=(rows, width))).astype(np.float32).astype(float)
    asked = scale * random.normal(size=(7, width)) + far
    k = min(neighbour, rows)
    found = Nearest(kept, k).distances(asked)
    expected = np.sort(((asked[:, None] - kept) ** 2).sum(axis=2), axis=1)[:, k - 1] ** 0.5
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-12 * scale)


@given(seed=st.integers(0, 10**6), neighbour=st.sampled_from([1, 3]), grid=st.booleans())
def test_a_row_alone_is_as_far_as_among_others(seed, neighbour, grid):
    """Also where many rows are equally near, as on a grid."""
    random = np.random.default_rng(seed)
    made = random.integers(0, 3, (300, 6)) if grid else random.normal(size=(300, 6))
    kept, asked = made[:200].astype(float), made[200:].astype(float)
    nearest = Nearest(kept, neighbour)
    alone = [nearest.distance_of_one(row) for row in asked]
    for size in (1, 2, 4, 100):
        parts = [asked[at : at + size] for at in range(0, len(asked), size)]
        among = np.concatenate([nearest.distances(part) for part in parts])
        assert among.tolist() == alone


def test_distances_are_scikit_learns():
    random = np.random.default_rng(0)
    kept = random.normal(size=(2000, 30)).astype(np.float32).astype(float)
    asked = random.normal(size=(1500, 30))
    theirs, _ = NearestNeighbors(n_neighbors=5).fit(kept).kneighbors(asked)
    assert Nearest(kept, 1).distances(asked) == pytest.approx(theirs[:, 0], rel=1e-9)
    assert Nearest(kept, 5).distances(asked) == pytest.approx(theirs[:, 4], rel=1e-9)
