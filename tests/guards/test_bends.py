"""Long tails are bent, short ones are left alone, and order is kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.guards.bends import Bends, kurtosis, learn_bends


def bend(values):
    return learn_bends(values[:, None], [0], np.zeros(1))


@pytest.mark.parametrize("name", ["normal", "uniform", "exponential"])
def test_short_tails_stay_as_they_are(name):
    values = getattr(np.random.default_rng(0), name)(size=5000)
    found = bend(values)
    rows = values[:, None]
    if name != "exponential":  # its kurtosis is 9: either will do
        assert len(found.at) == 0
        assert found.rows(rows) is rows


@pytest.mark.parametrize("values", [
    np.exp(2 * np.random.default_rng(0).normal(size=5000)),
    np.random.default_rng(1).standard_t(2, size=5000),
    np.random.default_rng(2).pareto(1.5, size=5000),
])  # fmt: skip
def test_long_tails_are_bent_to_short_ones(values):
    bent = bend(values).rows(values[:, None])[:, 0]
    assert kurtosis(bent) < kurtosis(values) / 5
    assert np.abs(bent).max() <= 5.0 + 1e-9


@given(st.integers(0, 10**6))
def test_bending_keeps_the_order_and_survives_the_disk(seed):
    random = np.random.default_rng(seed)
    values = random.standard_t(2, size=300) ** 3
    found = bend(values)
    again = Bends.from_table(found.table())
    ordered = np.sort(random.normal(size=50) * 100)[:, None]
    bent = again.rows(ordered)
    assert (np.diff(bent[:, 0]) >= 0).all()
    assert np.array_equal(bent, found.rows(ordered))
    assert [again.rows(row)[0] for row in ordered] == bent[:, 0].tolist()


def test_a_value_that_one_row_in_a_thousand_holds_is_not_thirty_deviations_away():
    values = np.zeros(3000)
    values[:3] = 1.0
    values = (values - values.mean()) / values.std()
    bent = bend(values).rows(values[:, None])[:, 0]
    assert values.max() > 30
    assert np.ptp(bent) == pytest.approx(5.0, rel=0.01)
