"""Compressed bodies: decoded within limits, whole or not at all; answers compressed if asked."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.edge.http2_raw import GET, RawHttp2, path
from tests.edge.parts import bench
from tests.raw import get, post

from fairlead.core.call import Reply
from fairlead.core.errors import BodyTooLarge, MalformedBody, MediaTypeUnsupported
from fairlead.edge.coding import coded, decoded, taken, wanted

SQUEEZE = {"gzip": gzip.compress, "deflate": zlib.compress}
BOMB = gzip.compress(bytes(2 << 20))


@pytest.fixture(scope="module")
def edge():
    with bench(body=1 << 20) as made:
        yield made


@given(st.binary(max_size=3000), st.sampled_from([*SQUEEZE]))
def test_what_is_compressed_comes_back(body, coding):
    assert decoded(SQUEEZE[coding](body), coding, 3000) == body


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (BOMB, BodyTooLarge),
        (gzip.compress(b"a" * 101), BodyTooLarge),
        (gzip.compress(b"a")[:-1], MalformedBody),
        (gzip.compress(b"a")[:-5] + b"\0\0\0\0\1", MalformedBody),
        (gzip.compress(b"a") + b"b", MalformedBody),
        (gzip.compress(b"a") * 2, MalformedBody),
        (zlib.compress(b"a"), MalformedBody),
        (b"", MalformedBody),
        (b"plain", MalformedBody),
    ],
    ids=["bomb", "long", "cut", "sum", "more", "twice", "coding", "nothing", "plain"],
)
def test_a_body_that_is_not_right_is_refused(body, error):
    with pytest.raises(error):
        decoded(body, "gzip", 100)


@pytest.mark.parametrize(
    ("given_", "coding"),
    [("", ""), ("identity", ""), ("GZIP", "gzip"), ("x-gzip", "gzip"), ("deflate", "deflate")],
)
def test_codings_that_are_taken(given_, coding):
    assert taken(given_) == coding


@pytest.mark.parametrize("given_", ["br", "gzip, gzip", "gzip,deflate", "zstd", "gzip;q=1"])
def test_codings_that_are_not_taken(given_):
    with pytest.raises(MediaTypeUnsupported):
        taken(given_)


@pytest.mark.parametrize(
    ("given_", "coding"),
    [
        ("", ""),
        ("br", ""),
        ("gzip", "gzip"),
        ("br, deflate;q=0.5", "deflate"),
        ("gzip;q=0, deflate", "deflate"),
        ("gzip; q=0.0, *", ""),
        ("*", ""),
        ("identity", ""),
    ],
)
def test_an_answer_is_compressed_as_its_caller_takes_it(given_, coding):
    assert wanted(given_) == coding


@pytest.mark.parametrize("size", [0, 1023, (4 << 20) + 1])
def test_answers_that_gain_nothing_or_take_long_stay_as_they_are(size):
    assert coded(Reply(200, bytes(size)), "gzip") is None


def test_the_tail_of_an_answer_is_compressed_with_it():
    made = coded(Reply(200, b"a" * 1000), "gzip", (memoryview(b"b" * 100), b"c"))
    assert made is not None
    assert gzip.decompress(made.body) == b"a" * 1000 + b"b" * 100 + b"c"


@pytest.mark.parametrize("coding", SQUEEZE)
def test_a_compressed_request_is_answered(edge, coding):
    body = b"abc" * 1000
    with edge.connect() as raw:
        sent = post("/echo", SQUEEZE[coding](body), f"content-encoding: {coding}")
        for _ in range(2):  # the second head is remembered
            assert raw.ask(sent).body == body
        sent = post("/echo", SQUEEZE[coding](b"echo"), f"content-encoding: {coding}")
        assert raw.ask(sent.replace(b"/echo", b"/named", 1)).body == b"echo"


def test_a_compressed_request_that_is_not_right_is_refused_and_the_next_is_answered(edge):
    with edge.connect() as raw:
        for body, status in ((BOMB, 413), (b"plain", 400)):
            assert raw.ask(post("/echo", body, "content-encoding: gzip")).status == status
        assert raw.ask(post("/echo", b"x", "content-encoding: br")).status == 415
        assert raw.ask(post("/echo", b"next")).body == b"next"


def test_an_answer_is_compressed_and_says_so(edge):
    body = b"abc" * 1000
    with edge.connect() as raw:
        answer = raw.ask(post("/echo", body, "accept-encoding: gzip", "x-request-id: seven"))
        assert answer.header("content-encoding") == "gzip"
        assert answer.header("vary") == "accept-encoding"
        assert answer.header("x-request-id") == "seven"
        assert answer.header("fairlead-usage-id")
        assert gzip.decompress(answer.body) == body
        assert raw.ask(post("/echo", b"short", "accept-encoding: gzip")).body == b"short"
        plain = raw.ask(get("/plain?" + "x" * 2000, "accept-encoding: gzip"))
        assert plain.header("content-encoding") == ""


def test_http2_has_the_same_codings(edge):
    body = b"abc" * 1000
    lines = [(":method", "POST"), *path("/echo", GET)[1:]]
    with RawHttp2(edge.port) as raw:
        both = [*lines, ("content-encoding", "gzip"), ("accept-encoding", "gzip")]
        found = raw.answer(raw.ask([*both, ("x-request-id", "seven")], gzip.compress(body)))
        assert gzip.decompress(found["body"]) == body
        assert found["headers"]["content-encoding"] == "gzip"
        assert found["headers"]["x-request-id"] == "seven"
        found = raw.answer(raw.ask([*lines, ("content-encoding", "gzip")], BOMB))
        assert found["headers"][":status"] == "413"
