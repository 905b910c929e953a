"""Forms of files are read as browsers write them, within bounds."""

from __future__ import annotations

from contextlib import suppress

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import FairleadError, MalformedBody, TooManyRows
from fairlead.inputs.multipart import Part, parts_of

TYPE = "multipart/form-data; boundary=xx"
HEAD = b'--xx\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=5))
def test_what_a_client_sends_comes_back(contents):
    files = [("image", (f"{i}.png", raw)) for i, raw in enumerate(contents)]
    request = httpx.Request("POST", "http://x", files=files)
    found = parts_of(request.read(), request.headers["content-type"], 10)
    assert found == [Part("image", raw) for raw in contents]


BROKEN = {
    "no boundary": (b"", "multipart/form-data"),
    "other boundary": (b"--yy\r\n", TYPE),
    "no end": (HEAD + b"abc", TYPE),
    "no head": (b"--xx\r\nabc\r\n--xx--", TYPE),
    "no name": (b"--xx\r\nContent-Type: a/b\r\n\r\nabc\r\n--xx--", TYPE),
    "empty": (b"", TYPE),
}


@pytest.mark.parametrize(("body", "media"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_form_is_refused(body, media):
    with pytest.raises(MalformedBody):
        parts_of(body, media, 10)


def test_more_parts_than_rows_are_refused():
    body = (HEAD + b"abc\r\n") * 5 + b"--xx--\r\n"
    assert len(parts_of(body, TYPE, 5)) == 5
    with pytest.raises(TooManyRows):
        parts_of(body, TYPE, 4)


@given(st.binary(max_size=300))
def test_whatever_comes_is_parts_or_an_error(raw):
    with suppress(FairleadError):
        assert len(parts_of(b"--xx" + raw, TYPE, 10)) <= 10
