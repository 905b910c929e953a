"""HTTP over TLS on a socket: requests, client certificates, bad handshakes, and a changed pair."""

import asyncio
import re
import socket
import ssl
import struct
from itertools import takewhile
from threading import Event, Thread

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.certificates import Authority
from tests.edge.parts import bench, refused
from tests.processes import until
from tests.raw import Raw, chunked, get, post

from fairlead.edge.tls import ServerTls


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certs"))


@pytest.fixture(scope="module")
def pair(authority):
    return authority.issue("server")


@pytest.fixture(scope="module")
def edge(authority, pair):
    with bench(tls=ServerTls(str(pair.cert), str(pair.key))) as made:
        yield made


@pytest.fixture(scope="module")
def asking(authority, pair):
    """An edge that takes client certificates and does without."""
    tls = ServerTls(str(pair.cert), str(pair.key), str(authority.file), "optional")
    with bench(tls=tls) as made:
        yield made


def open_connections(edge):
    return edge.call(lambda: edge.service.connections)


def refusals(edge):
    return edge.service.refusals.get("HANDSHAKE_FAILED", 0)


def answered(edge, client):
    """Whether a caller gets through its handshake and is answered."""
    try:
        with Raw(edge.port, client) as raw:
            return raw.ask(get("/plain")).status == 200
    except (ssl.SSLError, ConnectionError):
        return False


# --- requests -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"]
)
def test_a_request_is_answered_over_either_version(edge, authority, version):
    with Raw(edge.port, authority.client(version=version)) as raw:
        assert raw.ask(post("/echo", b"hello")).body == b"hello"
        assert raw.ask(get("/plain")).status == 200


@pytest.mark.parametrize("size", [0, 1, 16_383, 16_384, 16_385, 1 << 20, 5_000_000])
def test_bodies_of_any_size_go_both_ways(edge, authority, size):
    body = bytes(range(251)) * (size // 251 + 1)
    with Raw(edge.port, authority.client()) as raw:
        assert raw.ask(post("/echo", body[:size])).body == body[:size]
        assert raw.ask(post("/echo", b"next")).body == b"next"


@hypothesis_settings(max_examples=40)
@given(st.lists(st.binary(max_size=200), min_size=1, max_size=8), st.integers(1, 60))
def test_it_does_not_matter_how_requests_are_cut_into_records(edge, authority, bodies, cut):
    whole = b"".join(post("/echo", body) for body in bodies)
    pieces = [whole[at : at + cut] for at in range(0, len(whole), cut)]
    with Raw(edge.port, authority.client()) as raw:
        raw.send(*pieces)
        for body in bodies:
            answer = raw.read()
            assert answer is not None
            assert answer.body == body


def test_a_refused_body_is_answered_before_the_connection_ends(authority, pair):
    """What only a half-closed connection gives: the answer is read although more was sent."""
    with bench(tls=ServerTls(str(pair.cert), str(pair.key)), body=1000) as small:
        for _ in range(20):
            with Raw(small.port, authority.client()) as raw:
                answer = raw.ask(chunked("/echo", *[b"x" * 500] * 40))
                refused(answer, 413, "BODY_TOO_LARGE")
                assert raw.ended()


def test_a_caller_that_sends_on_after_its_last_answer_is_ended(authority, pair):
    with bench(tls=ServerTls(str(pair.cert), str(pair.key)), body=1000) as small:
        with Raw(small.port, authority.client()) as raw:
            raw.send(chunked("/echo", b"x" * 2000))
            for _ in range(64):
                if not raw.send(b"y" * (64 << 10)):
                    break
        until(lambda: open_connections(small) == 0, 10)


def test_a_caller_that_reads_nothing_is_read_from_no_more(edge, authority):
    """Answers that nobody takes are held up to a point; then its requests wait in the network."""
    request = post("/echo", b"x" * 100_000)
    with Raw(edge.port, authority.client()) as raw:
        raw._socket.settimeout(1.0)
        taken = list(takewhile(lambda _: sends(raw, request), range(200)))
        assert len(taken) < 200
        with Raw(edge.port, authority.client()) as other:
            assert other.ask(post("/echo", b"x")).status == 200
    until(lambda: open_connections(edge) == 0, 10)


def sends(raw, request):
    """Whether the other side takes a whole request within the patience of the socket."""
    try:
        raw._socket.sendall(request)
    except TimeoutError:
        return False
    return True


def test_a_caller_that_reads_late_gets_every_answer(edge, authority):
    bodies = [bytes([65 + n]) * 150_000 for n in range(20)]

    async def asked() -> list[bytes]:
        # One thread for both ways: two may not use one TLS connection at once.
        context = authority.client()
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", edge.port, ssl=context, server_hostname="127.0.0.1"
        )
        for body in bodies:
            writer.write(post("/echo", body))
        found: list[bytes] = []
        for _ in bodies:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            assert length is not None
            found.append(await reader.readexactly(int(length[1])))
        writer.close()
        await writer.wait_closed()
        return found

    assert asyncio.run(asyncio.wait_for(asked(), 60)) == bodies


def test_a_caller_that_leaves_is_forgotten(edge, authority):
    with Raw(edge.port, authority.client()) as raw:
        raw.ask(get("/plain"))
        held = open_connections(edge)
    until(lambda: open_connections(edge) == held - 1, 10)


# --- handshakes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "junk",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\xff\xff" + b"\0" * 300,
        b"\x16\x03\x01\x00\x05\x01\0\0\x01\0",
        b"\x80\x2e\x01\x03\x01" + b"\0" * 60,
        b"\0" * 1000,
        b"SSH-2.0-x\r\n",
    ],
    ids=["http", "length", "hello", "sslv2", "zeros", "ssh"],
)
def test_what_is_no_tls_is_ended_and_counted(edge, authority, junk):
    before = refusals(edge)
    with Raw(edge.port) as raw:
        raw.send(junk)
        raw._socket.shutdown(socket.SHUT_WR)
        while raw._more():
            pass
    until(lambda: refusals(edge) == before + 1 or junk[:5] == b"\x16\x03\x01\xff\xff", 10)
    with Raw(edge.port, authority.client()) as raw:
        assert raw.ask(get("/plain")).status == 200
    assert edge.logged == []


def test_an_old_version_is_refused(edge):
    old = (
        b"\x16\x03\x01\x00\x2f\x01\0\0\x2b\x03\x02" + b"r" * 32 + b"\0\0\x04\xc0\x13\xc0\x14\x01\0"
    )
    with Raw(edge.port) as raw:
        raw.send(old)
        assert raw._more()
        assert raw._buffer == b"\x15\x03\x02\x00\x02\x02\x46"  # fatal, protocol_version
        raw._buffer = b""
        assert raw.ended()


def test_a_handshake_that_does_not_end_is_ended(authority, pair):
    with bench(tls=ServerTls(str(pair.cert), str(pair.key)), head_s=0.2) as quick:
        with Raw(quick.port) as raw:
            raw.send(b"\x16\x03\x01\x02\x00\x01")
            assert raw.ended()
        until(lambda: open_connections(quick) == 0, 10)
        assert refusals(quick) == 1


def test_handshakes_count_as_connections(authority, pair):
    with bench(tls=ServerTls(str(pair.cert), str(pair.key)), connections=3) as small:
        waiting = [Raw(small.port) for _ in range(3)]
        try:
            until(lambda: open_connections(small) == 3, 10)
            assert not answered(small, authority.client())
        finally:
            for raw in waiting:
                raw.close()
        until(lambda: open_connections(small) == 0, 10)
        with Raw(small.port, authority.client()) as raw:
            assert raw.ask(get("/plain")).status == 200
            assert open_connections(small) == 1


def test_a_caller_that_resets_within_its_handshake_leaves_nothing(authority, pair):
    with bench(tls=ServerTls(str(pair.cert), str(pair.key))) as made:
        for _ in range(20):
            raw = Raw(made.port)
            raw.send(b"\x16\x03\x01\x02\x00\x01")
            linger = struct.pack("ii", 1, 0)
            raw._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            raw.close()
        until(lambda: open_connections(made) == 0, 10)
        assert made.logged == []


# --- client certificates --------------------------------------------------------------------


def subjects(edge, authority, pair):
    """Whom the server takes a caller for that shows a certificate."""
    with Raw(edge.port, authority.client(pair)) as raw:
        raw.ask(get("/plain"))
        return edge.call(lambda: [c.peer.subject for c in edge.service._connections])


def test_the_peer_of_a_connection_has_the_name_in_its_certificate(asking, authority):
    uri = "spiffe://example.org/checkout"
    named = authority.issue("client", common="c", uris=(uri,), hosts=("a.example.org",))
    assert subjects(asking, authority, named) == [uri]
    until(lambda: open_connections(asking) == 0, 10)
    assert subjects(asking, authority, None) == [""]
    until(lambda: open_connections(asking) == 0, 10)


def test_a_certificate_of_another_authority_is_no_handshake(asking, authority, tmp_path):
    stranger = Authority(tmp_path, "stranger").issue("client", common="c")
    before = refusals(asking)
    assert not answered(asking, authority.client(stranger))
    until(lambda: refusals(asking) == before + 1, 10)


def test_where_a_certificate_is_required_nobody_comes_without(authority, pair):
    tls = ServerTls(str(pair.cert), str(pair.key), str(authority.file))
    with bench(tls=tls) as strict:
        assert not answered(strict, authority.client())
        with Raw(strict.port, authority.client(authority.issue("c", common="c"))) as raw:
            assert raw.ask(get("/plain")).status == 200


# --- a changed pair -------------------------------------------------------------------------


def test_no_request_fails_while_the_certificate_is_changed_twenty_times(authority):
    pair = authority.issue("swapped")
    tls = ServerTls(str(pair.cert), str(pair.key))
    seen: set[int] = set()
    failed: list[BaseException] = []
    over = Event()

    def call(kept):
        client = authority.client()
        try:
            with Raw(made.port, client) as held:
                while not over.is_set():
                    if kept:
                        assert held.ask(post("/echo", b"x")).status == 200
                        continue
                    with Raw(made.port, client) as raw:
                        shown = raw._socket.getpeercert()
                        seen.add(int(shown["serialNumber"], 16))
                        assert raw.ask(post("/echo", b"x")).status == 200
        except BaseException as error:
            failed.append(error)

    with bench(tls=tls) as made:
        threads = [Thread(target=call, args=(kept,)) for kept in (True, False, False)]
        for thread in threads:
            thread.start()
        serials = {pair.serial}
        until(lambda: pair.serial in seen or failed, 20)
        for number in range(20):
            pair.replace(authority.issue(f"next-{number}"))
            serials.add(pair.serial)
            made.call(tls.reload)
            assert made.call(tls.reload)
            until(lambda: pair.serial in seen or failed, 20)
        over.set()
        for thread in threads:
            thread.join(20)
    assert failed == []
    assert seen <= serials
    assert len(seen) == 21
