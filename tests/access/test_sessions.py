"""Who has signed in to pages: a cookie that nobody else can make, and forms that are ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.access.sessions import COOKIE, LIFETIME_S, Sessions

KEY, OTHER = "key_0123456789abcdef", "key_fedcba9876543210"
NOW, SECOND = 1_700_000_000_000_000_000, 1_000_000_000


def sessions(pepper: bytes = b"p" * 32) -> Sessions:
    return Sessions(lambda: pepper)


def headers(cookie: str) -> dict[str, str]:
    return {"cookie": f"other=1; {COOKIE}={cookie}; more=2"}


def test_whoever_has_shown_a_key_is_known_again_among_other_cookies():
    found = sessions().read(headers(sessions().of_key(KEY, NOW)), NOW)
    assert found is not None
    assert (found.key, found.token) == (KEY, "")


def test_a_session_ends_after_its_lifetime():
    cookie = sessions().of_key(KEY, NOW)
    last = NOW + LIFETIME_S * SECOND
    assert sessions().read(headers(cookie), last - SECOND) is not None
    assert sessions().read(headers(cookie), last) is None


def test_a_session_of_another_server_is_nothing_here():
    assert sessions(b"q" * 32).read(headers(sessions().of_key(KEY, NOW)), NOW) is None


@given(st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~-", max_size=80))
def test_nobody_else_can_make_a_session_of_a_key(cookie):
    found = sessions().read(headers(cookie), NOW)
    assert found is None or not found.key


@pytest.mark.parametrize("place", [0, 2, 10, 24, 28, -1])
def test_a_session_that_was_changed_anywhere_is_none(place):
    cookie = sessions().of_key(KEY, NOW)
    changed = list(cookie)
    changed[place] = "1" if changed[place] != "1" else "2"
    assert sessions().read(headers("".join(changed)), NOW) is None


def test_of_two_cookies_neither_is_believed():
    one, two = sessions().of_key(KEY, NOW), sessions().of_key(OTHER, NOW)
    both = {"cookie": f"{COOKIE}={one}; {COOKIE}={two}"}
    assert sessions().read(both, NOW) is None


def test_a_token_is_its_own_session():
    found = sessions().read(headers(sessions().of_token("aa.bb.cc")), NOW)
    assert found is not None
    assert (found.key, found.token) == ("", "aa.bb.cc")


def test_a_form_is_ours_in_its_own_session_alone():
    known = sessions()
    mine = known.read(headers(known.of_key(KEY, NOW)), NOW)
    other = known.read(headers(known.of_key(OTHER, NOW)), NOW)
    assert mine is not None
    assert other is not None
    assert known.is_ours(mine, known.form_seal(mine))
    assert not known.is_ours(other, known.form_seal(mine))
    assert known.form_seal(mine) != known.form_seal(mine)
    assert not known.is_ours(mine, "")
    assert not known.is_ours(mine, ".")
    assert not known.is_ours(mine, "\N{SNOWMAN}")
