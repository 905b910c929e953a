"""Days and months of a tenant: computed from the time alone, whatever clocks do there."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.calendar import window, zone
from fairlead.core.errors import BadSetting

HOUR = 3600 * 10**9
ZONES = ["UTC", "Europe/Amsterdam", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia",
         "America/St_Johns", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Beirut"]  # fmt: skip


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


@pytest.mark.parametrize(
    ("place", "moment", "first", "hours"),
    [
        ("UTC", "2026-11-25T23:59:59", date(2026, 11, 25), 24),
        ("Europe/Amsterdam", "2026-11-25T23:30:00", date(2026, 11, 26), 24),
        ("Europe/Amsterdam", "2026-03-29T12:00:00", date(2026, 3, 29), 23),
        ("Europe/Amsterdam", "2026-10-25T12:00:00", date(2026, 10, 25), 25),
        ("America/Sao_Paulo", "2018-11-04T12:00:00", date(2018, 11, 4), 23),  # no midnight
        ("Australia/Lord_Howe", "2026-10-04T00:00:00", date(2026, 10, 4), 23.5),
        ("Pacific/Apia", "2011-12-30T09:59:59", date(2011, 12, 29), 24),  # the next is the 31st
        ("America/St_Johns", "2010-11-07T03:00:00", date(2010, 11, 7), 25),  # back over midnight
        ("Atlantic/Azores", "2026-10-25T00:30:00", date(2026, 10, 25), 25),  # midnight twice
        ("UTC", "2028-02-29T10:00:00", date(2028, 2, 29), 24),
    ],
)
def test_a_day_is_that_of_the_place(place, moment, first, hours):
    found = window("day", zone(place), at(moment))
    assert found.first == first
    assert found.start_ns <= at(moment) < found.end_ns
    assert found.end_ns - found.start_ns == hours * HOUR


@pytest.mark.parametrize(
    ("moment", "first", "days"),
    [
        ("2026-02-11T00:00:00", date(2026, 2, 1), 28),
        ("2028-02-29T23:59:59", date(2028, 2, 1), 29),
        ("2026-12-31T23:59:59", date(2026, 12, 1), 31),
    ],
)
def test_a_month_begins_on_its_first_day(moment, first, days):
    found = window("month", zone("UTC"), at(moment))
    assert found.first == first
    assert found.end_ns - found.start_ns == days * 24 * HOUR


@given(
    st.sampled_from(ZONES),
    st.sampled_from(["day", "month"]),
    st.integers(at("2005-01-01"), at("2045-01-01")),
)
def test_windows_follow_one_another_without_a_gap(place, period, moment):
    there = zone(place)
    found = window(period, there, moment)
    assert found.start_ns <= moment < found.end_ns
    after = window(period, there, found.end_ns)
    assert after.start_ns == found.end_ns
    assert after.first > found.first
    assert window(period, there, found.end_ns - 1) == found


@pytest.mark.parametrize("name", ["Europe/Nowhere", "", "../etc/passwd", "/etc/passwd", "a\0b",
                                  "right/UTC", "localtime", "posixrules", "utc"])  # fmt: skip
def test_what_is_no_time_zone_is_refused(name):
    with pytest.raises(BadSetting, match="no time zone"):
        zone(name)


def test_a_second_is_no_period_of_a_calendar():
    with pytest.raises(ValueError, match="no period of a calendar"):
        window("second", zone("UTC"), 0)
