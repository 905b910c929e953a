"""What calls take of limits, and give back: together or not at all, and nothing for nothing."""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace

import pytest
from tests.access.parts import Memory, at_once, caller

from fairlead.access.leases import Leases
from fairlead.access.lending import Lending
from fairlead.access.limits import Rules
from fairlead.access.metering import OwnMeters
from fairlead.access.terms import Terms
from fairlead.core.allowance import parse_limits
from fairlead.core.call import PUBLIC, Route
from fairlead.core.clock import monotonic_ns
from fairlead.core.errors import AboveLimit, ModelError, Overloaded, ResourceExhausted
from fairlead.serving import rationing
from fairlead.serving.rationing import Rationing, left_to_json
from fairlead.serving.record import give_back


class House:
    """A worker and its lender; messages travel when `pump` is called."""

    def __init__(self, *server: str) -> None:
        self.queue: deque = deque()
        self.leases = Leases(self._ask)
        self.lender = Lending(OwnMeters(Memory(), at_once), self._tell, careful=False)
        self.rations = Rationing(self.leases, parse_limits(server))
        self.lender.joined(0)
        self.pump()
        self.submitted: list = []

    def _ask(self, message) -> bool:
        self.queue.append(lambda: self.lender.take(0, message))
        return True

    def _tell(self, line, message) -> bool:
        self.queue.append(lambda: self.leases.heard(message))
        return True

    def pump(self) -> None:
        while self.queue:
            self.queue.popleft()()

    def call(self, who, model="m", rows=1, size=100):
        """A decoded call, charged; it may be parked."""
        done: list = []
        route = SimpleNamespace(model=model, error=lambda e: SimpleNamespace(body=b"!"))
        one = SimpleNamespace(
            caller=who, route=route, rows=rows, bytes_in=size, grant=None, told=b"", lease=None,
            compute_ns=0, withheld=0, error=None, payload=None, reply=None, done=done.append,
        )  # fmt: skip
        one.answered = done
        self.rations.charge(one, self.submitted.append)
        return one

    def used(self, who, rows=1, **more):
        """A call that was executed."""
        one = self.call(who, rows=rows, **more)
        self.pump()
        one.compute_ns = 1000
        return one


def test_a_caller_without_limits_goes_on_at_once_and_holds_nothing():
    house = House()
    one = house.call(caller())
    assert house.submitted == [one]
    assert (one.grant, one.told) == (None, b"")
    assert not house.queue


def test_a_first_call_waits_for_the_lender_and_then_goes_on():
    house = House()
    one = house.call(caller(limits=["requests=10/second"]))
    assert house.submitted == []
    house.pump()
    assert house.submitted == [one]
    assert b'ratelimit: "key-requests-per-second";r=9;t=1\r\n' in one.told


def test_a_parked_call_whose_limit_is_used_up_is_answered_with_the_reason():
    house = House()
    told: list = []
    house.rations.refused = told.append
    who = caller(limits=["rows=3/day"])
    house.used(who, rows=3)
    late = house.call(who)
    house.pump()
    assert late not in house.submitted
    assert late.answered == [late]
    assert isinstance(late.error, ResourceExhausted)
    assert b"r=0" in late.told
    assert told == [late], "the log of requests has a line of it"


def test_what_no_waiting_makes_possible_is_said_at_once():
    house = House()
    with pytest.raises(AboveLimit):
        house.call(caller(limits=["rows=3/day"]), rows=4)


def test_a_call_that_was_never_executed_gives_everything_back():
    house = House()
    who = caller(limits=["rows=3/day"])
    one = house.call(who, rows=3)
    house.pump()
    give_back([one])
    again = house.call(who, rows=3)
    house.pump()
    assert again in house.submitted
    give_back([one])  # a second time changes nothing
    assert isinstance(refused(house, who), ResourceExhausted)


def refused(house: House, who):
    late = house.call(who)
    house.pump()
    return late.error


def test_rows_that_were_withheld_cost_no_credit():
    house = House()
    who = caller(limits=["credits=3"])
    one = house.used(who, rows=3)
    one.withheld = 2
    give_back([one])
    again = house.used(who, rows=2)
    assert again in house.submitted
    give_back([again])
    assert isinstance(refused(house, who), ResourceExhausted)


def test_a_call_that_was_executed_and_has_no_answer_counts_but_costs_no_credit():
    house = House()
    who = caller(limits=["credits=3", "requests=2/day"])
    for _ in range(2):
        one = house.used(who, rows=3)
        assert one in house.submitted
        one.error = ModelError("the model failed")
        give_back([one])
        house.pump()
    assert "requests-per-day" in refused(house, who).what


def test_limits_of_tenants_models_and_the_server_hold_from_when_they_are_told():
    house = House("requests=1000/second")
    who = caller()
    house.rations.of_tenants({"acme": Terms(limits=parse_limits(["rows=5/day"]))})
    house.rations.of_model("m", parse_limits(["rows=4/day"]))
    assert house.used(who, rows=4) in house.submitted
    assert isinstance(refused(house, who), ResourceExhausted)
    assert house.used(who, model="other", rows=1) in house.submitted
    late = house.call(who, model="other")
    house.pump()
    assert late.error.where == "tenant rows-per-day"


def test_what_is_left_is_told_of_the_callers_own_limits_alone():
    house = House("requests=1000/second")
    who = caller(limits=["rows=5/day"])
    house.used(who, rows=2)
    found: list = []
    house.rations.left(who, ["m"], found.append)
    house.pump()
    (told,) = [left_to_json(one) for one in found[0]["m"]]
    assert (told["name"], told["of"], told["left"], told["amount"]) == ("rows-per-day", "key", 3, 5)


@pytest.mark.parametrize(("amount", "old_ms"), [(1000, 10), (102, 10), (101, 1)])
def test_what_a_busy_caller_is_told_is_the_older_the_more_is_left(monkeypatch, amount, old_ms):
    house, who = House(), caller(limits=[f"rows={amount}/day"])
    house.used(who)
    began = monotonic_ns() + 10**9
    told = []
    for ms in (0, 0.9, 1.1, 9.9, 11.0):
        moment = began + int(ms * 1e6)
        monkeypatch.setattr(rationing, "monotonic_ns", lambda moment=moment: moment)
        told.append(house.used(who).told)
    assert told[0] == told[1]
    assert (told[2] == told[0]) is (told[3] == told[0]) is (old_ms == 10)
    assert told[4] not in told[:4]
    assert f";r={amount - 6}".encode() in told[4]


@pytest.mark.parametrize("limit", ["rows=1000/day", "bytes=100000/day"])
def test_what_is_told_is_fresh_where_few_such_calls_are_left(monkeypatch, limit):
    house, who = House(), caller(limits=[limit])
    house.used(who, rows=1, size=1)
    began = monotonic_ns() + 10**9
    told = []
    for ms in (0, 1.1):
        monkeypatch.setattr(rationing, "monotonic_ns", lambda ms=ms: began + int(ms * 1e6))
        told.append(house.used(who, rows=300, size=30_000).told)
    assert told[0] != told[1]


def test_of_what_a_call_takes_only_afterwards_no_old_word_is_told(monkeypatch):
    house, who = House(), caller(limits=["compute_ms=1000000/day", "rows=1000000/day"])
    house.used(who)
    began, read = monotonic_ns() + 10**9, []
    monkeypatch.setattr(house.leases, "left", lambda *given, left=house.leases.left: (
        read.append(1) or left(*given)))  # fmt: skip
    for ms in (0, 0.9, 1.1):
        monkeypatch.setattr(rationing, "monotonic_ns", lambda ms=ms: began + int(ms * 1e6))
        house.used(who)
    assert len(read) == 2


def test_what_is_told_of_a_small_call_is_not_told_of_a_large_one(monkeypatch):
    house, who = House(), caller(limits=["rows=1000/day"])
    house.used(who, rows=1, size=1)
    began = monotonic_ns() + 10**9
    told = []
    for ms, rows in ((0, 1), (2, 1), (4, 2), (5, 900)):
        monkeypatch.setattr(rationing, "monotonic_ns", lambda ms=ms: began + int(ms * 1e6))
        told.append(house.used(who, rows=rows, size=1).told)
    assert told[0] == told[1] == told[2]
    assert b";r=95" in told[3]


def test_rules_are_not_needed_to_look():
    house = House()
    house.leases.adopt(Rules())
    route = SimpleNamespace(model="m")
    house.rations.look(caller(), SimpleNamespace(route=route, length=10))


@pytest.mark.parametrize(
    ("route", "refused"),
    [
        (Route("predict", None, decode=lambda *_: None), True),
        (Route("predict", None, open=lambda channel: None), True),
        (Route("predict", None, open=lambda channel: None, socket=True), True),
        (Route("predict", None, answer=lambda *_: None), False),
        (Route("predict", None, resolve=lambda *_: None), False),
        (Route(PUBLIC, None, open=lambda channel: None), False),
    ],
)
def test_while_no_call_is_taken_calls_and_their_streams_are_refused_and_nothing_else(
    route, refused
):
    rations = House().rations
    rations.enter(route)
    rations.shut = Overloaded("no memory")
    for _ in range(3):
        if not refused:
            rations.enter(route)
            continue
        with pytest.raises(Overloaded) as error:
            rations.enter(route)
        assert len(error.traceback) <= 2, "what is raised again and again holds nothing of before"
