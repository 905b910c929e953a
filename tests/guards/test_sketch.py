"""Many numbers as few sums: what is far apart stays far apart, and one absurd number shows."""

import numpy as np
import pytest

from fairlead.guards import learn_novelty
from fairlead.guards.sketch import SUMS, learn_sketch

WIDE = 6000


@pytest.fixture(scope="module")
def rows():
    """Vectors that lie near a plane of eight dimensions, as embeddings do."""
    random = np.random.default_rng(0)
    plane = random.normal(size=(8, WIDE))
    return (random.normal(size=(900, 8)) @ plane + random.normal(size=(900, WIDE))).astype("f4")


def columns(sketch, rows):
    return dict(enumerate(sketch.sums(rows).T))


def test_distances_are_kept_within_a_fifth(rows):
    sketch = learn_sketch(rows)
    wide = (rows - sketch.mean) / sketch.scale
    sums = sketch.sums(rows)
    for i in range(0, 100, 2):
        true = np.linalg.norm(wide[i] - wide[i + 1]) / np.sqrt(WIDE / SUMS)
        assert np.linalg.norm(sums[i] - sums[i + 1]) == pytest.approx(true, rel=0.2)


def test_it_is_the_same_whoever_makes_it(rows):
    one, other = learn_sketch(rows[:300]), learn_sketch(rows[:300])
    assert (one.sums(rows[300:]) == other.sums(rows[300:])).all()


def test_a_number_that_never_changed_does_not_drown_the_others(rows):
    constant = rows.copy()
    constant[:, 0] = 5.0
    sketch = learn_sketch(constant)
    assert np.abs(sketch.sums(constant)).max() < 50


def test_what_is_missing_counts_as_usual(rows):
    gaps = rows.copy()
    gaps[:, ::7] = np.nan
    sketch = learn_sketch(gaps[:300])
    assert np.isfinite(sketch.sums(gaps)).all()
    assert np.abs(sketch.sums(np.full((1, WIDE), np.nan))).max() == 0


def test_a_wrong_unit_another_source_and_good_rows_are_told_apart(rows):
    sketch = learn_sketch(rows[:300])
    guard = learn_novelty(columns(sketch, rows[300:700]))
    test = rows[700:]
    assert guard.decide(columns(sketch, test)).mean() <= 0.04
    random = np.random.default_rng(1)
    pixels = random.integers(0, 256, test.shape)
    assert guard.decide(columns(sketch, pixels)).mean() >= 0.95
    wrong = test.copy()
    wrong[np.arange(len(test)), random.integers(0, WIDE, len(test))] *= 1000
    assert guard.decide(columns(sketch, wrong)).mean() >= 0.95
