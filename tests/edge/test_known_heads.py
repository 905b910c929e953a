"""What is kept of heads that were parsed before, and for how long."""

import pytest
from tests.edge.parts import EchoWire
from tests.raw import post

from fairlead.core.call import Head
from fairlead.edge.heads import HttpLimits
from fairlead.edge.known_heads import KnownHeads

RAW = post("/echo", b"1")[:-1]


def timed(milliseconds: object) -> bytes:
    return post("/echo", b"1", f"X-Request-Timeout: {milliseconds}")[:-1]


@pytest.fixture
def known():
    made = KnownHeads(HttpLimits())
    route = EchoWire().route("POST", "/echo")
    made.remember(RAW, Head("POST", "/echo", "", {"host": "test"}, 1, True, route, 30.0))
    return made


def test_a_head_that_differs_in_its_timeout_alone_is_the_same_but_for_that(known):
    head = known.recall(timed(1500))
    assert (head.path, head.patience) == ("/echo", 1.5)
    assert known.exact[RAW].patience == 30.0


def test_a_timeout_that_comes_again_makes_no_new_head(known):
    assert known.recall(timed(1500)) is known.recall(timed(1500))
    assert known.recall(timed(1501)) is not known.recall(timed(1500))


def test_an_id_is_never_anothers(known):
    def ask(number: int) -> Head:
        marks = (f"X-Request-Id: {number}", "X-Request-Timeout: 1500")
        return known.recall(post("/echo", b"1", *marks)[:-1])

    assert [ask(n).echo for n in (1, 2, 1)] == [(("x-request-id", str(n)),) for n in (1, 2, 1)]


def test_what_is_kept_has_bounds(known):
    """A caller that tells what is left of its time never gives the same one twice."""
    for number in range(1000):
        assert known.recall(timed(number)).patience == number / 1000
        assert len(known._timed) <= 64
    for number in range(3000):
        raw = post(f"/echo?{number}", b"1")[:-1]
        known.remember(raw, Head("POST", "/echo", str(number), {}, 1, True, None, 30.0))
        assert raw in known.exact
        assert len(known.exact) <= 1024


def test_a_bad_timeout_is_left_to_the_parser(known):
    assert known.recall(timed("soon")) is None


def test_once_the_service_drains_nothing_is_known(known):
    known.recall(timed(1500))
    head = known.exact[RAW]
    known.forget()
    known.remember(RAW, head)
    assert known.exact == {}
    assert known.recall(timed(1500)) is None
