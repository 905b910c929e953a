"""Totals: every record is in exactly one row, whatever it is grouped by and wherever days begin."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.usage.test_ledger import WHOS, columns

from fairlead.core.errors import BadSetting, BadUsage
from fairlead.usage import journal
from fairlead.usage.journal import Journal, segments
from fairlead.usage.ledger import JOURNAL, open_ledger
from fairlead.usage.query import DIMENSIONS, totals

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]
_MOMENT = st.integers(
    int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()),
    int(datetime(2026, 11, 30, tzinfo=UTC).timestamp()),
)


def call(who=WHOS[0], status=0, decision=0):
    return (1, 10, 20, 1_500_000, status, decision, who, int(decision > 1))


def fill(state, place, written):
    """A ledger that holds these (second, model, version, call)."""
    writer = Journal(state / JOURNAL, "w")
    for second, model, version, one in written:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(journal, "wall_ns", lambda second=second: second * 10**9)
            writer.append(model, version, columns([one]))
    writer.close()
    book = open_ledger(state, place)
    for segment in segments(state / JOURNAL):
        while book.roll_up(segment):
            pass
    return closing(book)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


@settings(max_examples=25)
@given(moments=st.lists(_MOMENT, min_size=1, max_size=30), zone=st.sampled_from(ZONES))
def test_days_months_and_hours_are_those_of_the_zone(tmp_path_factory, moments, zone):
    state = tmp_path_factory.mktemp("state")
    place = ZoneInfo(zone)
    local = [datetime.fromtimestamp(moment, place) for moment in moments]
    with fill(state, None, [(moment, "m", 1, call()) for moment in moments]) as book:
        for unit, form in (("day", "%Y-%m-%d"), ("month", "%Y-%m")):
            found = {r[unit]: r["requests"] for r in totals(book.store, (unit,), zone)}
            assert found == Counter(moment.strftime(form) for moment in local)
        hours = {r["hour"]: r["requests"] for r in totals(book.store, ("hour",), zone)}
        # The offset is the moment's own: an hour may begin within a gap of its zone.
        stamps = [m.isoformat(timespec="minutes") for m in local]
        assert hours == Counter(f"{stamp[:14]}00{stamp[16:]}" for stamp in stamps)


def test_the_hour_that_comes_twice_is_two_hours_and_one_day(tmp_path, place):
    twice = [at("2026-10-25T00:30+00:00"), at("2026-10-25T01:30+00:00")]
    with fill(tmp_path, place, [(moment, "m", 1, call()) for moment in twice]) as book:
        hours = [r["hour"] for r in totals(book.store, ("hour",), "Europe/Berlin")]
        assert hours == ["2026-10-25T02:00+01:00", "2026-10-25T02:00+02:00"]
        (day,) = totals(book.store, ("day",), "Europe/Berlin")
        assert (day["day"], day["requests"]) == ("2026-10-25", 2)


WRITTEN = [
    (at("2026-10-31T22:59+00:00"), "a", 1, call(WHOS[0])),
    (at("2026-10-31T23:00+00:00"), "a", 2, call(WHOS[1], status=1, decision=3)),
    (at("2026-11-01T00:00+00:00"), "b", 1, call(WHOS[2], decision=1)),
    (at("2026-11-01T00:14+00:00"), "b", 1, call(WHOS[2], status=2)),
]


def test_every_combination_has_its_row_in_order(tmp_path, place):
    with fill(tmp_path, place, WRITTEN) as book:
        rows = totals(book.store, ("tenant", "model", "version", "status", "decision", "price"))
        assert [tuple(row.values())[:6] for row in rows] == [
            ("tenant0", "a", 1, "ok", "serve", "gold@0"),
            ("tenant0", "b", 1, "abandoned", "serve", "gold@2"),
            ("tenant0", "b", 1, "ok", "warn", "gold@2"),
            ("tenant1", "a", 2, "failed", "reject", "gold@1"),
        ]
        (whole,) = totals(book.store)
        assert whole == {
            "requests": 4, "rows": 4, "bytes_in": 40, "bytes_out": 80, "compute_ms": 6.0,
            "withheld": 1, "decisions": {"serve": 2, "warn": 1, "abstain": 0, "reject": 1},
        }  # fmt: skip


@pytest.mark.parametrize("by", [(name,) for name in DIMENSIONS])
def test_each_grouping_has_every_record_once(tmp_path, place, by):
    with fill(tmp_path, place, WRITTEN) as book:
        assert sum(row["requests"] for row in totals(book.store, by, "Asia/Tokyo")) == 4


@pytest.mark.parametrize(
    ("zone", "since", "until", "count"),
    [
        ("UTC", "2026-11-01", "", 2),
        ("UTC", "", "2026-11-01", 2),
        ("Europe/Berlin", "2026-11-01", "", 3),
        ("Europe/Berlin", "2026-11-01", "2026-11-01T01:00", 1),
        ("Europe/Berlin", "2026-11-01T00:00:00+00:00", "2026-12-01", 2),
        ("UTC", "2027-01-01", "", 0),
        ("UTC", "", "1999-01-01", 0),
        ("UTC", "2026-11-02", "2026-11-01", 0),
    ],
)
def test_from_and_until_are_days_and_times_of_the_zone(tmp_path, place, zone, since, until, count):
    with fill(tmp_path, place, WRITTEN) as book:
        (whole,) = totals(book.store, (), zone, since, until)
        assert whole["requests"] == count


@pytest.mark.parametrize(
    ("only", "count"),
    [
        ({"tenant": "tenant0"}, 3),
        ({"tenant": "tenant0", "model": "b"}, 2),
        ({"tenant": "' OR 1=1 --"}, 0),
        ({"key": "key1"}, 1),
        ({"model": "%"}, 0),
    ],
)
def test_one_tenant_or_model_alone_and_no_word_is_taken_for_sql(tmp_path, place, only, count):
    with fill(tmp_path, place, WRITTEN) as book:
        (whole,) = totals(book.store, only=only)
        assert whole["requests"] == count


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (BadUsage, {"by": ("colour",)}),
        (BadUsage, {"by": ("quarter; DROP TABLE usage",)}),
        (BadUsage, {"by": ("day", "day")}),
        (BadUsage, {"since": "yesterday"}),
        (BadUsage, {"since": "2026-11-25T08:10"}),
        (BadUsage, {"until": "99999-01-01"}),
        (BadSetting, {"zone_name": "Europe/Atlantis"}),
    ],
    ids=range(7),
)
def test_what_cannot_be_asked_is_refused(tmp_path, error, asked):
    with fill(tmp_path, None, WRITTEN) as book, pytest.raises(error):
        totals(book.store, **asked)


def test_an_empty_ledger_has_one_row_of_zeros_and_no_row_of_anything(tmp_path, place):
    with fill(tmp_path, place, []) as book:
        assert totals(book.store, ("day", "key")) == []
        assert totals(book.store)[0]["requests"] == 0


def test_a_clock_that_was_far_away_is_summed_as_it_was(tmp_path):
    """A record of 1970 and one of the year 2500: no range is too long to be asked."""
    far = int((datetime(2500, 1, 1, tzinfo=UTC) - timedelta(hours=1)).timestamp())
    with fill(tmp_path, None, [(0, "m", 1, call()), (far, "m", 1, call())]) as book:
        days = [row["day"] for row in totals(book.store, ("day",), "Europe/Berlin")]
        assert days == ["1970-01-01", "2500-01-01"]
