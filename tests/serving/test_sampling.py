"""Which rows are looked at: within an allowance, and by chance."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fairlead.serving.sampling import EVERY, FEW, Allowance

MOST = 10_000


def chosen(allowance: Allowance, rows: int, moment: float, most: int = MOST) -> int:
    """How many of the rows may be looked at."""
    positions = allowance.positions(rows, moment, most)
    return 0 if positions is None else len(np.arange(rows)[positions])


def test_an_allowance_never_gives_more_than_it_may():
    allowance = Allowance(10, 2.0, 0.0)
    assert [allowance.take(4, 0.0) for _ in range(4)] == [4, 4, 2, 0]
    assert allowance.take(4, 1.0) == 2
    assert allowance.take(100, 1e6) == 10


def test_which_rows_of_many_are_looked_at_is_chance():
    picks = []
    for _ in range(50):
        positions = Allowance(10, 1.0, 0.0).positions(1000, 0.0, MOST)
        picks.append(set(positions.tolist()))
    assert len(set().union(*picks)) > 100
    assert all(len(pick) == 10 and max(pick) < 1000 for pick in picks)


def test_few_rows_are_looked_at_as_a_whole():
    allowance = Allowance(1024, 64.0, 0.0)
    assert allowance.positions(FEW, 0.0, MOST) is EVERY
    assert allowance.positions(1, 0.0, MOST) is EVERY


@given(
    st.lists(st.tuples(st.integers(1, 200), st.floats(0.0, 2.0)), min_size=1, max_size=200),
    st.integers(0, 2**32),
)
def test_however_they_come_no_more_are_looked_at_than_may_be(executions, seed):
    burst, rate, moment, found = 100, 10.0, 0.0, 0
    allowance = Allowance(burst, rate, moment, np.random.default_rng(seed))
    for rows, pause in executions:
        moment += pause
        found += chosen(allowance, rows, moment)
    assert found <= burst + rate * moment + FEW


def test_over_time_as_many_are_looked_at_as_may_be():
    for rows in (1, 8, FEW, 300):
        allowance = Allowance(100, 50.0, 0.0, np.random.default_rng(3))
        found = sum(chosen(allowance, rows, tick / 100) for tick in range(60_000))
        assert abs(found / (100 + 50.0 * 600) - 1) < 0.03


def test_at_which_moment_few_rows_are_looked_at_cannot_be_foreseen():
    """Whoever sends one good row whenever an allowance has come back would hide all others."""
    hidden = 0
    for seed in range(40):
        allowance = Allowance(10, 10.0, 0.0, np.random.default_rng(seed))
        for _ in range(20):
            allowance.positions(1, 0.0, MOST)
        for tenth in range(1, 101):
            chosen(allowance, 1, tenth / 10)  # the good one, when one more may be looked at
            hidden += sum(chosen(allowance, 1, tenth / 10 + 0.001 * n) for n in range(1, 100))
    assert hidden > 0.5 * 40 * 100


def test_a_large_execution_now_and_then_hides_no_small_ones():
    """Each takes all that is left: it must not be the only one that can."""
    for large in (65, FEW + 1, 5000):
        small = big = 0
        allowance = Allowance(1024, 64.0, 0.0, np.random.default_rng(large))
        for tick in range(300_000):
            moment = tick / 500
            if tick % 500 == 250:
                big += chosen(allowance, large, moment)
            small += chosen(allowance, 64, moment)
        assert small > 0.9 * (small + big), (large, small, big)


def test_rows_of_executions_of_every_size_are_as_likely_to_be_looked_at():
    allowance = Allowance(16_384, 1024.0, 0.0, np.random.default_rng(1))
    random = np.random.default_rng(2)
    seen, sent, moment = Counter(), Counter(), 0.0
    sizes = random.choice([1, 16, 64, 128], 200_000).tolist()
    for size, pause in zip(sizes, random.exponential(0.0128, 200_000).tolist(), strict=True):
        moment += pause
        found = chosen(allowance, size, moment)
        if moment > 60.0:
            seen[size] += found
            sent[size] += size
    shares = [seen[size] / sent[size] for size in (1, 16, 64, 128)]
    assert max(shares) < 1.1 * min(shares), shares


def test_no_more_are_kept_of_an_execution_than_there_is_room_for():
    assert chosen(Allowance(1024, 64.0, 0.0), FEW, 0.0, most=5) == 5
    assert chosen(Allowance(1024, 64.0, 0.0), 1000, 0.0, most=7) == 7
