"""The pace: what is known of a version's speed comes from executions that left others waiting."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.serving.pace import Pace


def test_nothing_is_known_before_some_executions():
    pace = Pace(1)
    for _ in range(3):
        pace.note(8, 0.04, full=True)
    assert (pace.row_s, pace.service_s) == (0.0, 0.0)
    pace.note(8, 0.04, full=True)
    assert pace.row_s == pytest.approx(0.005)
    assert pace.service_s == pytest.approx(0.04)


def test_what_a_model_does_while_nobody_waits_says_nothing_of_what_it_can():
    pace = Pace(1)
    for _ in range(100):
        pace.note(1, 0.02, full=False)
    assert pace.row_s == 0.0


def test_executions_at_once_share_what_waits():
    pace = Pace(4)
    for _ in range(10):
        pace.note(8, 0.04, full=True)
    assert pace.row_s == pytest.approx(0.005 / 4)
    assert pace.service_s == pytest.approx(0.04)


def test_a_pace_that_was_taken_for_too_slow_is_corrected_though_nobody_waits():
    """Else it would be believed for ever: who is refused does not wait."""
    pace = Pace(1)
    for _ in range(10):
        pace.note(1, 1.0, full=True)
    for _ in range(30):
        pace.note(1, 0.01, full=False)
    assert pace.row_s < 0.02


@given(st.floats(0.001, 1000.0))
def test_one_stall_counts_for_a_few_usual_executions(stall):
    pace = Pace(1)
    for _ in range(20):
        pace.note(8, 0.04, full=True)
    pace.note(8, stall, full=True)
    assert pace.row_s <= 0.005 * 2


@given(st.lists(st.tuples(st.integers(1, 256), st.floats(0.001, 1.0)), min_size=4, max_size=60))
def test_the_pace_lies_between_the_fastest_and_the_slowest_execution(executions):
    pace = Pace(1)
    for rows, seconds in executions:
        pace.note(rows, seconds, full=True)
    each = [seconds / rows for rows, seconds in executions]
    assert pace.row_s <= max(each) * 1.001
    assert pace.service_s <= max(seconds for _, seconds in executions) * 1.001


@given(st.floats(0.0, 0.2), st.floats(0.0, 0.05))
def test_the_slack_covers_what_came_later_than_foreseen(later, spread):
    pace = known()
    for n in range(200):
        pace.compare(0.2, 0.2 + later + (spread if n % 2 else -spread))
    assert pace.slack_s >= later + spread - 0.001
    assert pace.slack_s <= later + 6 * spread + 0.001


def test_calls_that_come_as_foreseen_or_sooner_need_no_slack():
    pace = known()
    for _ in range(100):
        pace.compare(0.2, 0.1)
    assert pace.slack_s == 0.0


def test_slack_is_forgotten_where_nobody_is_let_in_to_show_that_it_is_too_much():
    pace = known()
    for _ in range(50):
        pace.compare(0.2, 0.4)
    before = pace.slack_s
    for _ in range(500):
        pace.note(8, 0.04, full=True)
    assert before > 0.1
    assert pace.slack_s < 0.01 * before + 0.001


def known() -> Pace:
    pace = Pace(1)
    for _ in range(10):
        pace.note(8, 0.04, full=True)
    return pace
