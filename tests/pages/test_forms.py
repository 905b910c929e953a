"""What a form brings becomes the row that our own protocol takes, or an error names the value."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fairlead.access.sessions import Sessions
from fairlead.core.call import PUBLIC, Head, Route
from fairlead.core.errors import (
    BodyTooLarge,
    DtypeMismatch,
    MalformedBody,
    MediaTypeUnsupported,
    MissingField,
)
from fairlead.pages.control import PREFIX, Control
from fairlead.pages.forms import Form, form_of, row_of
from fairlead.wires.problem import error_reply

SESSIONS = Sessions(lambda: b"p" * 32)
PLAIN = "application/x-www-form-urlencoded"
NAMES = st.text(min_size=1, max_size=20)


def head(media: str) -> Head:
    route = Route(PUBLIC, error_reply)
    return Head("POST", "/x", "", {"content-type": media}, 0, True, route, 1.0)


def form(**texts: str) -> Form:
    return Form({PREFIX + name: text for name, text in texts.items()})


@given(st.dictionaries(NAMES, st.text(max_size=40), max_size=8))
def test_the_fields_of_a_form_are_what_was_entered(fields):
    found = form_of(head(PLAIN), urlencode(fields).encode(), SESSIONS)
    assert found.texts == fields


@given(name=NAMES, text=st.text(max_size=60).filter(lambda t: "\r\n--b" not in t))
def test_the_fields_of_parts_are_what_was_entered(name, text):
    written = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    # A name that holds such letters itself cannot be told apart, by any server.
    assume(written.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n") == name)
    assume("\\" not in name)
    body = f'--b\r\nContent-Disposition: form-data; name="{written}"\r\n\r\n{text}\r\n--b--'
    found = form_of(head("multipart/form-data; boundary=b"), body.encode(), SESSIONS)
    assert found.texts == {name: text}


def test_a_file_that_was_not_chosen_is_none():
    body = b'--b\r\nContent-Disposition: form-data; name="csv"; filename=""\r\n\r\n\r\n--b--'
    assert form_of(head("multipart/form-data; boundary=b"), body, SESSIONS).files == {}


@pytest.mark.parametrize(
    ("media", "body", "error"),
    [
        ("application/json", b"{}", MediaTypeUnsupported),
        ("", b"", MediaTypeUnsupported),
        (PLAIN, b"a=%ff", MalformedBody),
        (PLAIN, b"\xff=1", MalformedBody),
        (PLAIN, b"&".join([b"a=1"] * 5000), MalformedBody),
        (PLAIN, b"a=" + b"x" * (1 << 20), BodyTooLarge),
        ("multipart/form-data", b"--b--", MalformedBody),
        ("multipart/form-data; boundary=b", b"--b" + b"\r\n" * (1 << 20), BodyTooLarge),
    ],
)
def test_what_is_no_form_is_refused(media, body, error):
    with pytest.raises(error):
        form_of(head(media), body, SESSIONS)


def test_a_form_that_may_bring_files_is_as_large_as_they_are():
    begin = b'--b\r\nContent-Disposition: form-data; name="csv"; filename="f"\r\n\r\n'
    body = begin + b"x" * (1 << 20) + b"\r\n--b--"
    found = form_of(head("multipart/form-data; boundary=b"), body, SESSIONS, files=True)
    assert len(found.files["csv"]) == 1 << 20
    with pytest.raises(BodyTooLarge):
        form_of(head(PLAIN), b"a=" + b"x" * (1 << 20), SESSIONS, files=True)


@pytest.mark.parametrize(
    ("control", "text", "value"),
    [
        (Control("a", "number"), "4.5", 4.5),
        (Control("a", "number"), " 4 ", 4),
        (Control("a", "integer"), "-3", -3),
        (Control("a", "number", optional=True), "", None),
        (Control("a", "truth"), "true", True),
        (Control("a", "truth"), "false", False),
        (Control("a", "choice"), "red", "red"),
        (Control("a", "text"), "  two  ", "  two  "),
        (Control("a", "long"), "one\r\ntwo", "one\ntwo"),
        (Control("a", "json"), "[[1, 2], [3, 4]]", [[1, 2], [3, 4]]),
    ],
)
def test_a_value_becomes_what_a_row_holds(control, text, value):
    assert row_of(form(a=text), [control]) == {"a": value}


@pytest.mark.parametrize(
    ("control", "text", "error"),
    [
        (Control("a", "number"), "", MissingField),
        (Control("a", "number"), "4,5", DtypeMismatch),
        (Control("a", "number"), "NaN", DtypeMismatch),
        (Control("a", "number"), "1_000", DtypeMismatch),
        (Control("a", "json"), "[1,", DtypeMismatch),
        (Control("a", "json"), "[" * 100_000, DtypeMismatch),
        (Control("a", "picture"), "x", MissingField),
    ],
)
def test_a_value_that_is_none_names_its_column(control, text, error):
    with pytest.raises(error) as found:
        row_of(form(a=text), [control])
    assert found.value.where == "a"


def test_a_picture_travels_as_base64():
    given: Any = Form({}, {"picture.a": b"\x89PNG"})
    assert row_of(given, [Control("a", "picture")]) == {"a": "iVBORw=="}
