"""Heads: what may be cut out of raw bytes, and what of it may be said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.raw import get

from fairlead.core.errors import BadParameter
from fairlead.edge.heads import (
    HeadParts,
    HttpLimits,
    is_request_id,
    patience,
    request_id,
    without_marks,
)

LIMITS = HttpLimits()
ALLOWED = "abcXYZ019._~:/+=@|-"


@given(st.text(ALLOWED, min_size=1, max_size=128))
def test_an_id_of_plain_letters_is_taken_as_it_is(text):
    assert request_id(text) == text


@given(st.text(max_size=10))
def test_an_id_that_is_taken_can_stand_in_a_header_and_in_a_log(text):
    if is_request_id(text):
        assert text
        assert text.isascii()
        assert text.isprintable()
        assert not set(text) & set("\"'\\<>{}() \t\r\n,;%")


@given(st.integers(0, 10**18 - 1))
def test_patience_is_what_is_asked_for_up_to_the_limit(milliseconds):
    assert patience(str(milliseconds), LIMITS) == min(milliseconds / 1000, LIMITS.request_max_s)


@given(st.text(max_size=20))
def test_patience_is_never_anything_but_digits(text):
    try:
        assert 0 <= patience(text, LIMITS) <= LIMITS.request_max_s
    except BadParameter:
        return
    assert text.isascii()
    assert text.isdigit()


def test_a_caller_that_does_not_say_has_the_usual_patience():
    assert patience(None, LIMITS) == LIMITS.request_s


@given(
    st.lists(st.sampled_from(["A: b", "x-request-idx: a", "Cookie: x-request-id: a"]), max_size=3),
    st.permutations(["X-Request-Id: 1", "x-request-TIMEOUT:2"]),
    st.data(),
)
def test_marks_are_cut_wherever_they_are_and_nothing_else_is(others, marks, data):
    lines = list(others)
    for mark in marks:
        lines.insert(data.draw(st.integers(0, len(lines))), mark)
    plain, found = without_marks(get("/plain", *lines))
    assert plain == get("/plain", *others)
    assert found == {"x-request-id": "1", "x-request-timeout": "2"}


@pytest.mark.parametrize(
    "raw",
    [
        get("/plain"),
        get("/plain", "X-Request-Id: 1", "x-request-id: 1"),
        get("/plain", "X-Request-Timeout: 1", "x-request-timeout: 2"),
        get("/x-request-id: 1"),
        b"X-Request-Id: 1",
        b"",
    ],
)
def test_where_there_is_no_single_mark_nothing_is_cut(raw):
    assert without_marks(raw) == (raw, {})


def test_a_mark_of_very_many_blanks_is_cut_at_once():
    raw = get("/plain", "X-Request-Id: a" + " " * (1 << 20) + "b")
    assert without_marks(raw)[0] == get("/plain")


def test_cookies_in_lines_of_their_own_are_read_as_in_one():
    parts = HeadParts()
    for name, value in (
        (b"cookie", b"a=b"),
        (b"cookie", b"c=d"),
        (b"accept", b"x"),
        (b"Accept", b"y"),
    ):
        parts.add(name, value, LIMITS)
    assert parts.headers == {"cookie": "a=b; c=d", "accept": "x, y"}
