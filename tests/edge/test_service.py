"""What all connections share: how many there may be, and what is counted."""

import pytest
from tests.edge.parts import EchoPath, EchoWire

from fairlead.core.call import Head, Peer, Reply, Route
from fairlead.core.clock import now
from fairlead.core.errors import ModelAsleep, UrlTooLong
from fairlead.edge.heads import HttpLimits
from fairlead.edge.http2_stream import http_block
from fairlead.edge.router import Router
from fairlead.edge.service import HttpService


class Caller:
    """As much of a connection as the service sees."""

    def __init__(self, peer: str) -> None:
        self.peer = Peer(peer)
        self.looked = 0
        self.ended = 0
        self.idle = True
        self.seen = 0.0

    def check_time(self, moment: float) -> None:
        self.looked += 1

    def end(self, since: float) -> None:
        self.ended += 1


def service(**limits: int) -> HttpService:
    return HttpService(Router([EchoWire()]), EchoPath(), HttpLimits(**limits), print, "w")


def test_one_address_may_not_take_all_connections():
    made = service(connections_per_ip=2, connections=5)
    strangers = [Caller("10.0.0.1") for _ in range(3)]
    assert [made.connected(c) for c in strangers] == [True, True, False]
    assert made.connected(Caller("10.0.0.2"))
    made.lost(strangers[0])
    made.lost(strangers[2])
    assert made.connected(Caller("10.0.0.1"))


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", ""])
def test_a_peer_on_this_machine_is_exempt(peer):
    made = service(connections_per_ip=1)
    assert all(made.connected(Caller(peer)) for _ in range(5))


@pytest.mark.parametrize("peer", ["128.0.0.1", "12.7.0.0", "::11", "fe80::1"])
def test_no_other_peer_is(peer):
    made = service(connections_per_ip=1)
    assert made.connected(Caller(peer))
    assert not made.connected(Caller(peer))


def test_all_addresses_together_have_a_limit():
    made = service(connections=3)
    callers = [Caller(f"10.0.0.{i}") for i in range(4)]
    assert [made.connected(c) for c in callers] == [True, True, True, False]
    for caller in callers:
        made.lost(caller)
        made.lost(caller)
    assert made.connections == 0
    assert made.connected(Caller("127.0.0.1"))


def test_a_tick_looks_at_every_connection_and_renews_the_date():
    made = service()
    callers = [Caller("127.0.0.1") for _ in range(3)]
    for caller in callers:
        made.connected(caller)
    made.ok_head = b""
    made.tick()
    assert [c.looked for c in callers] == [1, 1, 1]
    assert made.ok_head.startswith(b"HTTP/1.1 200 OK\r\n")


def test_it_is_quiet_when_nothing_was_read_for_a_while():
    made = service()
    caller = Caller("127.0.0.1")
    made.connected(caller)
    made.tick()
    assert made.quiet
    caller.seen = now()
    made.tick()
    assert not made.quiet


def test_refusals_are_counted_by_name():
    made = service()
    for _ in range(3):
        made.count_refusal(UrlTooLong("it is long"))
    assert made.refusals == {"URL_TOO_LONG": 3}


def test_the_head_of_an_answer_holds_what_the_reply_says():
    made = service()
    reply = Reply(405, b"no", "text/plain", (("allow", "GET, HEAD"),))
    head = made.head_of(reply, 2, closing=True).decode()
    lines = head.split("\r\n")
    assert lines[0] == "HTTP/1.1 405 Method Not Allowed"
    assert {"content-type: text/plain", "allow: GET, HEAD", "content-length: 2"} <= {*lines}
    assert lines[-3:] == ["connection: close", "", ""]
    assert "connection" not in made.head_of(None, 0, closing=False).decode()


def test_a_header_of_an_answer_begins_no_other_line_whatever_stands_in_it():
    reply = Reply(303, b"", headers=(("location", "./a\r\nset-cookie: evil=1\0\N{SNOWMAN}"),))
    head = service().head_of(reply, 0, closing=False)
    assert b"location: ./a  set-cookie: evil=1 ?\r\n" in head
    assert http_block(reply, 0, b"now").count(b"./a  set-cookie: evil=1 ?") == 1


class Line:
    """The log of requests, as far as these tests look."""

    def __init__(self) -> None:
        self.told: list[tuple[int, str]] = []

    def plain(self, head, reply, error, *more) -> None:
        self.told.append((reply.status, "" if error is None else error.name))


def test_who_cannot_wait_for_a_model_is_answered_and_told_of_once():
    made = service()
    made.requests = line = Line()
    asleep = ModelAsleep("it is loaded when somebody asks for it")

    def answer(head, body, caller):
        raise asleep

    def error(raised):
        return Reply(503, raised.name.encode())

    head = Head("GET", "/card", "", {}, 0, True, Route("read", error, answer=answer), 1.0)
    later: list[Reply] = []
    reply = made.plain(head, b"", Peer("127.0.0.1"), later.append)
    assert reply is not None
    assert (reply.status, reply.body) == (503, b"MODEL_ASLEEP")
    assert line.told == [(503, "MODEL_ASLEEP")]
    waiting: list = []
    asleep.park = lambda again, deadline: waiting.append(again)
    assert made.plain(head, b"", Peer("127.0.0.1"), later.append) is None
    assert (later, len(line.told)) == ([], 1), "nobody is told before it is answered"
    asleep.park = None
    waiting.pop()()
    assert [one.status for one in later] == [503]
    assert len(line.told) == 2
