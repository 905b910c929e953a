"""What counts a host's limits: on the disk before it is lent, and again after a restart."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.access.parts import NOW, SECOND, Memory, at_once

from fairlead.access.lending import Lending
from fairlead.access.metering import OwnMeters, durable, share
from fairlead.access.meters import Rate
from fairlead.core.allowance import parse_limit
from fairlead.core.metering import Back, Want

DAY = 86_400 * SECOND


class Clock:
    """A host's clocks, which stand still unless they are set."""

    def __init__(self) -> None:
        self.now, self.wall = 0, NOW


def meters(keep, behind=at_once, clock=None) -> OwnMeters:
    clock = clock or Clock()
    return OwnMeters(keep, behind, lambda: clock.now, lambda: clock.wall)


def want(text, least, sure=0, most=0, name="m", place="UTC") -> Want:
    return Want(name, parse_limit(text), place, least, max(sure, least), most)


def taken(counting, *wants):
    """What was lent; None when it cannot be known."""
    found = []
    counting.take(wants, found.append)
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("text", ["rows=10/day", "rows=10/month", "credits=10", "rows=10/hour"])
def test_what_must_outlive_a_crash_is_on_the_disk_before_it_is_lent(text):
    keep, work, told = Memory(), deque(), []
    counting = meters(keep, lambda *two: work.append(two))
    counting.take([want(text, 7)], told.append)
    assert not told
    at_once(*work.popleft())
    assert told[0][0].units == 7
    assert [row.used for row in keep.rows.values()] == [7]
    [refused] = taken(meters(keep), want(text, 4))
    assert refused.units == 0
    assert refused.wait_ns != 0
    assert refused.left == 3


@pytest.mark.parametrize("text", ["requests=10/second", "concurrency=10"])
def test_what_is_over_in_a_moment_is_not_written(text):
    keep = Memory()
    assert taken(meters(keep), want(text, 7))[0].units == 7
    assert keep.writes == 0


def test_of_several_all_are_lent_or_none():
    counting = meters(Memory())
    first = want("rows=10/day", 5, name="a")
    assert [one.units for one in taken(counting, first, want("credits=3", 4, name="b"))] == [0, 0]
    assert [one.units for one in taken(counting, first, want("credits=3", 3, name="b"))] == [5, 3]
    assert taken(counting, want("rows=10/day", 0, name="a"))[0].left == 5


def test_what_cannot_be_written_is_not_lent_and_can_be_had_afterwards():
    keep = Memory()
    counting = meters(keep)
    keep.fails = True
    assert taken(counting, want("credits=5", 5)) is None
    keep.fails = False
    assert taken(counting, want("credits=5", 5))[0].units == 5


def test_all_that_is_asked_for_during_a_write_goes_into_the_next():
    keep, work, told = Memory(), deque(), []
    counting = meters(keep, lambda *two: work.append(two))
    for number in range(20):
        counting.take([want("credits=5", 1, name=f"m{number}")], told.append)
    assert len(work) == 1
    while work:
        at_once(*work.popleft())
    assert len(told) == 20
    assert keep.writes == 2


@given(
    st.integers(0, 1000), st.integers(0, 100), st.integers(0, 500), st.integers(0, 500)
)  # fmt: skip
def test_what_is_lent_is_what_was_needed_and_then_half_of_the_rest_at_most(left, least, sure, most):
    if least > left:
        return
    lent = share(left, want("credits=9", least, sure, most))
    assert least <= lent <= left
    assert lent <= max(least, sure, left // 2)
    assert lent >= min(most, left // 2)


def test_all_that_is_left_of_a_rate_is_lent_for_time_brings_more():
    counting = meters(Memory())
    assert taken(counting, want("rows=100/second", 1, most=80))[0].units == 80
    assert taken(counting, want("rows=100/second", 1, most=80))[0].units == 20


def test_a_tenant_that_moves_has_its_days_there_and_what_it_used_on_a_date_stays_used():
    counting = meters(Memory())  # 2027-01-15 08:00 in UTC
    here = taken(counting, want("rows=10/day", 10))[0]
    there = taken(counting, want("rows=10/day", 0, place="Asia/Tokyo"))[0]
    assert there.left == 0
    assert here.ends_ns - there.ends_ns == 9 * 3600 * SECOND
    late = Clock()
    late.wall = NOW + 8 * 3600 * SECOND
    counting = meters(Memory(), clock=late)
    assert taken(counting, want("rows=10/day", 10))[0].units == 10
    assert taken(counting, want("rows=10/day", 10, place="Asia/Tokyo"))[0].units == 10
    assert taken(counting, want("rows=10/day", 1))[0].units == 0


def test_what_was_lent_before_a_restart_is_taken_back_although_nobody_has_asked_since():
    keep = Memory()
    [lent] = taken(meters(keep), want("rows=10/day", 10))
    after = meters(keep)
    after.give_back(Back("m", parse_limit("rows=10/day"), lent.ticket, 4))
    assert taken(after, want("rows=10/day", 4))[0].units == 4
    after.give_back(Back("unknown", parse_limit("rows=10/day"), lent.ticket, 4))
    assert taken(after, want("rows=10/day", 1))[0].units == 0


def test_meters_that_are_as_new_are_forgotten():
    clock = Clock()
    counting = meters(Memory(), clock=clock)
    for number in range(50):
        taken(counting, want("rows=9/second", 9, name=f"r{number}"))
        taken(counting, want("rows=9/day", 9, name=f"q{number}"))
    clock.now, clock.wall = 61 * SECOND, NOW + 61 * SECOND
    counting.save()
    assert len(counting._meters) == 50
    clock.now, clock.wall = 130 * SECOND, NOW + 9 * DAY
    counting.save()
    assert not counting._meters


@pytest.mark.parametrize(
    ("text", "expected"),
    [("rows=9/second", False), ("rows=9/second:18", False), ("rows=9/second:27", True),
     ("rows=9/minute", True)],
)  # fmt: skip
def test_a_rate_outlives_a_restart_if_it_takes_more_than_two_seconds_to_run_off(text, expected):
    assert durable(Rate(parse_limit(text), 0)) is expected


def test_a_lender_that_ended_with_places_in_use_did_not_end_in_order():
    keep = Memory()
    counting = meters(keep)
    lender = Lending(counting, lambda *_: True, careful=False, now_ns=lambda: 0)
    lender.joined(1)
    asked = [["m", "concurrency=2", "UTC", 1, 1]]
    lender.take(1, {"worker": "w", "holds": [], "wants": [asked]})
    counting.close(lender.idle)
    assert not lender.idle
    assert not meters(keep).in_order
