"""The log of requests: which get a line, what stands in it, and that no caller writes any of it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.serving.parts import Model, call, serve

from fairlead.core.access import NOBODY
from fairlead.core.call import Head, Reply
from fairlead.core.errors import ModelError, ModelNotFound
from fairlead.serving.log import configure
from fairlead.serving.requests import MOST_PER_S, ONE_IN, Requests

SERVED = serve(Model())
FIXED = {"time", "level", "event"}


class Kept:
    """A log of requests and what it wrote."""

    def __init__(self, way: str, *, text: bool = False) -> None:
        self.written: list[bytes] = []
        known = lambda method, path: ("/predict/{model}", "native") if path == "/p" else ("", "")  # noqa: E731
        self.log = Requests(way, text, "w", self.written.append, known=known)

    @property
    def lines(self) -> list[dict]:
        return [json.loads(line) for piece in self.written for line in piece.splitlines()]


def head(path="/p", method="POST", echo=()) -> Head:
    return Head(method, path, "secret=1", {"user-agent": "x"}, 0, True, None, 1.0, echo)  # type: ignore[arg-type]


def good(**more):
    made = call(SERVED, [1, 2])
    made.head, made.payload, made.usage, made.compute_ns = head(), b"answer", 31, 1_500_000
    for name, value in more.items():
        setattr(made, name, value)
    return made


def failed():
    made = good(error=ModelError("it said 'secret'"), compute_ns=0)
    made.reply = Reply(500, b"{}")
    return made


def answer(kept, *calls, moment=0.0) -> None:
    fine = sum(one.error is None for one in calls)
    kept.log.answered(SERVED, calls, fine, moment or calls[0].received + 0.0042)


def test_a_line_says_what_was_asked_and_what_came_of_it():
    kept = Kept("all")
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    one = good(echo=(("x-request-id", "mine"), ("traceparent", trace)))
    one.head, one.caller = head(echo=one.echo), replace(NOBODY, key="key_1")
    answer(kept, one)
    line = kept.lines[0]
    assert set(line) >= FIXED
    assert {k: v for k, v in line.items() if k not in FIXED} == {
        "method": "POST", "route": "/predict/{model}", "wire": "native", "request_id": "mine",
        "trace_id": "0af7651916cd43dd8448eb211c80319c", "model": "m", "version": 1,
        "usage_id": "w-1f", "status": 200, "rows": 1, "bytes_in": one.bytes_in, "bytes_out": 6,
        "ms": 4.2, "model_ms": 1.5, "decision": "serve", "key": one.caller.key,
    }  # fmt: skip


def test_a_failed_request_is_told_by_its_error_and_never_by_its_words():
    kept = Kept("all")
    answer(kept, failed())
    line = kept.lines[0]
    assert (line["status"], line["error"], line["error_id"]) == (500, "MODEL_ERROR", ModelError.id)
    assert "decision" not in line
    assert b"secret" not in kept.written[0]


def test_lines_for_people_say_the_same():
    kept = Kept("all", text=True)
    answer(kept, good())
    said = kept.written[0].decode()
    assert " INFO request method=POST route=/predict/{model} wire=native model=m version=1 " in said
    assert said.endswith(" decision=serve\n")


def test_none_is_told_where_nothing_is_wanted_or_the_level_is_above():
    for way, level in (("off", "info"), ("all", "warning")):
        configure(level, "json")
        try:
            kept = Kept(way)
        finally:
            configure("info", "json")
        answer(kept, good(), failed())
        kept.log.refused(failed())
        kept.log.plain(head(), Reply(404, b""), ModelNotFound("no"))
        assert kept.written == []


@given(st.lists(st.integers(1, 300), min_size=1, max_size=30))
def test_of_good_requests_one_in_a_hundred_is_told_however_they_are_joined(batches):
    kept = Kept("sampled")
    one = good()
    for number, size in enumerate(batches):
        answer(kept, *[one] * size, moment=one.received + 2 * number)
    assert len(kept.lines) == sum(batches) // ONE_IN


def test_every_failed_request_is_told_up_to_so_many_in_a_second_and_the_rest_are_counted():
    kept = Kept("sampled")
    one = failed()
    answer(kept, *[one, good()] * 5, moment=one.received)
    assert len(kept.lines) == 5
    answer(kept, *[one] * MOST_PER_S, moment=one.received + 0.5)
    assert len(kept.lines) == MOST_PER_S
    assert kept.log.lost == 5
    answer(kept, one, moment=one.received + 5)
    assert len(kept.lines) == MOST_PER_S + 1
    assert kept.log.lines_lost() == {"too_many": 5, "unwritten": 0}


def test_a_flood_of_failures_leaves_room_for_good_requests():
    kept = Kept("sampled")
    one = failed()
    answer(kept, *[one] * 1000, moment=one.received)
    answer(kept, *[good()] * ONE_IN, moment=one.received)
    assert [line["status"] for line in kept.lines].count(200) == 1


def test_what_could_not_be_read_is_told_too():
    kept = Kept("sampled")
    kept.log.plain(None, Reply(400, b"no"), ModelNotFound("x"))
    kept.log.plain(head("/nowhere"), Reply(404, b"no"), ModelNotFound("x"), size=3)
    assert kept.lines[-1]["route"] == "(none)"
    assert not any("nowhere" in str(line) for line in kept.lines)
    assert kept.lines[1]["bytes_in"] == 3


_HOSTILE = ["\r\nSet-Cookie: x", "\x1b[31m", "\u2028", "\x85", "a" * 100_000, '","level":"error']


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("hostile", _HOSTILE)
def test_no_caller_breaks_or_forges_a_line(hostile, text):
    """A24, A25: methods, addresses, keys; each escaped and at most 1 KiB."""
    kept = Kept("all", text=text)
    one = good()
    one.head = head(hostile, hostile)
    one.caller = replace(NOBODY, key=hostile)
    answer(kept, one)
    kept.log.plain(head(hostile, hostile), Reply(404, b""), caller=one.caller)
    for said in kept.written:
        line = said.decode()
        assert line.isascii()
        assert line[:-1].isprintable()
        assert line.count("\n") == 1
        assert len(line) < 3000
        if not text:
            assert json.loads(line)["level"] == "info"
            assert all(len(str(value)) <= 1024 for value in json.loads(line).values())


def test_what_cannot_be_told_costs_no_request_its_answer_and_is_said_once(capsys):
    def broken(lines: bytes) -> None:
        raise OSError("the disk is full")

    log = Requests("all", False, "w", broken)
    for _ in range(3):
        log.answered(SERVED, [good()], 1, 1.0)
        log.refused(failed())
        log.plain(head(), Reply(200, b""))
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert (said["event"], said["error"]) == ("telling_failed", "OSError('the disk is full')")
