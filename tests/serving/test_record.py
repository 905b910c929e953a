"""What becomes of a finished call before it leaves."""

import gc
import weakref
from dataclasses import replace
from math import inf

import pytest
from tests.serving.parts import serve

from fairlead.core.access import NOBODY, journal_name
from fairlead.core.call import PUBLIC, Call, Route
from fairlead.core.decision import ABSTAINED, SERVED
from fairlead.core.errors import FairleadError, MalformedBody
from fairlead.serving.answered import Answered
from fairlead.serving.record import encode, refuse, write_down
from fairlead.usage.journal import Journal, read, segments
from fairlead.wires import native


class Body:
    """Stands for a large body; its end can be watched."""


def answered(call: Call) -> None:
    assert call.payload


def decode(call: Call, body: Body) -> None:
    raise MalformedBody("the body is not what it should be")


def test_a_refused_call_is_gone_with_its_body_when_it_is_answered():
    """Without waiting for the collector: seventy large bodies would wait together."""
    route = Route(PUBLIC, native.error_reply)

    def predict() -> tuple[weakref.ref[Call], weakref.ref[Body]]:
        call, body = Call(route, 0.0, 1.0, 1, True, answered), Body()
        try:
            decode(call, body)
        except FairleadError as error:
            refuse(call, error)
        return weakref.ref(call), weakref.ref(body)

    gc.disable()
    try:
        call, body = predict()
        assert call() is None
        assert body() is None
    finally:
        gc.enable()


class Encoder:
    """Fails on every call whose number of rows is even."""

    def encode(self, calls, outputs, verdicts):
        for call in calls:
            if call.rows % 2 == 0:
                raise ZeroDivisionError
            call.payload = outputs[0].encode()


@pytest.mark.parametrize("rows", [[1, 3], [1, 2, 3], [2], [2, 2]])
def test_a_fault_of_an_encoder_is_the_fault_of_one_call_only(rows, capsys):
    calls = []
    for count in rows:
        call = Call(Route(PUBLIC, native.error_reply), 0.0, inf, 1, True, answered)
        call.rows, call.encoder, call.lease = count, Encoder(), serve(None)
        calls.append(call)
    encode([Answered(calls, [], ["abcdefgh"], None)])
    for call in calls:
        assert (call.error is None) == (call.rows % 2 == 1)
        if call.error is not None:
            assert call.error.name == "INTERNAL"
            assert "ZeroDivision" not in call.error.line()
    assert ("encode_failed" in capsys.readouterr().err) == any(count % 2 == 0 for count in rows)


@pytest.mark.parametrize("late", [{0}, {1}, {0, 2}, {0, 1, 2}])
def test_an_answer_that_comes_too_late_is_said_to_be_and_its_neighbours_are_given(late):
    calls, encoder = [], Encoder()
    for number in range(3):
        due = 0.0 if number in late else inf
        call = Call(Route(PUBLIC, native.error_reply), 0.0, due, 1, True, answered)
        call.rows, call.encoder, call.lease = 1, encoder, serve(None)
        calls.append(call)
    encode([Answered(calls, [], ["abcdefgh"], None)])
    for number, call in enumerate(calls):
        if number in late:
            assert call.error.name == "DEADLINE_EXCEEDED"
        else:
            assert (call.error, call.payload) == (None, b"abcdefgh")
    assert (calls[0].payload is None) == (len(late) == 3), "for nobody nothing is written"


def test_who_called_and_how_many_rows_were_withheld_is_written_down(tmp_path):
    journal, served = Journal(tmp_path, "w"), serve(None)
    calls = []
    for withheld, name in ((0, "a"), (2, "b")):
        call = Call(Route(PUBLIC, native.error_reply), 0.0, 1.0, 1, True, answered)
        call.rows, call.payload, call.withheld = 3, b"{}", withheld
        call.decision = ABSTAINED if withheld else SERVED
        call.caller = replace(NOBODY, who=journal_name(name, "tenant", "gold", "gold@3"))
        calls.append(call)
    for part in (calls[:1], calls):
        write_down(journal, served, part)
    journal.close()
    found = [r for _, b in read(segments(tmp_path)[0]) if b for r in b.records()]
    assert [(r.key, r.price, r.rows, r.withheld, r.decision) for r in found] == [
        ("a", "gold@3", 3, 0, "serve"),
        ("a", "gold@3", 3, 0, "serve"),
        ("b", "gold@3", 3, 2, "abstain"),
    ]
    assert [call.usage for call in calls] == [1, 2]
