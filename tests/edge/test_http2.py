"""HTTP/2 on a socket: requests, answers, windows, and when a connection ends."""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.edge.http2_raw import GET, GRPC, RawHttp2, message, path
from tests.edge.parts import bench
from tests.processes import until
from tests.raw import Raw, get

from fairlead.edge import http2_frames as h2
from fairlead.edge import service
from fairlead.edge.front import http2


@pytest.fixture(scope="module")
def edge():
    with bench() as made:
        yield made


@pytest.fixture
def raw(edge):
    with RawHttp2(edge.port) as made:
        yield made


def works(raw: RawHttp2) -> bool:
    return raw.answer(raw.ask(GRPC, message(b"x")))["body"] == message(b"x")


# --- requests ---------------------------------------------------------------------------------


def test_a_plain_request_is_answered_as_over_http1(edge, raw):
    found = raw.answer(raw.ask(GET))
    with edge.connect() as old:
        same = old.ask(get("/plain"))
    assert found["body"] == same.body
    assert found["headers"][":status"] == "200"
    assert found["headers"]["content-type"] == "text/plain"
    assert found["headers"]["content-length"] == str(len(same.body))
    assert re.fullmatch(r"\w{3}, .* GMT", found["headers"]["date"])


def test_head_has_the_headers_of_get_and_no_body(raw):
    found = raw.answer(raw.ask([(n, "HEAD" if n == ":method" else v) for n, v in GET]))
    assert found["body"] == b""
    assert int(found["headers"]["content-length"]) > 0


def test_a_prediction_over_plain_http2_carries_its_usage_id(raw):
    lines = [(":method", "POST"), *path("/echo", GET)[1:], ("x-request-id", "seven")]
    found = raw.answer(raw.ask(lines, b"hello"))
    assert found["body"] == b"hello"
    assert found["headers"]["fairlead-usage-id"]
    assert found["headers"]["x-request-id"] == "seven"


def test_errors_have_the_shape_of_their_address(raw):
    assert raw.answer(raw.ask(path("/none", GET)))["headers"][":status"] == "404"
    lines = [(":method", "POST"), *path("/shut", GET)[1:]]
    assert raw.answer(raw.ask(lines, b"x"))["headers"][":status"] == "503"


def test_grpc_ends_with_trailers(raw):
    found = raw.answer(raw.ask(GRPC, message(b"hello")))
    assert found["body"] == message(b"hello")
    assert found["headers"]["content-type"] == "application/grpc"
    assert found["trailers"] == {"grpc-status": "0"}


def test_grpc_and_plain_addresses_do_not_meet(raw):
    assert raw.answer(raw.ask(path("/plain"), message(b"")))["headers"]["grpc-status"] == "12"
    plain = [(":method", "POST"), *path("/echo.Echo/Unary", GET)[1:]]
    assert raw.answer(raw.ask(plain, b"x"))["headers"][":status"] == "404"


@given(st.binary(max_size=300), st.lists(st.integers(0, 600), max_size=6))
def test_it_does_not_matter_how_frames_are_cut_into_segments(edge, body, cuts):
    with RawHttp2(edge.port, greet=False) as raw:
        number, head = raw.opening(GRPC)
        whole = b"".join(
            (h2.PREFACE, h2.settings([]), head, h2.frame(h2.DATA, 1, number, message(body)))
        )
        places = sorted({min(cut, len(whole)) for cut in cuts})
        for start, stop in zip([0, *places], [*places, len(whole)], strict=True):
            raw.send(whole[start:stop])
        assert raw.answer(number)["body"] == message(body)


@given(st.binary(max_size=200), st.integers(0, 40), st.lists(st.integers(1, 60), max_size=8))
def test_it_does_not_matter_how_a_body_is_cut_into_frames(edge, body, padding, sizes):
    with RawHttp2(edge.port) as raw:
        number, head = raw.opening(GRPC)
        rest, frames = message(body), []
        for size in sizes:
            part, rest = rest[:size], rest[size:]
            padded = bytes([padding]) + part + bytes(padding)
            frames.append(h2.frame(h2.DATA, h2.PADDED, number, padded))
        raw.send(head, *frames, h2.frame(h2.DATA, h2.END_STREAM, number, rest))
        assert raw.answer(number)["body"] == message(body)


@given(st.integers(1, 200))
def test_headers_may_be_continued_padded_and_prioritised(edge, size):
    with RawHttp2(edge.port) as raw:
        block = raw.block([*GRPC, ("x-more", "v" * 400)])
        first, rest = block[:size], block[size:]
        flags = h2.PADDED | h2.WITH_PRIORITY
        raw.send(h2.frame(h2.HEADERS, flags, 1, b"\3" + bytes(5) + first + bytes(3)))
        half = len(rest) // 2
        raw.send(
            h2.frame(h2.CONTINUATION, 0, 1, rest[:half]),
            h2.frame(h2.CONTINUATION, h2.END_HEADERS, 1, rest[half:]),
            h2.frame(h2.DATA, h2.END_STREAM, 1, message(b"x")),
        )
        assert raw.answer(1)["body"] == message(b"x")


def test_trailers_of_a_request_end_it_and_are_not_believed(raw):
    number, head = raw.opening(GRPC)
    trailers = raw.block([("authorization", "x"), ("x-y", "z")])
    raw.send(head, h2.frame(h2.DATA, 0, number, message(b"x")))
    raw.send(h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, number, trailers))
    assert raw.answer(number)["body"] == message(b"x")
    assert works(raw)


def test_a_head_that_was_kept_is_forgotten_when_the_table_changes(raw):
    for n in range(40):
        lines = [*GRPC, ("x-number", str(n))]
        for _ in range(2):
            assert raw.answer(raw.ask(lines, message(b"%d" % n)))["body"] == message(b"%d" % n)


def test_many_streams_are_answered_whatever_their_order(edge, raw):
    numbers = [raw.ask(path("/echo.Echo/Held"), message(b"%d" % n)) for n in range(10)]
    until(lambda: len(edge.path.held) == 10)
    for _ in numbers:
        edge.release(-1)
    bodies = {}
    while len(bodies) < 10:
        kind, _, stream, payload = raw.frame()
        if kind == h2.DATA:
            bodies[stream] = payload
    assert [*bodies] == numbers[::-1]
    assert [bodies[n] for n in numbers] == [message(b"%d" % n) for n in range(10)]


# --- windows ----------------------------------------------------------------------------------


def test_an_answer_waits_for_the_windows_and_goes_on_when_they_grow(raw):
    raw.send(h2.settings([(h2.FIRST_WINDOW, 10)]))
    number = raw.ask(GRPC, message(b"a" * 100))
    got = b""
    while len(got) < 105:
        kind, _, _, payload = raw.frame()
        if kind == h2.DATA:
            got += payload
            assert len(payload) <= 10
            raw.send(h2.frame(h2.WINDOW_UPDATE, 0, number, h2.number(len(payload))))
    assert got == message(b"a" * 100)


def test_a_window_that_grows_by_settings_lets_answers_go_on(raw):
    raw.send(h2.settings([(h2.FIRST_WINDOW, 0)]))
    number = raw.ask(GRPC, message(b"abc"))
    raw.send(h2.settings([(h2.FIRST_WINDOW, 100)]))
    assert raw.answer(number)["body"] == message(b"abc")


def test_a_large_message_arrives_whole_and_comes_back_whole(raw):
    body = bytes(range(256)) * 8_000
    raw.send(h2.settings([(h2.FIRST_WINDOW, 1 << 30)]))
    raw.send(h2.frame(h2.WINDOW_UPDATE, 0, 0, h2.number(1 << 30)))
    number, head = raw.opening(GRPC)
    raw.send(head)
    whole, at, room = message(body), 0, 256 << 10
    while at < len(whole):
        part = whole[at : at + min(16_384, room)]
        at += len(part)
        room -= len(part)
        raw.send(h2.frame(h2.DATA, h2.END_STREAM if at == len(whole) else 0, number, part))
        while room < 16_384 and at < len(whole):
            kind, _, stream, payload = raw.frame()
            if kind == h2.WINDOW_UPDATE and stream == number:
                room += int.from_bytes(payload)
    assert raw.answer(number)["body"] == whole


def test_frames_are_no_larger_than_the_other_side_takes(raw):
    number = raw.ask(GRPC, message(b"a" * 40_000))
    while True:
        kind, flags, _, payload = raw.frame()
        assert len(payload) <= 1 << 14
        if kind == h2.HEADERS and flags & h2.END_STREAM:
            break
    assert number == 1


# --- leaving ----------------------------------------------------------------------------------


def test_a_call_whose_stream_is_reset_has_nobody_waiting(edge, raw):
    number = raw.ask(path("/echo.Echo/Held"), message(b"x"))
    until(lambda: edge.path.held)
    raw.send(h2.frame(h2.RST_STREAM, 0, number, h2.number(h2.CANCEL)))
    until(lambda: edge.path.held[0].gone)
    edge.release()
    assert works(raw)


def test_a_call_whose_connection_is_lost_has_nobody_waiting(edge):
    with RawHttp2(edge.port) as raw:
        raw.ask(path("/echo.Echo/Held"), message(b"x"))
        until(lambda: edge.path.held)
    until(lambda: edge.path.held[0].gone)
    edge.release()


def test_a_ping_comes_back(raw):
    raw.send(h2.frame(h2.PING, 0, 0, b"12345678"))
    while (one := raw.frame()) is not None and one[0] != h2.PING:
        pass
    assert one == (h2.PING, h2.ACK, 0, b"12345678")


def test_what_is_not_known_changes_nothing(raw):
    raw.send(h2.frame(0x42, 0xFF, 0, b"x" * 100), h2.frame(h2.PRIORITY, 0, 1, bytes(5)))
    raw.send(h2.settings([(0x99, 7)]))
    assert works(raw)


def test_a_drained_connection_says_goodbye_and_answers_what_is_owed(monkeypatch):
    """Twice: what the other side sends before it has heard the first goodbye is taken too."""
    monkeypatch.setattr(service, "_LINGER_S", 0.0)

    def goodbye() -> int:
        while (one := raw.frame()) is not None and one[0] != h2.GOAWAY:
            pass
        assert one is not None
        return int.from_bytes(one[3][:4])

    with bench() as made, RawHttp2(made.port) as raw:
        number = raw.ask(path("/echo.Echo/Held"), message(b"x"))
        until(lambda: made.path.held)
        made.call(made.service.drain)
        made.call(made.service.end_idle)
        assert goodbye() == h2.LARGEST_WINDOW
        late = raw.ask(path("/echo.Echo/Held"), message(b"y"))
        until(lambda: len(made.path.held) == 2)
        made.call(made.service.end_idle)
        assert goodbye() == late
        made.release()
        assert raw.answer(number)["body"] == message(b"x")
        made.release()
        assert raw.answer(late)["body"] == message(b"y")
        assert raw.frame() is None


def test_an_idle_connection_is_closed_with_a_goodbye():
    with bench(idle_s=0.05) as made, RawHttp2(made.port) as raw:
        assert works(raw)
        assert raw.goaway() == h2.NO_ERROR


def test_the_preface_may_come_in_pieces_and_http1_is_still_spoken(edge):
    with RawHttp2(edge.port, greet=False) as raw:
        for byte in h2.PREFACE:
            raw.send(bytes([byte]))
        raw.send(h2.settings([]))
        assert works(raw)
    with edge.connect() as old:
        assert old.ask(b"G", b"ET /plain HTTP/1.1\r\nHost: a\r\n\r\n").status == 200


def test_http1_on_a_port_of_http2_is_told_so(edge):
    listening = edge.loop.create_server(lambda: http2(edge.service, None), "127.0.0.1", 0)
    server = asyncio.run_coroutine_threadsafe(listening, edge.loop).result(20)
    port = server.sockets[0].getsockname()[1]
    with Raw(port) as old:
        answer = old.ask(b"GET /plain HTTP/1.1\r\nHost: a\r\n\r\n")
        assert answer.status == 505
        assert b"gRPC" in answer.body
    with RawHttp2(port) as raw:
        assert works(raw)
    edge.call(server.close)


def test_what_only_begins_like_grpc_is_another_protocol(raw):
    lines = [(n, v + "-web" if n == "content-type" else v) for n, v in GRPC]
    found = raw.answer(raw.ask(lines, message(b"x")))
    assert found["headers"][":status"] == "404"
    lines = [(n, v + "+proto" if n == "content-type" else v) for n, v in GRPC]
    assert raw.answer(raw.ask(lines, message(b"x")))["body"] == message(b"x")


def test_a_request_is_alone_unless_another_is_near(edge, raw):
    """Whoever is alone is answered at once; else calls that came together are joined."""
    found = []
    predict = edge.path.predict

    def looked(*given):
        found.append(edge.service.alone)
        predict(*given)

    edge.path.predict = looked
    until(lambda: edge.service.connections == 1)
    assert works(raw)
    assert found == [True]
    head, body = raw.block(GRPC), message(b"x")
    raw.send(
        *[
            h2.frame(h2.HEADERS, h2.END_HEADERS, n, head) + h2.frame(h2.DATA, 1, n, body)
            for n in (11, 13, 15)
        ]
    )
    assert raw.answer(15)["body"] == body
    assert found == [True, False, False, True]
    raw.next = 17
    raw.ask(path("/echo.Echo/Held"), message(b"x"))
    until(lambda: len(found) == 5)
    assert works(raw)
    assert found[4:] == [True, False]
    with RawHttp2(edge.port) as other:
        assert works(other)
        assert found[6:] == [False]
    edge.path.predict = predict
