"""The search finds nearly the best of a grid in a quarter of its trials, whatever the model."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from fairlead.costs.searching import CALLERS, SHARE, Outcome, grid_of, search


def server(once, row, crowd, contention, cores):
    """A server of cores whose executions take `once`, `row` for each row, and more for many."""

    def measure(place, bar=0.0):
        batch, threads, callers = place
        rows = min(batch, -(-callers // threads))
        busy = min(threads, -(-callers // rows))
        slower = max(1.0, busy / cores) * (1 + contention * (busy - 1))
        takes = (once + row * rows + crowd * rows * rows) * slower
        rounds = -(-callers // (rows * busy))
        return Outcome(min(rows * busy, callers) / takes, takes * rounds)

    return measure


SURFACES = st.tuples(
    st.floats(1e-5, 0.5),  # once
    st.floats(1e-6, 0.05),  # row
    st.floats(0, 1e-3),  # crowd
    st.floats(0, 1),  # contention
)


@given(SURFACES, st.sampled_from([1, 2, 3, 4, 8, 16]), st.sampled_from([1, 4, 7, 32, 64, 200, 256]))
def test_it_finds_nearly_the_best_throughput_in_a_quarter_of_the_trials(surface, cores, batch):
    grid, measure = grid_of(batch, cores), server(*surface, cores)
    best = max(measure(place).rows_per_s for place in grid.places)
    found = search(grid, measure, 2 * cores)
    assert len(found.tried) <= found.trials <= max(8, SHARE * grid.size)
    assert measure(found.throughput).rows_per_s >= 0.95 * best
    assert found.tried[found.throughput].rows_per_s >= 0.95 * best


@given(SURFACES, st.sampled_from([1, 2, 4, 8]))
def test_it_finds_nearly_the_best_latency_for_some_company(surface, cores):
    grid, measure = grid_of(256, cores), server(*surface, cores)
    found = search(grid, measure, 2 * cores)
    company = min(CALLERS, key=lambda c: abs(c - 2 * cores))
    assert found.latency[2] == company
    best = min(measure(place).p99_s for place in grid.places if place[2] == company)
    assert measure(found.latency).p99_s <= 1.1 * best


@given(SURFACES, st.lists(st.floats(0.98, 1.02), min_size=40, max_size=40))
def test_noise_of_two_per_cent_costs_little(surface, noise):
    grid, quiet = grid_of(256, 2), server(*surface, 2)
    factors = iter(noise)

    def measure(place, bar):
        found = quiet(place)
        return Outcome(found.rows_per_s * next(factors), found.p99_s)

    best = max(quiet(place).rows_per_s for place in grid.places)
    assert quiet(search(grid, measure, 4).throughput).rows_per_s >= 0.9 * best


def test_only_the_best_few_are_tried_twice_and_never_two_that_are_the_same():
    grid, measure = grid_of(256, 2), server(1e-3, 1e-4, 0, 0.1, 2)
    asked = []

    def counted(place, bar):
        asked.append(place)
        return measure(place)

    found = search(grid, counted, 4)
    assert len(asked) == found.trials
    assert len(set(asked)) == len({grid.same(place) for place in asked})
    again = {place for place in asked if asked.count(place) > 1}
    assert 1 < len(again) <= 4
    assert found.throughput in again


def test_a_trial_is_told_when_it_is_hopeless():
    bars = []
    measure = server(1e-3, 1e-4, 0, 0.1, 2)

    def told(place, bar):
        bars.append(bar)
        return measure(place)

    found = search(grid_of(256, 2), told, 4)
    best = max(outcome.rows_per_s for outcome in found.tried.values())
    assert bars[0] == 0
    assert max(bars) <= 0.6 * best + 1e-9


def test_when_time_is_up_what_was_tried_must_do():
    tried = []

    def measure(place, bar):
        tried.append(place)
        return Outcome(1.0, 1.0)

    found = search(grid_of(256, 4), measure, 8, lambda: len(tried) >= 3)
    assert len(tried) == 3
    assert {found.throughput, found.latency} <= set(found.tried)


@given(st.integers(1, 300), st.integers(1, 8), st.sampled_from(CALLERS), st.integers(1, 256))
def test_places_that_are_the_same_to_a_server_have_one_name(most, cores, callers, batch):
    grid = grid_of(most, cores)
    assume(batch in grid.batches)
    for threads in grid.threads:
        one = grid.same((batch, threads, callers))
        assert grid.same(one) == one
        assert one in grid.places


def test_a_grid_doubles_up_to_what_the_owner_allows():
    assert grid_of(100, 2).batches == (1, 2, 4, 8, 16, 32, 64, 100)
    assert grid_of(1000, 2).batches[-1] == 256
    assert (grid_of(1, 3).batches, grid_of(1, 3).threads) == ((1,), (1, 2, 3))
    assert grid_of(256, 2).size == 9 * 2 * 7
