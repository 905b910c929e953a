"""gRPC with clients of others, as they are: unary, streams, deadlines, cancelling, codings."""

from __future__ import annotations

import asyncio
import gzip
import zlib

import grpc
import pytest
from grpclib.client import Channel, UnaryUnaryMethod
from hypothesis import given
from hypothesis import strategies as st
from tests.certificates import Authority
from tests.edge.http2_raw import GRPC, RawHttp2, message
from tests.edge.parts import bench
from tests.processes import until

from fairlead.core.errors import BodyTooLarge, MalformedBody
from fairlead.edge.grpc import Unframer, coded
from fairlead.edge.tls import ServerTls


@pytest.fixture(scope="module")
def edge():
    with bench(body=1 << 20) as made:
        yield made


@pytest.fixture(scope="module")
def channel(edge):
    with grpc.insecure_channel(f"127.0.0.1:{edge.port}") as made:
        yield made


def unary(channel, name="Unary"):
    return channel.unary_unary(f"/echo.Echo/{name}")


# --- messages ---------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=50), max_size=5), st.lists(st.integers(1, 40), max_size=20))
def test_messages_are_the_same_however_they_are_cut(messages, sizes):
    whole = b"".join(map(message, messages))
    frames, found = Unframer("", 1000), []
    for size in [*sizes, len(whole)]:
        part, whole = whole[:size], whole[size:]
        found += frames.feed(part) if part else []
    assert found == messages
    assert frames.whole


@given(st.binary(max_size=2000), st.sampled_from(["gzip", "deflate"]))
def test_a_coded_message_is_decoded(body, coding):
    assert [*Unframer(coding, 2000).feed(message(coded(body, coding), 1))] == [body]


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (message(b"x" * 101), BodyTooLarge),
        (message(gzip.compress(bytes(101)), 1), BodyTooLarge),
        (message(gzip.compress(b"a")[:-1], 1), MalformedBody),
        (message(gzip.compress(b"a") + b"x", 1), MalformedBody),
        (message(zlib.compress(b"a"), 1), MalformedBody),
        (message(b"a", 2), MalformedBody),
    ],
    ids=["long", "bomb", "cut", "more", "coding", "flag"],
)
def test_a_message_that_is_not_right_is_refused(sent, error):
    with pytest.raises(error):
        [*Unframer("gzip", 100).feed(sent)]


def test_a_length_that_is_a_lie_is_refused_before_anything_follows():
    with pytest.raises(BodyTooLarge):
        [*Unframer("", 1 << 20).feed(b"\0\x7f\xff\xff\xff")]


# --- grpcio -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 16_384, 65_536, 1_000_000])
def test_a_message_comes_back(channel, size):
    assert unary(channel)(b"m" * size, timeout=20) == b"m" * size


@pytest.mark.parametrize("coding", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_a_compressed_message_comes_back(channel, coding):
    body = b"abc" * 10_000
    assert unary(channel)(body, compression=coding, timeout=20) == body


def test_metadata_says_which_call_it_was(channel):
    sent = [("x-request-id", "abc"), ("raw-bin", b"\0\xff")]
    _, call = unary(channel).with_call(b"x", metadata=sent, timeout=20)
    told = dict(call.initial_metadata())
    assert told["x-request-id"] == "abc"
    assert told["fairlead-usage-id"]


@pytest.mark.parametrize(
    ("name", "code"),
    [("None", grpc.StatusCode.UNIMPLEMENTED), ("Shut", grpc.StatusCode.INTERNAL)],
)
def test_an_error_has_its_status(channel, name, code):
    with pytest.raises(grpc.RpcError) as refused:
        unary(channel, name)(b"x", timeout=20)
    assert refused.value.code() == code


def test_the_callers_deadline_is_the_calls(edge, channel):
    unary(channel)(b"x", timeout=7)
    assert 6 < edge.path.patience[-1] < 7.5
    unary(channel)(b"x")
    assert edge.path.patience[-1] == pytest.approx(30)


def test_a_cancelled_call_has_nobody_waiting(edge, channel):
    waiting = unary(channel, "Held").future(b"x")
    until(lambda: edge.path.held)
    waiting.cancel()
    until(lambda: edge.path.held[0].gone)
    edge.release()


def test_a_stream_gives_every_message_back_in_order(channel):
    each = channel.stream_stream("/echo.Echo/Each")
    sent = [b"%d" % n * (n + 1) for n in range(200)]
    assert [*each(iter(sent), timeout=20)] == [*sent, b"200"]


def test_predictions_of_a_stream_are_answered(channel):
    asked = channel.stream_stream("/echo.Echo/Asked")
    assert len([*asked(iter([b"x" * 100] * 3_000), timeout=60)]) == 3_000


def test_a_wire_sends_no_more_than_its_caller_takes(edge, channel):
    flood = channel.unary_stream("/echo.Echo/Flood")
    answers = flood(b"y" * 10_000, timeout=60)
    next(answers)
    stream = edge.streams[-1]
    until(lambda: stream.channel.full)
    assert stream.left_over > 1_000
    assert 1 + len([*answers]) == 10_000


def test_a_stream_that_asks_for_too_much_is_not_read_on(edge, channel):
    def held():
        for _ in range(2_000):
            yield b"held" + bytes(10_000)

    stream = channel.stream_stream("/echo.Echo/Asked")(held())
    until(lambda: len(edge.path.held) >= 64)
    taken = edge.call(lambda: len(edge.path.held))
    assert taken < 200
    stream.cancel()
    until(lambda: all(call.gone for call in edge.path.held))
    edge.call(edge.path.held.clear)


def test_a_cancelled_stream_is_left(edge, channel):
    def endless():
        while True:
            yield b"x"

    stream = channel.stream_stream("/echo.Echo/Each")(endless())
    next(stream)
    stream.cancel()
    until(lambda: edge.streams[-1].gone)


def test_a_streams_deadline_ends_it(edge, channel):
    stream = channel.stream_stream("/echo.Echo/Asked")(iter([b"held"]), timeout=0.5)
    with pytest.raises(grpc.RpcError) as late:
        next(stream)
    assert late.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    until(lambda: edge.streams[-1].gone)
    edge.call(edge.path.held.clear)


def test_an_answer_is_compressed_as_its_request_was(edge):
    coding = [("grpc-encoding", "gzip"), ("grpc-accept-encoding", "identity,gzip")]
    body = b"abc" * 1_000
    with RawHttp2(edge.port) as raw:
        found = raw.answer(raw.ask([*GRPC, *coding], message(gzip.compress(body), 1)))
        assert found["headers"]["grpc-encoding"] == "gzip"
        assert [*Unframer("gzip", 1 << 20).feed(found["body"])] == [body]
        found = raw.answer(raw.ask([*GRPC, coding[0]], message(gzip.compress(body), 1)))
        assert found["body"] == message(body)


# --- others -----------------------------------------------------------------------------------


class Bytes:
    """Messages as they are, for grpclib."""

    @staticmethod
    def FromString(raw: bytes) -> bytes:
        return raw


class BytesCodec:
    __content_subtype__ = "proto"

    def encode(self, message: bytes, kind: object) -> bytes:
        return message

    def decode(self, data: bytes, kind: object) -> bytes:
        return data


def test_grpclib_is_answered(edge):
    async def asked() -> list[bytes]:
        async with Channel("127.0.0.1", edge.port, codec=BytesCodec()) as channel:
            method = UnaryUnaryMethod(channel, "/echo.Echo/Unary", bytes, bytes)
            return await asyncio.gather(*[method(b"%d" % n) for n in range(100)])

    assert asyncio.run(asked()) == [b"%d" % n for n in range(100)]


def test_asyncio_grpcio_is_answered_over_tls(tmp_path):
    authority = Authority(tmp_path)
    pair = authority.issue("server")
    tls = ServerTls(str(pair.cert), str(pair.key), protocols=("h2", "http/1.1"))

    async def asked(port: int) -> bytes:
        roots = authority.file.read_bytes()
        given = grpc.ssl_channel_credentials(roots)
        async with grpc.aio.secure_channel(f"127.0.0.1:{port}", given) as channel:
            return await channel.unary_unary("/echo.Echo/Unary")(b"x" * 100_000, timeout=20)

    with bench(tls=tls) as made:
        assert asyncio.run(asked(made.port)) == b"x" * 100_000


@pytest.mark.parametrize(
    ("timeout", "patience"),
    [("99999999H", 300), ("1S", 1), ("20m", 0.02), ("0n", 0)],
)
def test_a_timeout_is_held_to_the_servers_most(edge, timeout, patience):
    with RawHttp2(edge.port) as raw:
        raw.answer(raw.ask([*GRPC, ("grpc-timeout", timeout)], message(b"x")))
    assert edge.path.patience[-1] == pytest.approx(patience)


@pytest.mark.parametrize("timeout", ["-1S", "NaN", "1e18S", "", "999999999S", "5"])
def test_a_timeout_that_is_none_is_refused(edge, timeout):
    with RawHttp2(edge.port) as raw:
        found = raw.answer(raw.ask([*GRPC, ("grpc-timeout", timeout)], message(b"x")))
    assert found["headers"]["grpc-status"] == "13"
