"""The trace of a caller: what is kept, what is replaced, and that no request is refused for it."""

import re
from contextlib import suppress

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.edge.http2_raw import GET, GRPC, RawHttp2, message
from tests.edge.parts import bench
from tests.raw import Answer, chunked, get, post

from fairlead.edge.trace import trace_of

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
GOOD = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
MALFORMED = [
    "", "x", PARENT.upper(), PARENT + "-more", PARENT[:-1], PARENT.replace("-", "_"),
    f"00-{'0' * 32}-00f067aa0ba902b7-01", f"00-{TRACE}-{'0' * 16}-01", PARENT + ", " + PARENT,
    "ff" + PARENT[2:], "0" + PARENT, PARENT.replace("a", "\xe4"), "z" * 8000,
]  # fmt: skip


@pytest.fixture(scope="module")
def edge():
    with bench() as made:
        yield made


@given(st.text(max_size=70) | st.from_regex(GOOD, fullmatch=True))
def test_whatever_is_sent_what_comes_of_it_is_a_trace(text):
    kept = trace_of(text)
    assert GOOD.fullmatch(kept)
    assert (kept == text) == bool(GOOD.fullmatch(text))


@pytest.mark.parametrize("bad", [*MALFORMED, PARENT + "\n", "\0" + PARENT])
def test_a_malformed_one_is_replaced_by_a_new_one_each_time(bad):
    one, two = trace_of(bad), trace_of(bad)
    assert GOOD.fullmatch(one)
    assert GOOD.fullmatch(two)
    assert len({one[3:35], two[3:35], TRACE}) == 3


@pytest.mark.parametrize("more", ["", "-", "-what-comes-later"])
def test_a_later_version_is_read_as_far_as_it_is_known(more):
    assert trace_of(f"cc-{TRACE}-00f067aa0ba902b7-ff{more}") == PARENT
    assert trace_of(f"01-{TRACE}-00f067aa0ba902b7-02{more}") == PARENT[:-1] + "0"


def told(answer: Answer) -> str:
    return answer.header("traceparent")


@pytest.mark.parametrize("name", ["traceparent", "TraceParent", "TRACEPARENT"])
def test_it_is_on_every_answer_of_http1(edge, name):
    header = f"{name}: {PARENT}"
    with edge.connect() as raw:
        for request, status in [
            (post("/echo", b"1", header, "tracestate: a=1"), 200),
            (get("/plain", header, "tracestate: a=1", "tracestate: b=2"), 200),
            (get("/breaks", header), 500),
            (get("/nothing", header, "x-request-id: a"), 404),
            (post("/shut", b"1", header), 503),
            (post("/echo", b"1", header, "x-request-id: no good"), 400),
            (chunked("/echo", b"1").replace(b"Host: test", f"Host: a\r\n{header}".encode()), 200),
        ]:
            for _ in range(2):
                answer = raw.ask(request)
                assert (answer.status, told(answer)) == (status, PARENT)
        assert told(raw.ask(post("/echo", b"1"))) == ""
        assert told(raw.ask(get("/plain"))) == ""
        answer = raw.ask(get("/plain", header, "A: b", "A b"))
        assert (answer.status, told(answer)) == (400, PARENT)


@pytest.mark.parametrize("bad", MALFORMED)
def test_no_request_is_refused_for_it_and_the_next_has_another(edge, bad):
    with edge.connect() as raw:
        found = [raw.ask(post("/echo", b"1", f"traceparent: {bad}")) for _ in range(3)]
    assert [answer.status for answer in found] == [200] * 3
    assert len({told(answer) for answer in found}) == 3
    assert all(GOOD.fullmatch(told(answer)) for answer in found)


def test_one_that_comes_twice_is_replaced(edge):
    twice = (f"traceparent: {PARENT}", f"Traceparent: {PARENT}")
    with edge.connect() as raw:
        found = [told(raw.ask(post("/echo", b"1", *twice))) for _ in range(3)]
    assert len({*found, PARENT}) == 4


def test_a_head_is_remembered_without_it():
    with bench() as edge, edge.connect() as raw:
        for number in range(1, 50):
            parent = f"00-{number:032x}-{number:016x}-01"
            sent = post("/echo", b"1", f"traceparent: {parent}", f"tracestate: a={number}")
            assert told(raw.ask(sent)) == parent
        kept = edge.call(lambda: list(edge.service.heads.exact))
        heads = edge.path.heads
    assert kept == [post("/echo", b"1")[:-1]]
    assert not [head for head in heads if {"traceparent", "tracestate"} & {*head.headers}]


def test_it_is_on_every_answer_of_http2(edge):
    with RawHttp2(edge.port) as raw:
        for lines, body in [(GET, b""), (GRPC, message(b"x"))]:
            for _ in range(2):
                found = raw.answer(raw.ask([*lines, ("traceparent", PARENT)], body))
                assert found["headers"]["traceparent"] == PARENT
            assert "traceparent" not in raw.answer(raw.ask(lines, body))["headers"]


def test_a_broken_one_that_comes_again_over_http2_is_replaced_again(edge):
    with RawHttp2(edge.port) as raw:
        lines = [*GET, ("traceparent", "no")]
        found = [raw.answer(raw.ask(lines))["headers"]["traceparent"] for _ in range(4)]
    assert len({*found, "no"}) == 5


@pytest.mark.parametrize("method", ["Unary", "Each", "Nothing"])
def test_it_is_in_the_metadata_of_grpc(edge, method):
    sent = [("traceparent", PARENT), ("x-request-id", "seven")]
    with grpc.insecure_channel(f"127.0.0.1:{edge.port}") as channel:
        ask = channel.stream_stream(f"/echo.Echo/{method}")
        call = ask(iter([b"x"]), metadata=sent, timeout=20)
        with suppress(grpc.RpcError):
            list(call)  # the trailers come behind all messages
        metadata = {**dict(call.initial_metadata()), **dict(call.trailing_metadata())}
    assert metadata["traceparent"] == PARENT
    assert metadata["x-request-id"] == "seven"


def test_a_fault_of_ours_is_logged_with_it(edge):
    with edge.connect() as raw:
        raw.ask(get("/breaks", f"traceparent: {PARENT}", "x-request-id: seven"))
    event, fields = edge.logged[-1]
    assert event == "route_failed"
    assert (fields["traceparent"], fields["request_id"]) == (PARENT, "seven")
