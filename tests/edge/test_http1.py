"""HTTP/1.1 on a socket: requests, the order of their answers, and when a connection ends."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.edge.parts import WRITER, bench, refused
from tests.processes import until
from tests.raw import chunked, get, post


@pytest.fixture(scope="module")
def edge():
    with bench() as made:
        yield made


@pytest.fixture
def fresh():
    with bench() as made:
        yield made


# --- one request ----------------------------------------------------------------------------


def test_a_request_is_answered_with_its_body(edge):
    with edge.connect() as raw:
        answer = raw.ask(post("/echo", b"hello"))
        assert (answer.status, answer.body) == (200, b"hello")
        assert answer.header("content-type") == "application/json"
        assert not answer.closes
        assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", answer.header("date"))


@given(st.binary(max_size=300), st.lists(st.integers(0, 400), max_size=6))
def test_it_does_not_matter_how_a_request_is_cut_into_segments(edge, body, cuts):
    whole = post("/echo", body)
    places = sorted({min(cut, len(whole)) for cut in cuts})
    pieces = [whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True)]
    with edge.connect() as raw:
        assert raw.ask(*filter(None, pieces)).body == body


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=5), st.booleans())
def test_a_body_in_chunks_is_the_chunks_together(edge, chunks, trailer):
    trailers = "Authorization: x\r\nX-Request-Id: y\r\n" if trailer else ""
    with edge.connect() as raw:
        answer = raw.ask(chunked("/echo", *chunks, trailers=trailers))
        assert answer.body == b"".join(chunks)
        assert answer.header("x-request-id") == ""
        assert raw.ask(post("/echo", b"next")).body == b"next"


def test_a_body_may_name_the_model_and_with_it_the_route(edge):
    with edge.connect() as raw:
        for _ in range(2):  # the second head is remembered
            assert raw.ask(post("/named", b"echo")).body == b"echo"
            assert raw.ask(post("/named", b"plain")).header("content-type") == "text/plain"
            unknown = raw.ask(post("/named", b"none"))
            assert (unknown.status, unknown.closes) == (404, False)


def test_a_post_without_length_has_an_empty_body(edge):
    with edge.connect() as raw:
        assert raw.ask(get("/echo", method="POST")).body == b""


def test_head_is_answered_like_get_without_the_body(edge):
    with edge.connect() as raw:
        full = raw.ask(get("/plain"))
        raw.send(get("/plain", method="HEAD"))
        bare = raw.read(bare=True)
        assert (bare.status, bare.header("content-type")) == (200, "text/plain")
        assert int(bare.header("content-length")) == len(full.body) + len("HEAD") - len("GET")
        assert raw.ask(get("/plain")).body == full.body


def test_what_we_do_wrong_is_a_500_that_tells_nothing(fresh):
    with fresh.connect() as raw:
        answer = raw.ask(get("/breaks"))
        refused(answer, 500, "INTERNAL")
        assert b"ZeroDivision" not in answer.body
        assert b"/some/path" not in answer.body
        assert raw.ask(get("/plain")).status == 200
    assert fresh.logged[0][0] == "route_failed"
    assert "ZeroDivisionError" in str(fresh.logged[0][1])


# --- order ----------------------------------------------------------------------------------


def test_answers_leave_in_the_order_of_their_requests(fresh):
    with fresh.connect() as raw:
        raw.send(post("/held", b"1") + post("/echo", b"2") + post("/held", b"3") + get("/plain"))
        until(lambda: len(fresh.path.held) == 2)
        fresh.release(1)
        assert raw.quiet(0.1)
        fresh.release(0)
        assert [raw.read().body for _ in range(3)] == [b"1", b"2", b"3"]
        assert b"/plain" in raw.read().body


def test_a_refusal_waits_for_the_answers_before_it(fresh):
    with fresh.connect() as raw:
        raw.send(post("/held", b"1") + post("/shut", b"xx") + post("/echo", b"3"))
        until(lambda: len(fresh.path.seen) == 2)
        fresh.release()
        assert raw.read().body == b"1"
        refused(raw.read(), 503, "MODEL_NOT_READY")
        assert raw.read().body == b"3"


def test_broken_bytes_are_answered_last_and_once(fresh):
    with fresh.connect() as raw:
        raw.send(post("/held", b"1") + post("/held", b"2") + b"\x00\x01")
        until(lambda: len(fresh.path.held) == 2)
        raw.send(b"\x02" * 100)
        fresh.release()
        assert raw.read().body == b"1"
        raw.send(post("/echo", b"never"))
        fresh.release()
        assert raw.read().body == b"2"
        refused(raw.read(), 400, "HEAD_INVALID")
        assert raw.ended()
    assert fresh.path.seen == [b"1", b"2"]


def test_a_caller_that_leaves_is_marked_as_gone(fresh):
    with fresh.connect() as raw:
        raw.send(post("/held", b"1") + post("/held", b"2"))
        until(lambda: len(fresh.path.held) == 2)
    until(lambda: all(call.gone for call in fresh.path.held))
    fresh.release()


def test_one_slow_answer_does_not_let_requests_pile_up(fresh):
    """Reading stops while too many answers are owed, and goes on when they have left."""
    with fresh.connect() as raw:
        raw.send(post("/held", b"1"))
        until(lambda: fresh.path.held)
        assert raw.clog(get("/plain") * 100) > 0
        owed = fresh.wire.plain
        assert owed < 20_000
        fresh.release()
        assert raw.read().body == b"1"
        for _ in range(owed + 1):
            assert raw.read().status == 200


def test_a_caller_that_does_not_read_is_not_read_either(fresh):
    body = b"x" * 100_000
    with fresh.connect() as raw:
        raw.clog(post("/echo", body))
        served = len(fresh.path.seen)
        assert served < 400
        for _ in range(served):
            assert raw.read().body == body


# --- the end of a connection ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "closes"),
    [
        (b"GET /plain HTTP/1.1\r\nHost: a\r\n\r\n", False),
        (b"GET /plain HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", True),
        (b"GET /plain HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", True),
        (b"GET /plain HTTP/1.0\r\n\r\n", True),
        (b"GET /plain HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", False),
    ],
)
def test_a_connection_lives_as_long_as_its_caller_asks(edge, request_, closes):
    for _ in range(2):
        with edge.connect() as raw:
            answer = raw.ask(request_)
            assert (answer.status, answer.closes) == (200, closes)
            if closes:
                assert raw.ended()
            else:
                assert raw.ask(get("/plain")).status == 200


def test_nothing_is_done_after_the_last_request(fresh):
    with fresh.connect() as raw:
        raw.send(post("/held", b"1", "Connection: close") + post("/echo", b"2"))
        until(lambda: fresh.path.held)
        raw.send(post("/echo", b"3"))
        fresh.release()
        answer = raw.read()
        assert (answer.body, answer.closes) == (b"1", True)
        assert raw.ended()
    assert fresh.path.seen == [b"1"]


def test_a_request_to_speak_another_protocol_is_answered_in_this_one(edge):
    upgrade = get("/plain", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c")
    with edge.connect() as raw:
        for _ in range(2):
            raw.send(upgrade * 3 + post("/echo", b"1"))
            assert all(b"/plain" in raw.read().body for _ in range(3))
            assert raw.read().body == b"1"
            assert b"/plain" in raw.ask(upgrade).body


def test_draining_answers_what_was_read_and_ends(fresh):
    with fresh.connect() as raw:
        raw.send(post("/held", b"1") + post("/held", b"2"))
        until(lambda: len(fresh.path.held) == 2)
        fresh.call(fresh.service.drain)
        fresh.release()
        fresh.release()
        first, second = raw.read(), raw.read()
        assert (first.body, first.closes) == (b"1", False)
        assert (second.body, second.closes) == (b"2", True)
        assert raw.ended()


def test_while_connections_are_not_kept_each_answer_is_the_last_and_new_callers_come(fresh):
    with fresh.connect() as raw:
        assert not raw.ask(post("/echo", b"1")).closes
        fresh.call(lambda: fresh.service.part(True))
        assert raw.ask(post("/echo", b"2")).closes
        assert raw.ended()
    with fresh.connect() as raw:
        assert (raw.ask(post("/echo", b"3"))).closes
    fresh.call(lambda: fresh.service.part(False))
    with fresh.connect() as raw:
        assert not raw.ask(post("/echo", b"4")).closes


def test_a_server_that_drains_keeps_no_connection_whatever_becomes_of_its_memory(fresh):
    fresh.call(fresh.service.drain)
    fresh.call(lambda: fresh.service.part(False))
    with fresh.connect() as raw:
        assert raw.ask(post("/echo", b"1")).closes


def test_a_caller_may_wait_to_send_its_body(edge):
    body = b"y" * 1000
    with edge.connect() as raw:
        head = post("/echo", body, "Expect: 100-continue")[: -len(body)]
        for _ in range(2):
            raw.send(head)
            assert raw.read().status == 100
            assert raw.ask(body).body == body


def test_a_body_that_is_refused_need_not_be_sent(edge):
    with edge.connect() as raw:
        head = post("/shut", b"z" * 1000, "Expect: 100-continue")[:-1000]
        answer = raw.ask(head)
        refused(answer, 503, "MODEL_NOT_READY")
        assert answer.closes
        assert raw.ended()


def test_a_refused_body_is_thrown_away_and_the_connection_lives(edge):
    with edge.connect() as raw:
        head, body = post("/shut", b"z" * 1000).split(b"\r\n\r\n")
        refused(raw.ask(head + b"\r\n\r\n"), 503, "MODEL_NOT_READY")
        assert raw.ask(body, post("/echo", b"1")).body == b"1"


def test_a_connection_on_which_nothing_comes_is_closed():
    with bench(idle_s=0.1) as made, made.connect() as raw:
        assert raw.ask(get("/plain")).status == 200
        assert raw.ended()


@pytest.mark.parametrize(
    "part", [b"G", b"GET /plain HTTP/1.1\r\n", post("/echo", b"12345")[:-1], chunked("/echo")[:-2]]
)
def test_a_request_that_does_not_arrive_is_a_408(part):
    with bench(head_s=0.1) as made, made.connect() as raw:
        answer = raw.ask(part)
        refused(answer, 408, "REQUEST_TIMEOUT")
        assert answer.closes
        assert raw.ended()


def test_a_waiting_answer_is_no_idle_connection():
    with bench(idle_s=0.05, head_s=0.05) as made, made.connect() as raw:
        raw.send(post("/held", b"1"))
        until(lambda: made.path.held)
        assert raw.quiet(0.3)
        made.release()
        assert raw.read().body == b"1"


def test_connections_beyond_the_limit_are_closed():
    with bench(connections=2) as made, made.connect() as one, made.connect() as two:
        assert one.ask(get("/plain")).status == two.ask(get("/plain")).status == 200
        with made.connect() as three:
            three.send(get("/plain"))
            assert three.read() is None
        assert one.ask(get("/plain")).status == 200


# --- usage ids ------------------------------------------------------------------------------


def test_every_recorded_call_has_a_usage_id_of_its_own(fresh):
    """Also the last of a connection, and the one with an id of the caller's."""
    with fresh.connect() as raw:
        answers = [
            raw.ask(post("/echo", b"a")),
            raw.ask(post("/echo", b"a", "x-request-id: mine")),
            *[raw.ask(post("/echo", b"a")) for _ in range(15)],
            raw.ask(post("/echo", b"a", "connection: close")),
        ]
    ids = [answer.header("fairlead-usage-id") for answer in answers]
    assert ids == [f"{WRITER}-{number:x}" for number in range(18)]


@pytest.mark.parametrize("raw", [get("/plain"), post("/shut", b"x"), get("/nowhere")])
def test_what_is_not_recorded_has_no_usage_id(edge, raw):
    with edge.connect() as connection:
        assert connection.ask(raw).header("fairlead-usage-id") == ""


def test_a_usage_id_is_never_the_callers(fresh):
    with fresh.connect() as raw:
        answer = raw.ask(post("/echo", b"a", "fairlead-usage-id: forged"))
    assert answer.header("fairlead-usage-id") == f"{WRITER}-0"
