"""How long a body may be: as the owner of the model says, else as the server does."""

from __future__ import annotations

import gzip

import pytest
from tests.edge.http2_raw import GET, RawHttp2, path
from tests.edge.parts import bench
from tests.raw import post

MORE, LESS, STANDARD = 4000, 10, 100


@pytest.fixture(scope="module")
def edge():
    """Of the models, "echo" takes more than the server does and "shut" less."""
    own: dict[tuple[str, int], int] = {}
    with bench(body=STANDARD, more={"bodies": own}) as made:
        version = made.wire.route("POST", "/echo").version
        own.update({("echo", version): MORE, ("held", version): LESS})
        yield made


def chunked(address: str, body: bytes) -> bytes:
    head = f"POST {address} HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n"
    return head.encode() + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


@pytest.mark.parametrize("size", [STANDARD + 1, MORE])
def test_a_model_takes_more_than_the_server_does(edge, size):
    body = b"a" * size
    with edge.connect() as raw:
        assert raw.ask(post("/echo", body)).body == body
        assert raw.ask(chunked("/echo", body)).body == body
        packed = post("/echo", gzip.compress(body), "content-encoding: gzip")
        assert raw.ask(packed).body == body


@pytest.mark.parametrize(("address", "size"), [("/echo", MORE + 1), ("/held", LESS + 1)])
def test_a_body_beyond_the_models_own_limit_is_refused(edge, address, size):
    body = b"a" * size
    for request in (
        post(address, body),
        chunked(address, body),
        post(address, gzip.compress(body), "content-encoding: gzip"),
    ):
        with edge.connect() as raw:
            assert raw.ask(request).status == 413


def test_a_model_that_the_body_names_is_held_to_its_own_limit(edge):
    """As much is read as the most generous model takes; whose it is shows only then."""
    with edge.connect() as raw:
        assert raw.ask(post("/named", b"echo")).body == b"echo"
        assert raw.ask(post("/named", b"a" * (STANDARD + 1))).status == 404
    with edge.connect() as raw:
        assert raw.ask(post("/named", b"a" * (MORE + 1))).status == 413


def test_a_limit_of_one_model_is_none_of_another():
    own = {"bodies": {("other", 1): MORE}}
    with bench(body=STANDARD, more=own) as made, made.connect() as raw:
        assert raw.ask(post("/echo", b"a" * STANDARD)).status == 200
        assert raw.ask(post("/echo", b"a" * (STANDARD + 1))).status == 413


def test_http2_keeps_the_same_limits(edge):
    lines = [(":method", "POST"), *path("/echo", GET)[1:]]
    with RawHttp2(edge.port) as raw:
        assert raw.answer(raw.ask(lines, b"a" * MORE))["body"] == b"a" * MORE
        found = raw.answer(raw.ask(lines, b"a" * (MORE + 1)))
        assert found["headers"][":status"] == "413"
