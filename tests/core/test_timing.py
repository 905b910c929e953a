"""A run is timed as often as it needs to be, and no longer than somebody waits."""

from __future__ import annotations

import pytest

from fairlead.core import timing
from fairlead.core.timing import timed


@pytest.fixture
def clock(monkeypatch):
    made = [0.0]
    monkeypatch.setattr(timing, "now", lambda: made[0])
    return made


def taking(clock, seconds):
    def run():
        clock[0] += seconds

    return run


def test_a_quick_run_is_repeated_up_to_the_most(clock):
    assert timed(taking(clock, 0.5), least=2, most=4, enough_s=100) == [0.5] * 4


def test_it_is_enough_when_the_time_and_the_least_are_reached(clock):
    assert len(timed(taking(clock, 0.5), least=2, most=9, enough_s=2)) == 4
    assert len(timed(taking(clock, 8.0), least=3, most=9, enough_s=2)) == 3


def test_nobody_waits_longer_than_the_longest(clock):
    assert len(timed(taking(clock, 8.0), least=3, most=9, enough_s=2, longest_s=10)) == 2
    assert len(timed(taking(clock, 80.0), least=3, most=9, enough_s=2, longest_s=10)) == 1


def test_what_the_run_raises_is_raised():
    with pytest.raises(ZeroDivisionError):
        timed(lambda: 1 / 0, least=1, most=1, enough_s=0)
