"""Limits: what somebody writes is understood exactly, or refused with what is right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.allowance import (
    CALENDAR,
    DIMENSIONS,
    MOST,
    SECONDS,
    Cost,
    Limit,
    parse_limit,
    parse_limits,
)
from fairlead.core.errors import KeyFieldInvalid


@pytest.mark.parametrize(
    ("text", "limit", "name"),
    [
        ("requests=100/second", Limit("requests", 100, "second", 100), "requests-per-second"),
        ("rows=1000/minute:50", Limit("rows", 1000, "minute", 50), "rows-per-minute"),
        ("bytes=5/month", Limit("bytes", 5, "month"), "bytes-per-month"),
        ("compute_ms=9/day", Limit("compute_ms", 9, "day"), "compute-ms-per-day"),
        ("credits=7", Limit("credits", 7), "credits"),
        ("concurrency=8", Limit("concurrency", 8), "concurrency"),
    ],
)
def test_a_limit_is_read_and_written_the_same(text, limit, name):
    assert parse_limit(text) == limit
    assert str(limit) == text
    assert limit.name == name


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("requests", "cannot be read"),
        ("requests=-1/second", "cannot be read"),
        ("requests=1.5/second", "cannot be read"),
        ("requests=\u0661/second", "cannot be read"),
        ("requests=100/second\n", "cannot be read"),
        ("requests=0/second", "out of range"),
        (f"requests={MOST + 1}/second", "out of range"),
        ("tokens=1/second", "nothing of that name"),
        ("requests=1/year", "no such period"),
        ("requests=1", "no period"),
        ("concurrency=1/second", "has no period"),
        ("requests=1/day:5", "only a rate"),
        ("credits=1:5", "only a rate"),
        ("requests=1/second:0", "burst is out of range"),
    ],
)
def test_what_is_no_limit_is_refused_with_the_reason(text, says):
    with pytest.raises(KeyFieldInvalid, match="is no limit") as refused:
        parse_limit(text)
    assert says in refused.value.what
    assert refused.value.fix


def test_two_limits_that_count_the_same_are_refused():
    assert len(parse_limits(["rows=1/second", "rows=1/minute"])) == 2
    with pytest.raises(KeyFieldInvalid, match="the same thing"):
        parse_limits(["rows=1/second", "rows=2/second"])


@given(
    dimension=st.sampled_from(DIMENSIONS),
    amount=st.integers(1, MOST),
    period=st.sampled_from([*SECONDS, *CALENDAR, ""]),
    burst=st.integers(1, MOST),
)
def test_every_limit_that_is_taken_is_written_as_it_was(dimension, amount, period, burst):
    text = f"{dimension}={amount}" + (f"/{period}" if period else "")
    text += f":{burst}" if period in SECONDS and burst != amount else ""
    try:
        limit = parse_limit(text)
    except KeyFieldInvalid:
        assert (dimension == "concurrency") is bool(period)
        return
    assert str(limit) == text


def test_a_cost_is_never_negative():
    assert Cost(rows=3, size=40, compute_ns=5, credits=2).units == (1, 3, 40, 5, 1, 2)
    with pytest.raises(ValueError, match="never negative"):
        Cost(rows=-1)
