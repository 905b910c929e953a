"""Distances in units of spread: of one row as of many, whatever the covariance is like."""

from __future__ import annotations

import numpy as np
import pytest

from fairlead.guards.ellipsoid import MOST_WIDTH, learn_ellipsoid


def table(count=3000, width=6, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(count, width)) @ random.normal(size=(width, width))


def test_the_distance_is_that_of_mahalanobis_where_rows_are_many():
    rows = table()
    found = learn_ellipsoid(rows)
    apart = rows[:50] - rows.mean(axis=0)
    exact = np.einsum("ij,jk,ik->i", apart, np.linalg.inv(np.cov(rows.T, bias=True)), apart)
    np.testing.assert_allclose(found.distances(rows[:50]), np.sqrt(exact), rtol=0.1)


def test_a_row_alone_is_as_far_as_among_others_bit_by_bit():
    rows = table(width=37)
    found = learn_ellipsoid(rows)
    assert [found.distance_of_one(row) for row in rows[:100]] == found.distances(
        rows[:100]
    ).tolist()


@pytest.mark.parametrize("width", [3, MOST_WIDTH + 1])
def test_what_never_varies_is_far_when_it_does_and_everything_stays_finite(width):
    rows = np.random.default_rng(0).normal(size=(60, width))
    rows[:, 1] = 0.0
    found = learn_ellipsoid(rows)
    assert found.whitening.ndim == (2 if width <= MOST_WIDTH else 1)
    usual = found.distances(rows)
    assert np.isfinite(usual).all()
    odd = rows[:1].copy()
    odd[0, 1] = 8.0
    assert found.distances(odd)[0] > 2 * usual.max()
    assert np.isfinite(
        learn_ellipsoid(np.zeros((50, 4))).distances(rows[:3, :3].repeat(2, 1)[:, :4])
    ).all()


@pytest.mark.parametrize("width", [5, MOST_WIDTH + 8])
def test_the_distance_without_a_part_is_the_least_that_any_values_in_it_give(width):
    rows = table(width=width) if width < 10 else np.random.default_rng(0).normal(size=(100, width))
    found = learn_ellipsoid(rows)
    row = rows[0] + 3.0
    parts = [slice(0, 1), slice(1, 3), slice(3, width)]
    whole, falls = found.parted(row, parts)
    assert whole == pytest.approx(found.distance_of_one(row) ** 2)
    random = np.random.default_rng(1)
    for part, fall in zip(parts, falls, strict=True):
        assert 0.0 <= fall <= whole * (1 + 1e-9)
        for _ in range(30):
            other = row.copy()
            other[part] = random.normal(scale=5.0, size=part.stop - part.start)
            assert found.distance_of_one(other) ** 2 >= whole - fall - 1e-6
