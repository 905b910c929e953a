"""How calls over gRPC end badly: the server's own error, or what the library on the way says."""

from __future__ import annotations

from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.client.grpc_errors import DETAILS, ended
from fairlead.client.talk import Refused
from fairlead.core.errors import (
    CATALOGUE,
    AnswerUnreadable,
    DeadlineExceeded,
    FairleadError,
    Internal,
    MissingField,
    Overloaded,
    ServerUnreachable,
)
from fairlead.wires.grpc_status import error_reply

URL = "grpc://somewhere:8081"


def over_the_wire(error: FairleadError) -> Exception:
    """What a client raises for an error of the server."""
    told = dict(error_reply(error).trailers)
    text = told[DETAILS]
    raw = b64decode(text + "=" * (-len(text) % 4))
    return ended(URL, int(told["grpc-status"]), told["grpc-message"], [(DETAILS, raw)])


@pytest.mark.parametrize("kind", CATALOGUE.values(), ids=lambda kind: kind.name)
def test_every_error_of_the_server_is_raised_as_it_is(kind):
    made = kind.__new__(kind)
    FairleadError.__init__(
        made, "it is 5 % off", where="row 3", fix="Mind: (x). y", row=3, column="ä"
    )
    found = over_the_wire(made)
    if isinstance(found, Refused):
        assert kind.code.name in ("UNAVAILABLE", "RESOURCE_EXHAUSTED")
        found = found.refusal[0]
    assert type(found) is kind
    facts = ("what", "where", "fix", "row", "column")
    assert [getattr(found, name) for name in facts] == [getattr(made, name) for name in facts]


def test_what_the_server_did_not_take_may_be_asked_again_after_its_wait():
    error = Overloaded("busy")
    error.retry_after = 7
    found = over_the_wire(error)
    assert isinstance(found, Refused)
    assert found.refusal[1] == 7.0
    assert not isinstance(over_the_wire(MissingField("none")), Refused)


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (4, "Deadline Exceeded", DeadlineExceeded),
        (14, "Socket closed", ServerUnreachable),
        (1, "CANCELLED", ServerUnreachable),
        (12, "Method not found!", AnswerUnreadable),
        (2, "Stream removed", Internal),
        (13, "", Internal),
    ],
)
def test_without_the_servers_word_a_call_may_have_been_done_and_is_not_made_again(
    status, text, kind
):
    assert type(ended(URL, status, text, ())) is kind


@pytest.mark.parametrize(
    "text",
    [
        "failed to connect to all addresses; last error: UNKNOWN: Connection refused (111)",
        "DNS resolution failed for somewhere:8081: C-ares status is not ARES_SUCCESS",
    ],
)
def test_what_never_left_may_be_asked_again(text):
    found = ended(URL, 14, text, ())
    assert isinstance(found, Refused)
    assert isinstance(found.refusal[0], ServerUnreachable)


@given(st.binary(max_size=64), st.integers(0, 30))
def test_trailers_of_anybody_else_raise_nothing_unforeseen(raw, status):
    found = ended(URL, status, "text", [(DETAILS, raw), ("other", "x")])
    assert isinstance(found, (FairleadError, Refused))
