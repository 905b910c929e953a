"""Callers who ask again when they are answered, against a server of a few lines."""

from __future__ import annotations

import socketserver
from threading import Thread

import pytest

from fairlead.core.errors import ServerUnreachable
from fairlead.profiling.callers import (
    Heard,
    NotAnswered,
    ask_awake,
    ask_once,
    keep_asking,
    keep_pausing,
)

REQUESTS = (b"POST / HTTP/1.1\r\ncontent-length: 1\r\n\r\na", b"POST / HTTP/1.1\r\n\r\n")


class Answering(socketserver.ThreadingTCPServer):
    """Answers whatever comes with the next of its answers."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *answers):
        self.answers, self.heard = answers, []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            self.server.heard.append(data)
            for piece in self.server.answers[len(self.server.heard) % len(self.server.answers)]:
                self.request.sendall(piece)
            if self.server.answers == ENDING:
                return


def answer(body, status="200 OK"):
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


ENDING = ([b"HTTP/1.1 200 OK\r\n"],)


@pytest.fixture
def serving():
    started = []

    def start(*answers):
        server = Answering(*answers)
        Thread(target=server.serve_forever, daemon=True).start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


def test_every_caller_asks_all_requests_in_turn(serving):
    server = serving([answer(b"yes")])
    found = keep_asking(server.server_address[1], REQUESTS, 3, 0.05)
    assert len(found.waits) >= 3 * 3
    assert list(found.waits) == sorted(found.waits)
    assert found.seconds >= 0.04
    assert set(server.heard) == set(REQUESTS)


def test_a_caller_who_pauses_asks_all_requests_in_turn_as_often_as_is_wanted(serving):
    server = serving([answer(b"yes")])
    waits = keep_pausing(server.server_address[1], REQUESTS, 0.001, 0.0, 5)
    assert len(waits) == 5, "the first of each request is not counted"
    assert server.heard == [*REQUESTS * 3, REQUESTS[0]]
    failing = serving([answer(b"no", "503 Service Unavailable")])
    with pytest.raises(NotAnswered, match="503"):
        keep_pausing(failing.server_address[1], REQUESTS, 0.0, 0.0, 5)
    with pytest.raises(ServerUnreachable):
        keep_pausing(serving(*ENDING).server_address[1], REQUESTS, 0.0, 0.0, 5)


def test_an_answer_that_comes_in_pieces_is_one_answer(serving):
    whole = answer(b"abcdef")
    server = serving([whole[:10], whole[10:50], whole[50:]])
    assert ask_once(server.server_address[1], REQUESTS[0]) == whole


def test_an_error_is_told_with_the_servers_words(serving):
    server = serving([answer(b'{"detail": "no"}', "422 Unprocessable")])
    with pytest.raises(NotAnswered, match=r'the server answered 422: {"detail": "no"}'):
        keep_asking(server.server_address[1], REQUESTS, 1, 0.05)


def test_an_answer_of_unknown_length_is_none(serving):
    server = serving([b"HTTP/1.1 200 OK\r\n\r\n"])
    with pytest.raises(NotAnswered, match="how long"):
        ask_once(server.server_address[1], REQUESTS[0])


def test_a_connection_that_ends_is_said(serving):
    server = serving(*ENDING)
    with pytest.raises(ServerUnreachable):
        keep_asking(server.server_address[1], REQUESTS, 2, 0.05)


def test_rates_and_quantiles_are_those_of_the_waits():
    found = Heard([0.1, 0.2, 0.3, 0.4], 2.0)
    assert found.per_s == 2.0
    assert (found.quantile(0.5), found.quantile(0.99), found.quantile(1.0)) == (0.3, 0.4, 0.4)


def test_a_server_that_cannot_now_is_asked_again_and_one_that_will_not_is_not(serving):
    # The answers come in turn, the second first.
    server = serving([answer(b"awake")], [answer(b"it sleeps", "503 Unavailable")])
    assert ask_awake(server.server_address[1], REQUESTS[0]).endswith(b"awake")
    assert len(server.heard) == 2
    refusing = serving([answer(b"never", "404 Not Found")])
    with pytest.raises(NotAnswered, match="never") as refused:
        ask_awake(refusing.server_address[1], REQUESTS[0])
    assert (refused.value.status, len(refusing.heard)) == (404, 1)
