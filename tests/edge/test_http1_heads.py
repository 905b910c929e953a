"""HTTP/1.1 on a socket: the caller's id and patience, and heads that are remembered."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.edge.parts import Bench, bench, refused
from tests.processes import until
from tests.raw import Raw, chunked, get, post


@pytest.fixture(scope="module")
def edge():
    with bench() as made:
        yield made


@pytest.fixture
def fresh():
    with bench() as made:
        yield made


# --- the caller's id and patience -----------------------------------------------------------

CHUNKS = "Transfer-Encoding: chunked"
ID = "Req-1.2_3~4:5/6+7=8@9|0"


@pytest.mark.parametrize("name", ["X-Request-Id", "x-request-id", "X-REQUEST-ID"])
@pytest.mark.parametrize("around", ["{}", " {}", "\t {} \t"])
def test_the_callers_id_is_on_every_answer(edge, name, around):
    header = f"{name}:{around.format(ID)}"
    with edge.connect() as raw:
        for request, status in [
            (post("/echo", b"1", header), 200),
            (get("/plain", header), 200),
            (get("/breaks", header), 500),
            (get("/nothing", header), 404),
            (get("/echo", header), 405),
            (post("/shut", b"1", header), 503),
            (chunked("/echo", b"1").replace(b"Host: test", f"Host: a\r\n{header}".encode()), 200),
        ]:
            for _ in range(2):
                answer = raw.ask(request)
                assert (answer.status, answer.header("x-request-id")) == (status, ID)
        assert raw.ask(post("/echo", b"1")).header("x-request-id") == ""


def test_the_callers_id_is_on_an_answer_that_ends_the_connection(edge):
    for request, status in [
        (post("/shut", b"1", f"X-Request-Id: {ID}", "Expect: 100-continue"), 503),
        (get("/plain", f"X-Request-Id: {ID}", "A: b", "A"), 400),
        (post("/echo", b"1", f"X-Request-Id: {ID}", "Connection: close"), 200),
        (get("/echo", f"X-Request-Id: {ID}", CHUNKS, method="POST") + b"x\r\n", 400),
    ]:  # fmt: skip
        with edge.connect() as raw:
            answer = raw.ask(request)
            assert (answer.status, answer.header("x-request-id")) == (status, ID)
            assert raw.ended()


@pytest.mark.parametrize(
    "bad",
    ["", "a b", "a\tb", "a" * 129, "\xe4", 'a"b', "<a>", "a;b", "{}", "%0d%0aSet-Cookie:1", "a,b"],
)
def test_an_id_of_other_letters_is_refused_and_not_repeated(edge, bad):
    with edge.connect() as raw:
        for _ in range(2):
            answer = raw.ask(post("/echo", b"1", f"X-Request-Id: {bad}"))
            refused(answer, 400, "PARAMETER_INVALID")
            assert answer.header("x-request-id") == ""
            assert raw.ask(post("/echo", b"1")).status == 200


def test_an_id_given_twice_is_refused(edge):
    for more in ("b", ID):
        with edge.connect() as raw:
            assert raw.ask(post("/echo", b"1")).status == 200
            answer = raw.ask(post("/echo", b"1", f"X-Request-Id: {ID}", f"X-Request-Id: {more}"))
            refused(answer, 400, "HEAD_INVALID")


@pytest.mark.parametrize(
    ("asked", "given_s"),
    [("1500", 1.5), ("0", 0), ("29999", 29.999), ("300000", 300), ("300001", 300), ("9" * 18, 300)],
)
def test_a_caller_may_ask_for_less_time_or_for_more_up_to_the_limit(fresh, asked, given_s):
    with fresh.connect() as raw:
        for _ in range(2):
            assert raw.ask(post("/echo", b"1", f"X-Request-Timeout: {asked}")).status == 200
            assert raw.ask(post("/echo", b"1")).status == 200
    assert fresh.path.patience == pytest.approx([given_s, 30] * 2)


@pytest.mark.parametrize(
    "bad", ["", "-1", "+1", "1.5", "1e3", "9" * 19, "0x10", "1s", "\xb2", "nan"]
)
def test_a_timeout_that_is_no_count_of_milliseconds_is_refused(edge, bad):
    with edge.connect() as raw:
        for _ in range(2):
            answer = raw.ask(post("/echo", b"1", f"X-Request-Timeout: {bad}"))
            refused(answer, 400, "PARAMETER_INVALID")
            assert raw.ask(post("/echo", b"1")).status == 200


# --- heads that are remembered --------------------------------------------------------------

HEADERS = st.sampled_from(
    ["Host: test", "X-Request-Id: a", "x-request-id:b", "X-Request-Id: \xe4", "Connection: close",
     "X-Request-Timeout: 7", "X-Request-Timeout: x", "Connection: keep-alive", "Content-Length: 3",
     "Content-Length: 4", "Transfer-Encoding: chunked", "Expect: 100-continue", "Upgrade: h2c",
     "Connection: upgrade", "A: b", "a: b", "A: \r\n b", "Accept: */*", "Host: test2",
     "Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "tracestate: a=1"]
)  # fmt: skip
LINES = st.sampled_from(
    ["GET /plain HTTP/1.1", "HEAD /plain HTTP/1.1", "POST /echo HTTP/1.1", "POST /shut HTTP/1.1",
     "GET /plain HTTP/1.0", "GET  /plain HTTP/1.1", "POST /echo?a=b HTTP/1.1", "GET /echo HTTP/1.1"]
)  # fmt: skip
BODIES = st.sampled_from([b"", b"abc", b"abcd", b"3\r\nabc\r\n0\r\n\r\n", b"\r\n\r\n", b"\r\n"])


@st.composite
def requests(draw):
    before = draw(st.sampled_from([b"", b"", b"", b"\r\n", b"\r\n\r\n"]))
    headers = draw(st.lists(HEADERS, max_size=3, unique=True))
    host = ["Host: test"] if draw(st.integers(0, 9)) else []
    head = "\r\n".join([draw(LINES), *host, *headers, "", ""]).encode("latin-1")
    return before + head + draw(BODIES)


def everything(port: int, segments: list[bytes]) -> bytes:
    """All that a server answers to these segments, but for the date, until it ends."""
    with Raw(port) as raw:
        raw.send(*segments)
        # A request that is refused for sure: it ends the connection after all the others.
        raw.send(b"\r\n\r\n\x00")
        while raw._more():
            pass
        return re.sub(rb"date: [^\r]*\r\n", b"", raw._buffer)


@pytest.fixture(scope="module")
def forgetful():
    with bench(memory=False, head_s=0.2) as made:
        yield made


@pytest.fixture(scope="module")
def mindful():
    with bench(head_s=0.2) as made:
        yield made


@given(st.lists(requests(), min_size=1, max_size=5))
@settings(max_examples=300)
def test_a_remembered_head_means_what_it_meant(mindful, forgetful, segments):
    """The same segments get the same answers from an edge that remembers none."""
    for _ in range(2):
        assert everything(mindful.port, segments) == everything(forgetful.port, segments)


def heads(edge: Bench) -> list[bytes]:
    return edge.call(lambda: list(edge.service.heads.exact))


def test_a_head_is_remembered_without_the_callers_id_and_patience(fresh):
    with fresh.connect() as raw:
        for number in range(50):
            marks = (f"X-Request-Id: {number}", f"X-Request-Timeout: {1000 + number}")
            answer = raw.ask(post("/echo", b"1", *marks))
            assert answer.header("x-request-id") == str(number)
    assert heads(fresh) == [post("/echo", b"")[:-4].replace(b": 0", b": 1") + b"\r\n\r\n"]
    assert fresh.path.patience == pytest.approx([(1000 + n) / 1000 for n in range(50)])


@pytest.mark.parametrize(
    "request_",
    [
        b"\r\n" + post("/echo", b"1"),
        b"\r\n\r\n" + get("/plain"),
        post("/echo", b"1", "Expect: 100-continue"),
        post("/echo", b"1", "Connection: close"),
        post("/echo", b"1", "A: " + "b" * 3000),
        post("/shut", b"1"),
        get("/nothing"),
        chunked("/echo", b"1"),
        get("/plain", *[f"A{i}: b" for i in range(98)]),
    ],
    ids=lambda r: repr(r)[2:40],
)
def test_a_head_that_could_mean_something_else_is_not_remembered(fresh, request_):
    with fresh.connect() as raw:
        raw.send(request_)
        until(lambda: raw.read().status != 100)
    assert heads(fresh) == []


def test_a_blank_line_is_no_request(fresh):
    with fresh.connect() as raw:
        assert raw.ask(b"\r\n\r\n" + get("/plain")).status == 200
        raw.send(b"\r\n\r\n")
        assert raw.quiet(0.2)
    assert fresh.wire.plain == 1


def test_the_number_of_remembered_heads_is_bounded(fresh):
    with fresh.connect() as raw:
        for number in range(1100):
            raw.send(get(f"/plain?{number}"))
            assert raw.read().status == 200
    assert 0 < len(heads(fresh)) <= 1024
