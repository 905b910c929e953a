"""Attacks on the doors: other spellings of addresses, smuggled requests, hosts, slow TLS (A20-A23).

A server with keys on, over plain HTTP and over TLS. Nothing but health is answered without a key,
however an address is written and by whatever method it is asked.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.certificates import Authority
from tests.hostile.parts import check_error
from tests.processes import server, until
from tests.raw import Raw, get, post

from fairlead.edge.router import PUBLIC_ADDRESSES
from fairlead.serving.exchange import ask

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
BODY = b"[1,2,3]"


class Guarded:
    """A server that wants a key, and one key."""

    def __init__(self, running, state, tls=None):
        self.running, self.port, self.tls = running, running.port, tls
        given = {"name": "good", "scopes": ["predict:*"]}
        self.key = until(lambda: self._made(state, given), 20)
        until(lambda: all(self._served(key) for key in (True, False) for _ in range(4)), 20)

    def _made(self, state, given):
        try:
            return ask(state, {"kind": "keys.create", "given": given})["done"]["key"]
        except OSError:
            return ""

    def _served(self, with_key):
        with self.connect() as raw:
            return raw.ask(self.predict() if with_key else get("/models")).status == (
                200 if with_key else 401
            )

    def connect(self):
        return Raw(self.port, self.tls)

    def predict(self, *headers):
        return post("/predict/total", BODY, f"Authorization: Bearer {self.key}", *headers)


@pytest.fixture(scope="module")
def plain(small_models, tmp_path_factory):
    state = tmp_path_factory.mktemp("plain")
    with server(small_models, state=state) as running:
        yield Guarded(running, state)


@pytest.fixture(scope="module")
def sealed(small_models, tmp_path_factory):
    """The same over TLS, with little patience."""
    folder = tmp_path_factory.mktemp("sealed")
    authority = Authority(folder / "certs")
    pair = authority.issue("server")
    config = folder / "fairlead.toml"
    config.write_text("[limits]\nhead_timeout_s = 1.0\n")
    flags = ["--tls-cert", pair.cert, "--tls-key", pair.key, "--config", config]
    with server(small_models, *flags, state=folder / "state") as running:
        yield Guarded(running, folder / "state", authority.client())


@pytest.fixture(params=["plain", "sealed"])
def guarded(request):
    return request.getfixturevalue(request.param)


# --- other spellings (A23) --------------------------------------------------------------------


def documented():
    """The addresses of every route, by the documents that tests hold complete."""
    text = "\n".join((REFERENCE / name).read_text() for name in ("http.md", "pages.md"))
    found = re.findall(r"^### (?:GET|POST|PUT|DELETE|PATCH) (\S+)$", text, re.M)
    return sorted({a.replace("{model}", "total").replace("{version}", "1") for a in found})


def spellings(address):
    """An address as others would write it who want to be taken for somebody else."""
    yield address
    if address == "/":
        yield from ("//", "/.", "/./", "/%2e", "/%2f", "/?x=1", "/#x")
        return
    first, rest = address[1:].partition("/")[0], address[1 + len(address[1:].partition("/")[0]) :]
    yield from (
        "/" + address, address + "/", address + "//", "/." + address, "/x/.." + address,
        "/livez/.." + address, "/livez%2f.." + address, "/%2e" + address, "/%2f" + address[1:],
        "/" + address[1:].replace("/", "%2f"), "/" + address[1:].replace("/", "//"),
        "/" + first.upper() + rest, "/" + first.capitalize() + rest, address + "%00",
        address + "%20", address + ";x=1", address + "?x=/livez", address + "#/livez",
        address + "/livez", "/livez" + address, f"/%{ord(address[1]):02x}" + address[2:],
        f"/%25{ord(address[1]):02x}" + address[2:], address.replace("/", "\\"),
        "http://test" + address, "http://test/livez/.." + address, "*",
    )  # fmt: skip


def test_the_page_names_what_is_public_and_much_that_is_not():
    addresses = documented()
    assert set(addresses) >= {a for a in PUBLIC_ADDRESSES if "." not in a}
    assert len(addresses) >= 15


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH"])
def test_no_spelling_of_an_address_is_answered_without_a_key(plain, method):
    asked = 0
    raw = plain.connect()
    try:
        for address in documented():
            for spelled in spellings(address):
                request = (post if method == "POST" else get)(
                    spelled, *([BODY] * (method == "POST"))
                )
                raw.send(request.replace(b"GET ", method.encode() + b" ", 1))
                answer = raw.read(bare=method == "HEAD")
                asked += 1
                assert answer is not None, (method, spelled)
                public = spelled.partition("?")[0] in PUBLIC_ADDRESSES
                wanted = {400, 401, 404, 405}
                if public and method in ("GET", "HEAD"):
                    wanted = {405} if spelled.startswith("/sign-out") else {200}
                elif public:
                    wanted.add(415)  # a form is asked for
                assert answer.status in wanted, (method, spelled, answer)
                if not public:
                    assert b"predictions" not in answer.body
                    assert b"fairlead_" not in answer.body
                if answer.closes:
                    raw.close()
                    raw = plain.connect()
    finally:
        raw.close()
    assert asked > 300


@pytest.mark.parametrize(
    "header",
    ["X-Original-URL: /livez", "X-Rewrite-URL: /livez", "X-Forwarded-Prefix: /livez",
     "X-HTTP-Method-Override: GET", "X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1",
     "X-Forwarded-Client-Cert: URI=spiffe://example.org/a", "X-Real-IP: 127.0.0.1",
     "X-Forwarded-User: admin", "X-Remote-User: admin", "Cookie: key=x", "Upgrade: h2c"],
)  # fmt: skip
def test_no_header_stands_in_for_a_key(plain, header):
    for request in (get("/metrics", header), get("/models", header)):
        with plain.connect() as raw:
            assert raw.ask(request).status == 401
    with plain.connect() as raw:
        assert raw.ask(post("/predict/total", BODY, header)).status == 401


def test_a_refused_caller_learns_nothing_of_what_is_there(plain):
    """An unknown model, another version and another method are refused with the same words."""
    told = set()
    for address in ("/models/total", "/models/nothing", "/models/secret", "/predict/x/versions/9"):
        with plain.connect() as raw:
            get_it = get(address) if address.startswith("/models") else post(address, BODY)
            answer = raw.ask(get_it)
            told.add((answer.status, answer.json()["detail"]))
    assert len(told) == 1


# --- hosts (A22) ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "statuses"),
    [
        ("GET /metrics HTTP/1.1\r\nHost: a/../livez?", {400}),
        ("GET /metrics HTTP/1.1\r\nHost: ", {400, 401}),
        ("GET /metrics HTTP/1.1\r\nHost: a\r\nHost: b", {400}),
        ("GET /metrics HTTP/1.1", {400}),
        ("GET http://test/livez HTTP/1.1\r\nHost: test", {400}),
        ("GET http://test/metrics HTTP/1.1\r\nHost: test", {400}),
        ("GET //evil.example/metrics HTTP/1.1\r\nHost: test", {404}),
        ("GET /metrics HTTP/1.1\r\nHost: evil.example", {401}),
        ("GET /metrics?/livez HTTP/1.1\r\nHost: test", {401}),
        ("CONNECT test:80 HTTP/1.1\r\nHost: test", {400}),
        ("GET /livez/../metrics HTTP/1.1\r\nHost: test", {404}),
        ("GET /metrics HTTP/1.0", {401}),
        ("GET /metrics HTTP/2.0\r\nHost: test", {400}),
        ("GET /metrics", {400}),
    ],
)
def test_who_may_is_decided_by_the_route_that_answers(guarded, head, statuses):
    with guarded.connect() as raw:
        answer = raw.ask(head.encode() + b"\r\n\r\n")
        assert answer.status in statuses, answer
        assert b"fairlead_" not in answer.body


# --- smuggling (A21) --------------------------------------------------------------------------


def smuggled(guarded):
    """A request that must never run: with a good key, of which the answer would be seen."""
    return guarded.predict("X-Request-Id: smuggled")


LENGTHS = {
    "length and chunks": "Content-Length: 6\r\nTransfer-Encoding: chunked",
    "chunks and length": "Transfer-Encoding: chunked\r\nContent-Length: 6",
    "two lengths": "Content-Length: 5\r\nContent-Length: 6",
    "two equal lengths": "Content-Length: 5\r\nContent-Length: 5",
    "lengths in one": "Content-Length: 5, 6",
    "unknown coding": "Transfer-Encoding: xchunked",
    "two codings": "Transfer-Encoding: chunked, identity",
    "coding twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "blank before colon": "Content-Length : 5",
    "plus": "Content-Length: +5",
    "minus": "Content-Length: -5",
    "hex": "Content-Length: 0x5",
    "tab": "Transfer-Encoding:\tchunked\x0b",
    "folded": "Transfer-Encoding:\r\n chunked",
    "folded length": "Content-Length:\r\n 5",
    "bare newline": "X: y\nContent-Length: 5",
    "bare return": "X: y\rContent-Length: 5",
    "NUL": "Content-Length: 5\0",
    "huge": "Content-Length: 99999999999999999999",
    "underscore": "Content_Length: 5\r\nTransfer-Encoding: chunked, chunked",
}


@pytest.mark.parametrize("name", LENGTHS)
def test_an_ambiguous_length_ends_the_connection_and_what_follows_never_runs(guarded, name):
    head = f"POST /predict/total HTTP/1.1\r\nHost: test\r\n{LENGTHS[name]}\r\n\r\n".encode(
        "latin-1"
    )
    with guarded.connect() as raw:
        raw.send(head + b"0\r\n\r\n" + smuggled(guarded))
        answer = raw.read()
        assert answer is not None
        assert answer.status == 400, answer
        check_error(answer, "HEAD_INVALID")
        assert answer.closes
        assert raw.ended()


@pytest.mark.parametrize(
    "chunks",
    [b"5;a=\r\rb\r\nhello\r\n0\r\n\r\n", b"5\nhello\n0\n\n", b"+5\r\nhello\r\n0\r\n\r\n",
     b"0x5\r\nhello\r\n0\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n ", b"-1\r\n\r\n", b"g\r\n",
     b"5\r\nhelloXX\r\n0\r\n\r\n", b"fffffffffffffffff\r\n"],
    ids=["return", "newlines", "plus", "hex", "blank", "minus", "letter", "long", "huge"],
)  # fmt: skip
def test_chunks_that_proxies_read_otherwise_end_the_connection(guarded, chunks):
    head = b"POST /predict/total HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n"
    head += f"Authorization: Bearer {guarded.key}\r\n\r\n".encode()
    with guarded.connect() as raw:
        raw.send(head + chunks + smuggled(guarded))
        answer = raw.read()
        assert answer is not None
        assert answer.status == 400, answer
        assert answer.closes
        assert answer.header("x-request-id") == ""
        assert raw.ended()


def test_the_second_request_of_a_good_pair_runs(guarded):
    """The control: what the tests above say never runs, runs where nothing is wrong."""
    with guarded.connect() as raw:
        raw.send(post("/predict/total", b"{}") + smuggled(guarded))
        first, second = raw.read(), raw.read()
    assert first is not None
    assert second is not None
    assert (first.status, second.status) == (401, 200)
    assert second.header("x-request-id") == "smuggled"


# --- slow over TLS (A20) ----------------------------------------------------------------------


def test_a_slow_head_a_slow_body_and_a_slow_handshake_are_ended_over_tls(sealed):
    slow_head, slow_body = sealed.connect(), sealed.connect()
    slow_hello = Raw(sealed.port)
    try:
        slow_head.send(b"POST /predict/total HTTP/1.1\r\nHost: te")
        slow_body.send(sealed.predict("X: y")[: -len(BODY)])
        slow_hello.send(b"\x16\x03\x01\x02\x00\x01")
        for slow in (slow_head, slow_body):
            answer = slow.read()
            assert answer is not None
            assert answer.status == 408
            assert slow.ended()
        assert slow_hello.ended()
        with sealed.connect() as raw:
            assert raw.ask(sealed.predict()).status == 200
    finally:
        for slow in (slow_head, slow_body, slow_hello):
            slow.close()


def test_many_callers_that_never_finish_a_handshake_keep_nobody_out(sealed):
    waiting = [Raw(sealed.port) for _ in range(300)]
    try:
        for raw in waiting:
            raw.send(b"\x16\x03\x01\x02\x00\x01")
        for _ in range(20):
            with sealed.connect() as raw:
                assert raw.ask(sealed.predict()).status == 200
        assert all(raw.ended() for raw in waiting)
    finally:
        for raw in waiting:
            raw.close()


# --- the administration (A58) -----------------------------------------------------------------


def admin(plain, path, *headers, host="localhost", method="GET"):
    with Raw(plain.running.admin_port) as raw:
        request = get(path, *headers, method=method).replace(
            b"Host: test", f"Host: {host}".encode()
        )
        return raw.ask(request)


@pytest.mark.parametrize("path", ["/", "/livez", "/keys", "/usage", "/nowhere"])
def test_a_page_that_made_up_a_name_for_this_machine_is_refused(plain, path):
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.2"):
        answer = admin(plain, path, host=host)
        assert (answer.status, answer.json()["code"]) == (403, "HOST_REFUSED")


@pytest.mark.parametrize("path", ["/keys", "/livez"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_a_page_of_another_site_is_refused_and_granted_nothing(plain, path, method):
    for origin in ("https://evil.example", "null", "http://localhost.evil.example"):
        lines = (f"Origin: {origin}", "Access-Control-Request-Method: POST")
        answer = admin(plain, path, *lines, method=method)
        assert (answer.status, answer.json()["code"]) == (403, "ORIGIN_REFUSED")
        assert not [name for name, _ in answer.headers if name.startswith("access-control")]


def test_under_its_own_name_the_administration_wants_a_key(plain):
    assert admin(plain, "/keys").status == 401
    assert admin(plain, "/keys", "Origin: http://localhost:1", host="127.0.0.1:1").status == 401
    assert admin(plain, "/keys", f"Authorization: Bearer {plain.key}").status == 403
