"""Scopes and keys: what somebody writes is understood exactly, or refused with what is right."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.access.parts import NOW, made

from fairlead.core.access import (
    OF_A_MODEL,
    OPERATIONS,
    Scope,
    check,
    parse_network,
    parse_scope,
    parse_scopes,
)
from fairlead.core.errors import KeyFieldInvalid


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("predict:iris", Scope("predict", "iris")),
        ("predict:iris@3", Scope("predict", "iris", "3")),
        ("predict:iris@stable", Scope("predict", "iris", "stable")),
        ("predict:*", Scope("predict", "*")),
        ("predict:*@candidate", Scope("predict", "*", "candidate")),
        ("explain:a.b-c_1", Scope("explain", "a.b-c_1")),
        ("usage:read", Scope("usage:read")),
        ("admin:keys", Scope("admin:keys")),
    ],
)
def test_a_scope_is_read_and_written_the_same(text, scope):
    assert parse_scope(text) == scope
    assert str(scope) == text


def test_any_version_may_be_said_or_left_out():
    assert parse_scope("predict:iris@*") == parse_scope("predict:iris")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("predict", "no model"),
        ("predict:", "no model's name"),
        ("predict:iris@", "neither a version nor a label"),
        ("predict:iris@0", "neither a version nor a label"),
        ("predict:iris@03", "neither a version nor a label"),
        ("predict:iris@Stable", "neither a version nor a label"),
        ("predict:../x", "no model's name"),
        ("predict:a..b", "no model's name"),
        ("predict:ir*", "no model's name"),
        ("predict:iris\n", "no model's name"),
        ("predict:írís", "no model's name"),
        ("predict:iris:x", "no model's name"),
        ("Predict:iris", "no known operation"),
        ("admin:everything", "no known operation"),
        ("admin:*", "no known operation"),
        ("usage:read:iris", "no known operation"),
        ("*", "no known operation"),
        ("", "no known operation"),
        (" predict:iris", "no known operation"),
    ],
)
def test_what_is_no_scope_is_refused_with_the_reason(text, says):
    with pytest.raises(KeyFieldInvalid, match="is no scope") as refused:
        parse_scope(text)
    assert says in refused.value.what
    assert refused.value.where == "scopes"
    assert refused.value.fix


@given(st.text(max_size=40))
def test_no_text_is_a_scope_unless_it_is_written_as_one(text):
    """Whatever is taken says exactly itself, so nothing is taken for more than was written."""
    try:
        scope = parse_scope(text)
    except KeyFieldInvalid:
        return
    assert str(scope) == text.removesuffix("@*")
    assert (scope.operation in OF_A_MODEL) is bool(scope.model)


def test_the_operations_are_a_closed_set():
    assert OPERATIONS == (
        "predict", "explain", "feedback", "usage:read", "metrics:read",
        "admin:models", "admin:keys", "admin:audit",
    )  # fmt: skip


def test_a_scope_that_is_given_twice_is_kept_once():
    assert len(parse_scopes(["predict:a", "usage:read", "predict:a@*"])) == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "key_short"),
        ("id", "key_'; DROP TABLE key --"),
        ("lineage", ""),
        ("name", ""),
        ("name", "two\nlines"),
        ("name", " space"),
        ("name", "x" * 101),
        ("name", "\x1b[31mred"),
        ("tenant", ""),
        ("tenant", "a/b"),
        ("tenant", "a" * 65),
        ("kind", "root"),
        ("scopes", ()),
        ("scopes", (Scope("predict", "a b"),)),
        ("disclosure", "everything"),
        ("plan", "gold plan"),
        ("ending", "abc"),
        ("expires_ns", NOW),
        ("origins", ("example.org",)),
        ("origins", ("https://example.org/path",)),
        ("origins", ("*",)),
        ("origins", ("null",)),
        ("networks", ("10.0.0.1/8",)),
        ("networks", ("everywhere",)),
    ],
)
def test_a_key_with_a_field_that_cannot_be_is_refused(field, value):
    key = made()[1].key
    assert check(key) is key
    with pytest.raises(KeyFieldInvalid):
        check(replace(key, **{field: value}))


def test_two_limits_of_one_kind_are_refused():
    limits = made(limits=["requests=1/second"])[1].key.limits
    with pytest.raises(KeyFieldInvalid):
        check(replace(made()[1].key, limits=limits * 2))


def test_a_network_with_bits_outside_its_mask_is_refused_and_an_address_is_taken():
    assert str(parse_network("10.0.0.1")) == "10.0.0.1/32"
    assert str(parse_network("2001:db8::/32")) == "2001:db8::/32"
    with pytest.raises(KeyFieldInvalid, match="bits outside its mask"):
        parse_network("10.0.0.1/8")


@given(
    revoked=st.none() | st.integers(0, 100),
    expires=st.none() | st.integers(0, 100),
    retires=st.none() | st.integers(0, 100),
    now=st.integers(0, 100),
)
def test_a_key_works_until_the_first_of_its_ends(revoked, expires, retires, now):
    key = replace(made()[1].key, revoked_ns=revoked, expires_ns=expires, retires_ns=retires)
    ended = revoked is not None or any(end is not None and now >= end for end in (expires, retires))
    assert (key.standing(now) != "works") is ended


def test_what_is_stored_shows_no_digest():
    stored = made()[1]
    assert repr(stored) == f"StoredKey({stored.key.id})"
