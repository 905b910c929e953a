"""Attacks on HTTP/2: each ends its own connection or stream, and nobody else's."""

from __future__ import annotations

import resource
from contextlib import suppress
from itertools import count

import pytest
from tests.edge.http2_raw import GET, GRPC, RawHttp2, message, path
from tests.edge.parts import bench
from tests.processes import until

from fairlead.core.clock import now
from fairlead.edge import http2_frames as h2


@pytest.fixture(scope="module")
def edge():
    with bench(body=1 << 20, head=16 << 10) as made:
        yield made


@pytest.fixture(autouse=True)
def others_are_served(edge):
    """Whatever a test does, a caller beside it is answered before, during and after."""
    with RawHttp2(edge.port) as beside:
        assert works(beside)
        yield
        assert works(beside)
    with RawHttp2(edge.port) as new:
        assert works(new)


def works(raw: RawHttp2) -> bool:
    return raw.answer(raw.ask(GRPC, message(b"x")))["body"] == message(b"x")


def flood(edge, *frames: bytes, times: int = 10_000) -> int | None:
    """The code with which a connection ends that sends frames over and over."""
    with RawHttp2(edge.port) as raw:
        with suppress(OSError):  # it may have ended already
            for _ in range(times // 100):
                raw.send(*(frames * 100))
        return raw.goaway()


@pytest.mark.parametrize(
    "frame",
    [
        h2.frame(h2.PING, 0, 0, bytes(8)),
        h2.settings([(h2.FIRST_WINDOW, 5)]),
        h2.frame(h2.SETTINGS, h2.ACK, 0),
        h2.frame(h2.PRIORITY, 0, 1, bytes(5)),
        h2.frame(0x42, 0, 0),
    ],
    ids=["ping", "settings", "acknowledgement", "priority", "unknown"],
)
def test_frames_that_carry_nothing_are_counted(frame):
    with bench() as edge:
        edge.call(lambda: setattr(edge.service, "tick", lambda: None))
        assert flood(edge, frame) in (h2.ENHANCE_YOUR_CALM, None)


def test_streams_that_are_opened_and_given_up_are_counted():
    with bench() as edge, RawHttp2(edge.port) as raw:
        edge.call(lambda: setattr(edge.service, "tick", lambda: None))
        with suppress(OSError):
            for _ in range(2_000):
                number, head = raw.opening(GRPC)
                raw.send(head, h2.frame(h2.RST_STREAM, 0, number, h2.number(h2.CANCEL)))
        assert raw.goaway() in (h2.ENHANCE_YOUR_CALM, None)
        assert edge.call(lambda: len(edge.path.seen)) == 0


def test_who_leaves_once_it_was_answered_may_leave_as_often_as_it_likes():
    """Its answers are paid for as any others are: no work piles up behind it."""
    more = h2.frame(h2.WINDOW_UPDATE, 0, 0, h2.number(1 << 30))
    with bench() as edge, RawHttp2(edge.port) as raw:
        edge.call(lambda: setattr(edge.service, "tick", lambda: None))
        raw.send(more)
        for _ in range(600):
            number, head = raw.opening(path("/echo.Echo/Each"))
            raw.send(head, h2.frame(h2.DATA, 0, number, message(b"x")))
            while (one := raw.frame())[0] != h2.DATA or one[2] != number:
                pass
            raw.send(h2.frame(h2.RST_STREAM, 0, number, h2.number(h2.CANCEL)))
        assert works(raw)


def test_continuations_without_end_are_ended(edge):
    with RawHttp2(edge.port) as raw:
        block = raw.block(GRPC)
        raw.send(h2.frame(h2.HEADERS, 0, 1, block))
        with suppress(OSError):
            for _ in range(1_000):
                raw.send(h2.frame(h2.CONTINUATION, 0, 1, b""))
        assert raw.goaway() in (h2.ENHANCE_YOUR_CALM, None)


def test_headers_that_are_too_many_or_too_large_are_refused(edge):
    with RawHttp2(edge.port) as raw:
        many = [*GRPC, *((f"x-{n}", "v") for n in range(200))]
        assert raw.answer(raw.ask(many, message(b"")))["headers"]["grpc-status"] == "13"
        assert works(raw)
        raw.ask([*GRPC, ("x-large", "v" * 20_000)], message(b""))
        assert raw.goaway() == h2.ENHANCE_YOUR_CALM


def test_a_header_that_is_repeated_from_the_table_is_counted_as_large_as_it_is(edge):
    with RawHttp2(edge.port) as raw:
        raw.answer(raw.ask([*GRPC, ("x-bomb", "v" * 3_000)], message(b"")))
        # 0xbe is the newest entry of the table: one byte for 3,000.
        number = raw.next
        raw.next += 2
        raw.send(h2.frame(h2.HEADERS, h2.END_HEADERS, number, raw.block(GRPC) + b"\xbe" * 4_000))
        assert raw.goaway() == h2.ENHANCE_YOUR_CALM


@pytest.mark.parametrize(
    "block",
    [
        b"\x00\x7f\xff\xff\xff\xff\x0f" + b"a" * 20,
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x3f\xff\xff\xff\xff\x0f",
        b"\x80",
        b"\x00\x85\xff\xff\xff\xff\xff\x01a",
        b"\x40",
    ],
    ids=["length", "index", "table", "zero", "huffman", "cut"],
)
def test_a_block_that_cannot_be_read_ends_its_connection(edge, block):
    with RawHttp2(edge.port) as raw:
        raw.send(h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 1, block))
        assert raw.goaway() in (h2.COMPRESSION_ERROR, h2.ENHANCE_YOUR_CALM)


BROKEN = {
    "data before headers": h2.frame(h2.DATA, 0, 1, b"x"),
    "data on nothing": h2.frame(h2.DATA, 0, 0, b"x"),
    "even stream": h2.frame(h2.HEADERS, h2.END_HEADERS, 2, b"\x82"),
    "window of nothing": h2.frame(h2.WINDOW_UPDATE, 0, 0, bytes(4)),
    "window too large": h2.frame(h2.WINDOW_UPDATE, 0, 0, h2.number(h2.LARGEST_WINDOW)),
    "short window": h2.frame(h2.WINDOW_UPDATE, 0, 0, b"x"),
    "window of a stream to come": h2.frame(h2.WINDOW_UPDATE, 0, 9, h2.number(1)),
    "reset of a stream to come": h2.frame(h2.RST_STREAM, 0, 9, bytes(4)),
    "short reset": h2.frame(h2.RST_STREAM, 0, 1, b"x"),
    "short ping": h2.frame(h2.PING, 0, 0, b"x"),
    "promise": h2.frame(h2.PUSH_PROMISE, 0, 1, bytes(8)),
    "settings on a stream": h2.frame(h2.SETTINGS, 0, 1, bytes(6)),
    "broken settings": h2.frame(h2.SETTINGS, 0, 0, bytes(5)),
    "wide window": h2.settings([(h2.FIRST_WINDOW, 1 << 31)]),
    "tiny frames": h2.settings([(h2.MOST_FRAME, 1)]),
    "continuation of nothing": h2.frame(h2.CONTINUATION, h2.END_HEADERS, 1, b""),
    "large frame": h2.head(0x42, 0, 0, 1 << 23),
    "padding alone": h2.frame(h2.HEADERS, h2.PADDED | h2.END_HEADERS, 1, b""),
    "more padding": h2.frame(h2.HEADERS, h2.PADDED | h2.END_HEADERS, 1, b"\xff\x82"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_the_protocol_ends_its_connection(edge, name):
    with RawHttp2(edge.port) as raw:
        raw.send(BROKEN[name])
        assert raw.goaway() is not None


def test_more_than_was_allowed_ends_the_connection(edge):
    with RawHttp2(edge.port) as raw:
        number, head = raw.opening(path("/echo.Echo/Asked"))
        raw.send(head)
        with suppress(OSError):
            for _ in range(200):
                raw.send(h2.frame(h2.DATA, 0, number, message(b"held" + bytes(10_000))))
        assert raw.goaway() in (h2.FLOW_CONTROL_ERROR, None)
    edge.call(edge.path.held.clear)


def test_what_follows_the_end_of_a_stream_ends_the_connection(edge):
    with RawHttp2(edge.port) as raw:
        number = raw.ask(path("/echo.Echo/Held"), message(b"x"))
        raw.send(h2.frame(h2.DATA, 0, number, b"x"))
        assert raw.goaway() == h2.STREAM_CLOSED
    edge.call(edge.path.held.clear)


@pytest.mark.parametrize(
    "lines",
    [
        [*GRPC, ("connection", "keep-alive")],
        [*GRPC, ("te", "gzip")],
        [*GRPC, ("transfer-encoding", "chunked")],
        [*GRPC, ("Upper", "x")],
        [*GRPC, ("x y", "x")],
        [*GRPC, ("x", "a\r\nset-cookie: b")],
        [*GRPC, ("host", "other")],
        [*GRPC, (":path", "/again")],
        [*GRPC, (":late", "x")],
        [line for line in GRPC if line[0] != ":path"],
        [line for line in GRPC if line[0] != ":method"],
        [line for line in GRPC if line[0] != ":scheme"],
        path("echo.Echo/Unary"),
        path(""),
        path("http://other/echo.Echo/Unary"),
        [*GRPC, ("content-length", "x")],
        [*GRPC, ("authorization", "a"), ("authorization", "b")],
    ],
    ids=lambda lines: None,
)
def test_a_head_that_is_not_allowed_is_refused_and_its_connection_goes_on(edge, lines):
    with RawHttp2(edge.port) as raw:
        found = raw.answer(raw.ask(lines, message(b"x")))
        assert found["headers"].get("grpc-status") not in (None, "0")
        assert "set-cookie" not in found["headers"]
        assert works(raw)


def test_streams_beyond_the_most_are_refused_and_may_be_tried_again(edge):
    with RawHttp2(edge.port) as raw:
        numbers = [raw.ask(path("/echo.Echo/Held"), message(b"x")) for _ in range(257)]
        assert raw.answer(numbers[-1])["reset"] == h2.REFUSED_STREAM
        edge.call(lambda: [setattr(c, "payload", b"") or c.done(c) for c in edge.path.held])
        edge.call(edge.path.held.clear)
        assert raw.answer(numbers[0])["trailers"] == {"grpc-status": "0"}


def test_many_unfinished_bodies_hold_little_more_than_one(edge):
    """Only the oldest unfinished body may go on once they hold as much as one may have."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with RawHttp2(edge.port) as raw:
        start = message(bytes(1_000_000))[:16_000]
        numbers = []
        for _ in range(64):
            number, head = raw.opening(GRPC)
            numbers.append(number)
            raw.send(head, h2.frame(h2.DATA, 0, number, start))
        raw.send(*[h2.frame(h2.DATA, 0, n, bytes(16_000)) for n in numbers for _ in range(10)])
        raw.send(h2.frame(h2.PING, 0, 0, b"are-here"))
        grown = set()
        while (one := raw.frame()) is not None and one[0] != h2.PING:
            if one[0] == h2.WINDOW_UPDATE and one[2]:
                grown.add(one[2])
        assert len(grown) < 20
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 100 << 10


def test_an_answer_that_is_never_taken_is_given_up():
    with bench(body=8 << 20, idle_s=0.2) as edge, RawHttp2(edge.port) as raw:
        raw.send(h2.settings([(h2.FIRST_WINDOW, 0)]))
        raw.ask(GET)
        assert raw.goaway() is None


def test_half_a_head_is_not_waited_for():
    with bench(head_s=0.2) as edge, RawHttp2(edge.port) as raw:
        raw.send(h2.frame(h2.HEADERS, 0, 1, raw.block(GRPC)))
        assert raw.goaway() == h2.ENHANCE_YOUR_CALM


def test_half_a_body_is_not_waited_for():
    with bench(head_s=0.2) as edge, RawHttp2(edge.port) as raw:
        number, head = raw.opening(GRPC)
        raw.send(head)
        assert raw.answer(number)["reset"] == h2.CANCEL
        assert works(raw)


def test_a_connection_that_says_nothing_is_not_waited_for():
    with bench(head_s=0.2, idle_s=0.3) as edge, RawHttp2(edge.port, greet=False) as raw:
        assert raw.frame() is None
    with bench(head_s=0.2) as edge, RawHttp2(edge.port, greet=False) as raw:
        raw.send(h2.PREFACE[:10])
        assert raw.goaway() == h2.ENHANCE_YOUR_CALM


@pytest.mark.parametrize("size", [(1 << 20) + 1, (1 << 32) - 1])
def test_a_message_that_is_too_large_is_refused_at_its_prefix(edge, size):
    with RawHttp2(edge.port) as raw:
        number, head = raw.opening(GRPC)
        raw.send(head, h2.frame(h2.DATA, 0, number, b"\0" + size.to_bytes(4)))
        assert raw.answer(number)["headers"]["grpc-status"] == "13"
        assert works(raw)


@pytest.mark.parametrize("body", [b"", b"\0\0", message(b"a") * 2, message(b"abc")[:-1]])
def test_a_unary_call_has_exactly_one_message(edge, body):
    with RawHttp2(edge.port) as raw:
        assert raw.answer(raw.ask(GRPC, body))["headers"]["grpc-status"] == "13"
        assert works(raw)


def test_streams_that_we_are_made_to_give_up_are_counted_too():
    """A window that is made too large ends a stream as a reset does, while its call goes on."""
    with bench() as edge, RawHttp2(edge.port) as raw:
        edge.call(lambda: setattr(edge.service, "tick", lambda: None))
        with suppress(OSError):
            for _ in range(2_000):
                number, head = raw.opening(path("/echo.Echo/Held"))
                more = h2.frame(h2.WINDOW_UPDATE, 0, number, h2.number(h2.LARGEST_WINDOW))
                body = h2.frame(h2.DATA, h2.END_STREAM, number, message(b"x"))
                raw.send(head, body, more)
        assert raw.goaway() in (h2.ENHANCE_YOUR_CALM, None)
        assert edge.call(lambda: len(edge.path.seen)) < 600


def test_a_head_is_read_anew_each_time_when_it_changes_the_table(edge):
    """Else our table and the caller's part, and one header is taken for another."""
    with RawHttp2(edge.port) as raw:
        added = b"".join(b"\x40" + bytes([1]) + n + bytes([1]) + n for n in (b"x", b"y"))
        block = b"".join(h2.literal(n.encode(), v.encode()) for n, v in GRPC) + added
        for number in (1, 3):
            raw.send(h2.frame(h2.HEADERS, h2.END_HEADERS, number, block))
            raw.send(h2.frame(h2.DATA, h2.END_STREAM, number, message(b"x")))
            assert raw.answer(number)["body"] == message(b"x")
        # The table holds y, x, y, x by now, newest first; the third and fourth are asked for.
        told = b"".join(h2.literal(n.encode(), v.encode()) for n, v in GRPC) + b"\xc0\xc1"
        raw.send(h2.frame(h2.HEADERS, h2.END_HEADERS, 5, told))
        raw.send(h2.frame(h2.DATA, h2.END_STREAM, 5, message(b"x")))
        assert raw.answer(5)["body"] == message(b"x")
        found = edge.path.heads[-1].headers
        assert (found["x"], found["y"]) == ("x", "y")


def test_what_asks_without_taking_any_answer_is_not_read_on():
    """Answers that are refusals need no window, so only the socket holds them back."""
    with bench() as edge, RawHttp2(edge.port) as raw:
        raw.socket.settimeout(0.5)
        block = b"".join(h2.literal(n.encode(), v.encode()) for n, v in path("/no"))
        flags, numbers = h2.END_HEADERS | h2.END_STREAM, count(1, 2)
        with suppress(TimeoutError):
            while True:
                raw.send(*[h2.frame(h2.HEADERS, flags, next(numbers), block) for _ in range(500)])
        (connection,) = edge.call(lambda: [*edge.service._connections])
        assert edge.call(connection._transport.get_write_buffer_size) < 4 << 20
        edge.call(lambda: connection.check_time(now() + 60))
        assert edge.service.connections == 1
        edge.call(lambda: connection.check_time(now() + 120))
        until(lambda: not edge.service.connections)


def test_a_caller_that_is_gone_is_noticed_though_it_waits_for_an_answer():
    with bench(idle_s=0.2) as edge, RawHttp2(edge.port) as raw:
        raw.ask(path("/echo.Echo/Held"), message(b"x"))
        pings = 0
        while (one := raw.frame()) is not None:
            pings += one[:2] == (h2.PING, 0)
        assert pings
        assert edge.call(lambda: [c.gone for c in edge.path.held]) == [True]


def test_a_head_that_is_too_large_is_refused_by_its_length(edge):
    with RawHttp2(edge.port) as raw:
        raw.send(h2.head(h2.HEADERS, h2.END_HEADERS, 1, 100_000))
        assert raw.goaway() == h2.ENHANCE_YOUR_CALM


def test_messages_that_come_slowly_one_after_another_are_waited_for():
    """A frame of a body is always unfinished when the clock looks, and yet all is well."""
    with bench(head_s=0.2) as edge, RawHttp2(edge.port) as raw:
        number, head = raw.opening(path("/echo.Echo/Each"))
        raw.send(head)
        ticks = []
        tick = edge.service.tick
        edge.call(lambda: setattr(edge.service, "tick", lambda: ticks.append(tick())))
        whole = h2.frame(h2.DATA, 0, number, message(b"abc"))
        rest = b""
        while len(ticks) < 25:
            raw.send(rest + whole[:10])
            rest = whole[10:]
            seen = len(ticks)
            until(lambda seen=seen: len(ticks) > seen)
        raw.send(rest, h2.frame(h2.DATA, h2.END_STREAM, number))
        found = raw.answer(number)
        assert found["trailers"] == {"grpc-status": "0"}
