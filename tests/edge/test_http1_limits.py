"""HTTP/1.1 on a socket: limits, and bytes that are no request or mean two things."""

import pytest
from tests.edge.parts import bench, refused
from tests.raw import chunked, get, post


@pytest.fixture(scope="module")
def edge():
    with bench() as made:
        yield made


@pytest.fixture
def fresh():
    with bench() as made:
        yield made


# --- limits ---------------------------------------------------------------------------------


def test_the_longest_address_is_taken_and_the_next_is_a_414(edge):
    longest = "/plain?" + "q" * ((8 << 10) - len("/plain?"))
    with edge.connect() as raw:
        assert raw.ask(get(longest)).status == 200
        answer = raw.ask(get(longest + "q"))
        refused(answer, 414, "URL_TOO_LONG")
        assert raw.ended()


def test_the_most_headers_are_taken_and_the_next_is_a_431(edge):
    with edge.connect() as raw:
        assert raw.ask(get("/plain", *[f"A{i}: b" for i in range(99)])).status == 200
        refused(raw.ask(get("/plain", *[f"A{i}: b" for i in range(100)])), 431, "HEAD_TOO_LARGE")
        assert raw.ended()


def test_the_largest_head_is_taken_and_a_larger_one_is_a_431(edge):
    fits = (32 << 10) - len("Host") - len("test") - 4 - len("A") - 4
    with edge.connect() as raw:
        assert raw.ask(get("/plain", "A: " + "b" * fits)).status == 200
        refused(raw.ask(get("/plain", "A: " + "b" * (fits + 1))), 431, "HEAD_TOO_LARGE")
        assert raw.ended()


@pytest.mark.parametrize("part", [b"GET /plain HTTP/1.1\r\nHost: a\r\nA: ", b"GET /plain?"])
def test_a_head_that_never_ends_is_not_buffered(edge, part):
    with edge.connect() as raw:
        raw.send(part)
        raw.clog(b"b" * 1000)
        answer = raw.read()
        assert answer.status in (414, 431)
        assert raw.ended()


def test_a_burst_of_requests_whose_last_is_cut_is_no_large_head(edge):
    """The size of a head is its own, not that of the segment in which it began."""
    many = post("/echo", b"1") * 2000
    with edge.connect() as raw:
        raw.send(many + many[:30])
        assert all(raw.read().body == b"1" for _ in range(2000))
        assert raw.ask(many[30:]).body == b"1"


def test_the_largest_body_is_taken_and_a_larger_one_is_a_413():
    with bench(body=1000) as made, made.connect() as raw:
        assert len(raw.ask(post("/echo", b"x" * 1000)).body) == 1000
        refused(raw.ask(post("/echo", b"x" * 1001)), 413, "BODY_TOO_LARGE")
        assert len(raw.ask(chunked("/echo", b"x" * 600, b"x" * 400)).body) == 1000
        refused(raw.ask(chunked("/echo", b"x" * 600, b"x" * 401)), 413, "BODY_TOO_LARGE")
        assert raw.ended()


def test_the_most_chunks_are_taken_and_one_more_is_a_413():
    with bench(chunks=10) as made, made.connect() as raw:
        assert raw.ask(chunked("/echo", *[b"x"] * 9)).body == b"x" * 9
        refused(raw.ask(chunked("/echo", *[b"x"] * 10)), 413, "BODY_TOO_LARGE")
        assert raw.ended()


@pytest.mark.parametrize("length", [(64 << 20) + 1, 1 << 40, (1 << 63) - 1])
def test_a_length_beyond_the_limit_is_refused_before_the_body(edge, length):
    with edge.connect() as raw:
        head = f"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n".encode()
        answer = raw.ask(head)
        refused(answer, 413, "BODY_TOO_LARGE")
        assert answer.closes


def test_a_refused_caller_that_goes_on_sending_still_gets_its_answer(edge):
    head = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n"
    with edge.connect() as raw:
        raw.send(head + b"x" * (512 << 10), b"x" * (256 << 10))
        refused(raw.read(), 413, "BODY_TOO_LARGE")
        assert raw.ended()


def test_a_refused_caller_that_never_stops_is_cut_off(edge):
    head = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n"
    with edge.connect() as raw:
        raw.send(head)
        assert raw.clog(b"x" * (64 << 10), 30) < 64 << 20


# --- what is no HTTP, and what means two things ---------------------------------------------

SMUGGLED = post("/echo", b"smuggled")
LENGTH, CHUNKS = "Content-Length: 5", "Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    "bad",
    [
        get("/echo", LENGTH, CHUNKS, method="POST") + b"0\r\n\r\n",
        get("/echo", CHUNKS, LENGTH, method="POST") + b"0\r\n\r\n",
        get("/echo", LENGTH, LENGTH, method="POST") + b"hello",
        get("/echo", LENGTH, "Content-Length: 6", method="POST") + b"hello",
        get("/echo", "Content-Length: 5, 5", method="POST") + b"hello",
        get("/echo", "Content-Length : 5", method="POST") + b"hello",
        get("/echo", "Content-Length: +5", method="POST") + b"hello",
        get("/echo", "Content-Length: -5", method="POST") + b"hello",
        get("/echo", "Content-Length: 0x5", method="POST") + b"hello",
        get("/echo", "Content-Length: 5e0", method="POST") + b"hello",
        get("/echo", "Content-Length:", method="POST") + b"hello",
        get("/echo", "Content-Length: 5 5", method="POST") + b"hello",
        get("/echo", "Content-Length: 99999999999999999999", method="POST") + b"hello",
        get("/echo", "Transfer-Encoding: xchunked", method="POST") + b"0\r\n\r\n",
        get("/echo", "Transfer-Encoding: chunked, identity", method="POST") + b"0\r\n\r\n",
        get("/echo", "Transfer-Encoding: gzip, chunked", method="POST") + b"0\r\n\r\n",
        get("/echo", "Transfer-Encoding: identity", method="POST") + b"0\r\n\r\n",
        get("/echo", CHUNKS, CHUNKS, method="POST") + b"0\r\n\r\n",
        get("/echo", "Transfer-Encoding:\x0bchunked", method="POST") + b"0\r\n\r\n",
        get("/echo", " Transfer-Encoding: chunked", method="POST") + b"0\r\n\r\n",
        get("/echo", "Transfer-Encoding:\r\n chunked", method="POST") + b"0\r\n\r\n",
        post("/echo", SMUGGLED, "Connection: Upgrade", "Upgrade: h2c"),
        get("/echo", CHUNKS, "Connection: Upgrade", "Upgrade: websocket", method="POST"),
        get("/echo", "A: b\r\n c", method="POST"),
        get("/echo", "A: b\rc", method="POST"),
        get("/echo", "A: b\nc: d", method="POST"),
        get("/echo", "A: b\x00c", method="POST"),
        get("/echo", "A: \x1b[31m", method="POST"),
        get("/echo", "A", method="POST"),
        get("/echo", ": a", method="POST"),
        get("/echo", "A b: c", method="POST"),
        b"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: a\r\n"
        + CHUNKS.encode()
        + b"\r\n\r\n5;a\rb\r\nhello\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: a\r\n" + CHUNKS.encode() + b"\r\n\r\n5\nhello\n0\n\n",
        b"POST /echo HTTP/1.1\r\nHost: a\r\n"
        + CHUNKS.encode()
        + b"\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: a\r\n"
        + CHUNKS.encode()
        + b"\r\n\r\n5 \r\nhello\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: a\r\n"
        + CHUNKS.encode()
        + b"\r\n\r\n-1\r\nhello\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: a\r\n"
        + CHUNKS.encode()
        + b"\r\n\r\n4\r\nhello\r\n0\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: a\r\n" + CHUNKS.encode() + b"\r\n\r\n" + b"f" * 17 + b"\r\n",
        b"POST /echo HTTP/1.1\nHost: a\nContent-Length: 5\n\nhello",
        b"POST /echo HTTP/1.1\r\nHost: a\nContent-Length: 5\r\n\r\nhello",
        b"GET /plain HTTP/1.1\r\n\r\n",
        b"GET /plain HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET /plain HTTP/1.1\r\nHost:\r\n\r\n",
        b"GET /plain HTTP/1.1\r\nHost: a/../admin?\r\n\r\n",
        b"GET /plain HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET /plain HTTP/1.1\r\nHost: a@b\r\n\r\n",
        b"GET /plain\r\n\r\n",
        b"GET /plain HTTP/2.0\r\nHost: a\r\n\r\n",
        b"GET /plain HTTP/1.2\r\nHost: a\r\n\r\n",
        b"GET /plain HTTP/0.9\r\nHost: a\r\n\r\n",
        b"GET http://a/plain HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET plain HTTP/1.1\r\nHost: a\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /pl\xe4in HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /pl ain HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /pl\x00ain HTTP/1.1\r\nHost: a\r\n\r\n",
        b"get /plain HTTP/1.1\r\nHost: a\r\n\r\n",
        b"FETCH /plain HTTP/1.1\r\nHost: a\r\n\r\n",
        b" GET /plain HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x80\x04\x95pickle",
        b"hello",
    ],
    ids=lambda bad: repr(bad)[2:70],
)
def test_what_is_no_plain_request_is_a_400_and_nothing_after_it_runs(fresh, bad):
    with fresh.connect() as raw:
        answer = raw.ask(bad + SMUGGLED)
        refused(answer, 400, "HEAD_INVALID")
        assert answer.closes
        assert raw.ended()
    assert b"smuggled" not in fresh.path.seen
    assert fresh.wire.plain == 0


def test_chunk_extensions_are_passed_over(edge):
    body = b'5;a=b;c="d"\r\nhello\r\n0;x\r\n\r\n'
    head = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with edge.connect() as raw:
        assert raw.ask(head + body).body == b"hello"


def test_a_content_coding_that_is_not_known_is_a_415(edge):
    for coding in ("zstd", "br", "gzip, gzip", "x" * 1000):
        with edge.connect() as raw:
            answer = raw.ask(post("/echo", b"hello", f"Content-Encoding: {coding}"))
            refused(answer, 415, "MEDIA_TYPE_UNSUPPORTED")
    with edge.connect() as raw:
        assert raw.ask(post("/echo", b"hello", "Content-Encoding: identity")).status == 200
