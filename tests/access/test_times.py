"""Times are understood as people write them, and nothing else is taken for one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.access.times import LONGEST_NS, parse_end, parse_moment, parse_span, told
from fairlead.core.errors import KeyFieldInvalid

SECOND = 10**9
DAY = 86_400 * SECOND
NOW = int(datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()) * SECOND


def at(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("45s", 45), ("30m", 1800), ("24h", 86_400), ("90d", 7_776_000), ("2w", 1_209_600)],
)
def test_a_length_of_time_is_a_number_and_a_unit(text, seconds):
    assert parse_span(text, "grace") == seconds * SECOND


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("never", None),
        ("30d", NOW + 30 * DAY),
        ("2027-01-31", at(2027, 1, 31)),
        ("2027-01-31T18:00Z", at(2027, 1, 31, 18)),
        ("2027-01-31T18:00:01", at(2027, 1, 31, 18, 0, 1)),
        ("2027-01-31T18:00+02:00", at(2027, 1, 31, 16)),
        ("2027-01-31T18:00:00.000001Z", at(2027, 1, 31, 18) + 1000),
    ],
)
def test_a_key_expires_when_it_is_said(text, end):
    assert parse_end(text, NOW) == end


WRONG = ["", "30", "d", "-1d", "1.5h", "30 d", "\u0663\u0660d", "1d2h", "2027-13-01", "2027-02-30",
         "tomorrow", "99999999999d", "900000000w", "2027-01-31T25:00", "Never", "1\n",
         "2027-W05", "x" * 10_000]  # fmt: skip


@pytest.mark.parametrize("text", WRONG, ids=lambda text: repr(text[:30]))
def test_what_is_no_time_is_refused_in_one_clear_line(text):
    for parse in (
        lambda: parse_end(text, NOW),
        lambda: parse_span(text, "grace"),
        lambda: parse_moment(text, NOW, "since"),
    ):
        with pytest.raises(KeyFieldInvalid) as caught:
            parse()
        assert len(caught.value.line()) < 250


@pytest.mark.parametrize("text", ["0s", "2026-11-25T12:00Z", "2001-01-01", "9000-01-01"])
def test_a_key_expires_neither_in_the_past_nor_beyond_a_century(text):
    with pytest.raises(KeyFieldInvalid, match="over, or too far away"):
        parse_end(text, NOW)


def test_since_is_so_long_ago_or_a_moment():
    assert parse_moment("7d", NOW, "since") == NOW - 7 * DAY
    assert parse_moment("2026-11-01", NOW, "since") == at(2026, 11, 1)
    assert parse_moment("0001-01-01", NOW, "since") == 0
    assert parse_moment("9999-12-31T23:59-23:59", NOW, "since") == 2**63 - 1


@given(st.integers(0, LONGEST_NS // SECOND))
def test_a_time_that_is_told_can_be_given_back(seconds):
    text = told(seconds * SECOND)
    assert parse_moment(text, NOW, "since") == seconds * SECOND


def test_no_time_is_told_as_none_and_one_beyond_all_calendars_as_it_is():
    assert told(None) is None
    assert told(2**80) == str(2**80)
