"""How long a server ran and at which price: on record once, and never revised."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.usage.stores.database import open_database
from fairlead.usage.stores.machine import GAP_NS, UNSAID, HourPrice, MachineStore, Stretch

S = 10**9
PRICE = HourPrice(72_300_000_000, "aws/c7g.large", "us-east-1", "list", "2026-07-20", "high", "v1")
DEARER = PRICE._replace(pico=80_000_000_000, version="v2")


@pytest.fixture
def database(place):
    found = open_database(place, "", name="test")
    yield found
    found.close()


@pytest.fixture
def store(database):
    return MachineStore(database, "here")


def test_what_goes_on_is_one_stretch(store):
    store.note(4, PRICE, [(10 * S, 10 * S)])
    store.note(4, PRICE, [(10 * S, 40 * S)])
    store.note(4, PRICE, [(40 * S, 70 * S)])
    assert store.stretches() == [Stretch(10 * S, 70 * S, 4, PRICE)]


def test_a_short_pause_counts_and_a_long_one_does_not(store):
    store.note(4, PRICE, [(0, 10 * S)])
    store.note(4, PRICE, [(10 * S + GAP_NS, 20 * S + GAP_NS)])
    later = 21 * S + 2 * GAP_NS
    store.note(4, PRICE, [(later, later + S)])
    assert store.stretches() == [
        Stretch(0, 20 * S + GAP_NS, 4, PRICE),
        Stretch(later, later + S, 4, PRICE),
    ]


@pytest.mark.parametrize("told", [(4, DEARER), (8, PRICE), (4, UNSAID)])
def test_another_price_or_size_is_another_stretch(store, told):
    store.note(4, PRICE, [(0, 10 * S)])
    store.note(*told, [(5 * S, 30 * S)])  # no time is counted twice
    assert store.stretches() == [Stretch(0, 10 * S, 4, PRICE), Stretch(10 * S, 30 * S, *told)]


def test_a_clock_that_was_set_back_adds_nothing_until_it_has_caught_up(store):
    store.note(4, PRICE, [(100 * S, 200 * S)])
    store.note(4, PRICE, [(50 * S, 150 * S)])
    assert store.stretches() == [Stretch(100 * S, 200 * S, 4, PRICE)]
    store.note(4, DEARER, [(60 * S, 160 * S)])
    store.note(4, DEARER, [(160 * S, 210 * S)])
    assert store.stretches()[1] == Stretch(200 * S, 210 * S, 4, DEARER)


def test_each_server_of_a_database_has_its_own_stretches(store, database):
    other = MachineStore(database, "there")
    store.note(4, PRICE, [(0, 10 * S)])
    other.note(2, PRICE, [(5 * S, 15 * S)])
    store.note(4, PRICE, [(10 * S, 20 * S)])
    assert store.stretches() == [Stretch(0, 20 * S, 4, PRICE), Stretch(5 * S, 15 * S, 2, PRICE)]
    assert other.stretches() == store.stretches()


def test_what_is_dropped_is_what_lies_before(store):
    store.note(4, PRICE, [(0, 10 * S)])
    store.note(4, DEARER, [(10 * S, 30 * S)])
    store.drop_before(20 * S)
    assert store.stretches() == [Stretch(20 * S, 30 * S, 4, DEARER)]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 4000), st.integers(0, 900), st.sampled_from([PRICE, DEARER, UNSAID])
        ),
        min_size=1,
        max_size=12,
    )
)
@settings(max_examples=60, deadline=None)
def test_no_past_is_revised_and_no_time_counted_twice(tmp_path_factory, told):
    """Whatever clocks and prices do: a stretch grows at its end or stays, none overlap."""
    database = open_database(tmp_path_factory.mktemp("s") / "x.sqlite", "", name="test")
    store = MachineStore(database, "here")
    before: list[Stretch] = []
    for began, seconds, price in told:
        store.note(2, price, [(began * S, (began + seconds) * S)])
        now = store.stretches()
        for old, new in zip(before, now, strict=False):
            assert new._replace(until_ns=old.until_ns) == old
            assert new.until_ns >= old.until_ns
        assert before[:-1] == now[: len(before[:-1])]
        for one, other in pairwise(now):
            assert one.until_ns <= other.began_ns
        before = now
    database.close()
