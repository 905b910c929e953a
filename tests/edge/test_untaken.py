"""Answers that nobody takes: who takes too little is ended, and together they are bounded."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest
from tests.edge.parts import bench
from tests.processes import until
from tests.raw import Raw, get, post

from fairlead.core.clock import now
from fairlead.edge.heads import HttpLimits
from fairlead.edge.untaken import Untaken


class Line:
    """So much waits on it."""

    def __init__(self, size: int) -> None:
        self.size, self.ended = size, False

    def get_write_buffer_size(self) -> int:
        return 0 if self.ended else self.size

    def abort(self) -> None:
        self.ended = True


def made(*lines: Line, **limits: float) -> tuple[Untaken, list[int]]:
    told: list[int] = []
    held = Untaken(HttpLimits(**limits), lambda event, connections: told.append(connections))
    for line in lines:
        held.note(line)
    return held, told


def test_a_caller_that_takes_less_than_a_kib_a_second_is_ended_once_it_had_its_time():
    idle, slow, swift = Line(10 << 20), Line(10 << 20), Line(10 << 20)
    held, told = made(idle, slow, swift, idle_s=10.0)
    moment = now()
    slow.size -= 5 << 10
    swift.size -= 20 << 10
    held.tick(moment + 9.0)
    assert not idle.ended
    held.tick(moment + 11.0)
    assert (idle.ended, slow.ended) == (True, False), "five seconds more for five KiB"
    held.tick(moment + 16.0)
    assert (slow.ended, swift.ended) == (True, False)
    assert told == [1, 1]


def test_what_was_taken_is_forgotten():
    line = Line(1000)
    held, told = made(line, idle_s=10.0)
    line.size = 0
    held.tick(now())
    line.size = 1000
    held.tick(now() + 100.0)
    held.note(line)
    held.forget(line)
    held.tick(now() + 100.0)
    assert (line.ended, told) == (False, [])


def test_of_more_than_may_be_held_the_slowest_go_first_and_who_has_just_begun_stays():
    lines = [Line(100) for _ in range(4)]
    held, told = made(*lines, untaken=250)
    moment = now()
    for number, line in enumerate(lines):
        line.size -= 10 * number
    fresh = Line(100)
    held.tick(moment + 0.1)
    assert told == [], "they have had no time to take anything"
    held.note(fresh)
    held._lines[fresh].since = moment + 5.0
    held.tick(moment + 5.1)
    assert [line.ended for line in lines] == [True, True, False, False]
    assert not fresh.ended
    assert told == [2]


def test_what_comes_to_a_line_that_is_behind_was_not_taken():
    line = Line(1 << 20)
    held, _ = made(line, idle_s=10.0)
    line.size += 1 << 20
    held.note(line, 1 << 20)
    held.tick(now() + 11.0)
    assert line.ended


# --- with connections -------------------------------------------------------------------------

BODY = b"x" * (12 << 20)
"""More than the system holds for a connection on this machine."""


def asking(port: int, *headers: str) -> socket.socket:
    """A caller with a small window that asks for a large answer and reads none of it."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.connect(("127.0.0.1", port))
    line.sendall(post("/echo", BODY, *headers))
    return line


@pytest.mark.parametrize("headers", [[], ["Connection: close"]])
def test_an_answer_that_is_never_taken_is_given_up_over_http1(headers):
    with bench(body=16 << 20, idle_s=0.2) as made, closing(asking(made.port, *headers)):
        until(lambda: made.path.seen, 20)
        until(lambda: made.service.connections == 0, 20)


def test_what_many_leave_untaken_is_bounded_and_others_are_answered():
    with bench(body=16 << 20, untaken=24 << 20) as made:
        crowd = [asking(made.port) for _ in range(4)]
        with Raw(made.port) as good:
            until(lambda: good.ask(get("/plain")) and made.service.connections <= 4, 20)
            assert good.ask(post("/echo", b"1")).body == b"1"
            assert made.service.connections >= 2, "no more are ended than is needed"
        for line in crowd:
            line.close()


def test_what_came_while_a_caller_was_waited_for_is_counted_as_taken_once_it_is():
    line = Line(28 << 20)
    held, told = made(line, idle_s=10.0)
    moment = now()
    line.size = 60 << 20
    held.tick(moment + 1.0)
    line.size -= 5 << 20
    held.tick(moment + 60.0)
    assert (line.ended, told) == (False, []), "it takes five MiB a minute"
    held.tick(moment + 10.0 + 5 * 1024 + 1.0)
    assert line.ended
