"""Attacks by lines: what a caller says must start no header and no line of a log (A24 to A26)."""

import json
import socket
from contextlib import closing

import pytest
from tests.hostile.parts import GOOD, attack, post, rows
from tests.raw import Raw, get

FORGED = '{"event":"forged"}'
BODY = b"[1,2,3]"
IDS = [
    attack(f"id {name}", rows("total", BODY, f"X-Request-Id: {value}"), "PARAMETER_INVALID")
    for name, value in {
        "encoded": "a%0d%0aSet-Cookie:%20b=c",
        "colon and blank": "a: b",
        "long": "a" * 129,
        "very long": "a" * 20_000,
        "latin-1": "\xe4",
        "next line": "a\x85b",
        "UTF-8": "a\u2028b".encode().decode("latin-1"),
        "quotes": FORGED,
        "empty": "",
        "tab": "a\tb",
    }.items()
]
BROKEN = [
    attack(f"id {name}", rows("total", BODY, f"X-Request-Id: {value}"), "HEAD_INVALID")
    for name, value in {
        "carriage return": "a\rSet-Cookie: b=c",
        "newline": "a\nSet-Cookie: b=c",
        "escape": "a\x1b[31mb",
        "bell": "a\x07",
        "NUL": "a\0b",
        "folded": "a\r\n Set-Cookie: b=c",
        "twice": "a\r\nX-Request-Id: b",
    }.items()
]
NAMES = [
    attack(f"name {encoded}", request, code, 404)
    for encoded in (
        "total%0d%0aSet-Cookie:%20b=c", "%0d%0a%0d%0a", "total%00", "%1b%5b31m", "%e2%80%a8",
        "%252e%252e", "..%2f..%2fetc%2fpasswd", "%5c..%5c", "a" * 300, "%7b%22event%22%7d",
    )
    for request, code in (
        (post(f"/predict/{encoded}", BODY), "MODEL_NOT_FOUND"),
        (post(f"/v2/models/{encoded}/infer", BODY), "MODEL_NOT_FOUND"),
        (get(f"/models/{encoded}"), "MODEL_NOT_FOUND"),
    )
]  # fmt: skip
AGENTS = [
    attack(
        "megabyte", rows("total", BODY, "User-Agent: " + "u" * (1 << 20)), "HEAD_TOO_LARGE", 431
    ),
    attack("escape", rows("total", BODY, "User-Agent: \x1b]0;owned\x07"), "HEAD_INVALID"),
    attack("newline", rows("total", BODY, f"User-Agent: a\n{FORGED}"), "HEAD_INVALID"),
    attack("10,000 headers", rows("total", BODY, *["A: b"] * 10_000), "HEAD_TOO_LARGE", 431),
    attack("megabyte of address", get("/" + "a" * (1 << 20)), "URL_TOO_LONG", 414),
]
MEDIA = [
    attack(f"media {value[:20]}", rows("total", BODY, f"Content-Type: {value}"),
           "MEDIA_TYPE_UNSUPPORTED", 415)
    for value in (
        "multipart/form-data; boundary=" + "a" * 20_000, "text/html;" + "a=b;" * 4000,
        ("a" * 100 + "/") * 100, "text/" + ";" * 20_000, "application/python-pickle",
    )
]  # fmt: skip
EVERYTHING = [*IDS, *BROKEN, *NAMES, *AGENTS, *MEDIA]


@pytest.mark.parametrize("one", EVERYTHING, ids=lambda one: one.name[:40])
def test_the_server_answers_and_repeats_nothing_raw(usual, one):
    answer = usual.survives(one)
    assert {name for name, _ in answer.headers} <= {
        "content-type", "date", "content-length", "connection",
    }  # fmt: skip
    assert b"\x1b" not in answer.body
    assert b"\n" not in answer.body


def test_a_hundred_times_cost_no_memory(usual):
    usual.bears(EVERYTHING)


@pytest.mark.parametrize(
    "agent", ["\u2028".encode().decode("latin-1"), FORGED, "\\r\\n" + FORGED, "\x85", "\xff" * 500]
)
def test_an_odd_agent_is_served_and_starts_no_line_in_the_log(usual, agent):
    with Raw(usual.port) as raw:
        assert raw.ask(rows("total", BODY, f"User-Agent: {agent}")).status == 200
        assert raw.ask(rows("total", b"{", f"User-Agent: {agent}")).status == 400
        assert raw.ask(rows("picky", b"[9]", f"User-Agent: {agent}")).status == 500
    for line in usual.running.lines:
        if line.startswith("{"):
            assert json.loads(line)["event"] != "forged"
    usual.log_is_clean()


_METHODS = (b"GET", b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"PROPFIND", b"LOCK", b"POST")


def _unknown(number: int) -> bytes:
    """A request of which everything is new: method, model, address, ids, key."""
    path = (b"/predict/unknown-%d", b"/v2/models/u%d/ready", b"/nowhere/%d", b"/models/u%d/card")
    asked = b"%b " % _METHODS[number % 8] + path[number % 4] % number
    return asked + (
        b" HTTP/1.1\r\nhost: x\r\nx-request-id: %d\r\ntraceparent: 00-%032x-%016x-01\r\n"
        b"authorization: Bearer frl_live_%d\r\nuser-agent: %d\r\ncontent-length: 0\r\n\r\n"
    ) % (number, number + 1, number + 1, number, number)


def _told(line: socket.socket, count: int) -> None:
    """Reads the answers to so many requests."""
    read = b""
    while read.count(b"HTTP/1.1 ") < count or not read.endswith((b"}", b"\n")):
        piece = line.recv(1 << 20)
        assert piece
        read += piece


def test_a_hundred_thousand_unknown_names_make_no_new_series(usual):
    """A26. Ten kinds of unknown names in each request, a hundred requests at once."""

    def series() -> set[str]:
        with Raw(usual.port) as raw:
            text = raw.ask(get("/metrics")).body.decode()
        return {line.rpartition(" ")[0] for line in text.splitlines() if line[:1] != "#"}

    with Raw(usual.port) as raw:
        assert raw.ask(GOOD).status == 200
    before = series()
    with closing(socket.create_connection(("127.0.0.1", usual.port), 60)) as line:
        for start in range(0, 100_000, 100):
            line.sendall(b"".join([_unknown(n) for n in range(start, start + 100)]))
            _told(line, 100)
    for number in range(100):
        with Raw(usual.port) as raw:
            raw.ask(get("/models", method=f"BREW{number}"))
    assert len(series() - before) <= 10
    requests = [line for line in [*usual.running.lines] if '"event":"request"' in line]
    assert len(requests) < 10_000
    assert not any("frl_live_" in line for line in requests)
    usual.log_is_clean()


@pytest.mark.parametrize("hostile", ["\r\nSet-Cookie: b=c", "\x1b[31m", "\u2028", "i" * 100_000])
def test_the_id_of_a_body_comes_back_in_the_body_alone_beside_the_heads(usual, hostile):
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}
    body = json.dumps({"id": hostile, "inputs": [tensor]}).encode()
    with Raw(usual.port) as raw:
        answer = raw.ask(post("/v2/models/total/infer", body, "X-Request-Id: of-the-head"))
    assert answer.status == 200
    assert answer.header("x-request-id") == "of-the-head"
    assert answer.header("set-cookie") == ""
    assert json.loads(answer.body)["id"] == hostile
    assert b"\n" not in answer.body
    assert b"\x1b" not in answer.body
