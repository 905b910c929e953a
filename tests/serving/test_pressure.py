"""While memory runs short kept connections go first, then new calls: each step at its share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.errors import Overloaded
from fairlead.serving import pressure
from fairlead.serving.pressure import Pressure


class Server:
    """Listeners and limits in one."""

    shut: Overloaded | None = None
    quiet = False
    parting = False

    def part(self, parting: bool) -> None:
        self.parting = parting


def after(*shares: float, refuse: float = 0.95) -> Server:
    made = Server()
    looked = Pressure(made, made, refuse)
    with pytest.MonkeyPatch.context() as patched:
        for share in shares:
            patched.setattr(pressure, "memory_share", lambda left, share=share: share)
            looked.tick()
    return made


@pytest.mark.parametrize(
    ("shares", "parting", "shut"),
    [
        ([0.5], False, False),
        ([0.919], False, False),
        ([0.92], False, False),
        ([0.92, 0.92], True, False),
        ([0.5, 0.99, 0.5], False, False),
        ([0.93, 0.99], True, False),
        ([0.95, 0.95], True, True),
        ([1.0, 1.0], True, True),
        ([0.95, 0.95, 0.94], True, True),
        ([0.95, 0.95, 0.925], True, False),
        ([0.95, 0.95, 0.91], True, False),
        ([0.95, 0.95, 0.89], False, False),
        ([0.93, 0.93, 0.89], False, False),
    ],
)
def test_each_step_is_taken_where_its_share_is_seen_twice_and_taken_back_a_little_below(
    shares, parting, shut
):
    found = after(*shares)
    assert (found.parting, found.shut is not None) == (parting, shut)


def test_memory_that_nobody_uses_is_given_back_once_a_minute_however_much_is_to_do(monkeypatch):
    given: list[None] = []
    server = Server()
    looked = Pressure(server, server, refuse=1)
    monkeypatch.setattr(pressure, "trim", lambda: given.append(None))
    for second in range(1, 181):
        looked.tick()
        assert len(given) == second // 60


def test_where_giving_it_back_takes_long_it_is_done_more_rarely(monkeypatch):
    moment, given = 0.0, 0
    server = Server()
    looked = Pressure(server, server, refuse=1)

    def trim() -> None:
        nonlocal moment, given
        moment, given = moment + 1 / 32, given + 1

    monkeypatch.setattr(pressure, "now", lambda: moment)
    monkeypatch.setattr(pressure, "trim", trim)
    seen: list[int] = []
    for _ in range(1000):
        looked.tick()
        seen.append(given)
    assert [seen.index(number) + 1 for number in (1, 2, 3)] == [60, 372, 684]


def test_the_refusal_says_why_and_when_to_come_back():
    error = after(0.99, 0.99).shut
    assert error is not None
    assert "memory" in error.line()
    assert 1 <= error.retry_after <= 10


def test_an_owner_may_turn_it_off():
    assert not after(5.0, 5.0, refuse=1.0).parting


@given(st.lists(st.floats(0, 2), max_size=30), st.floats(0.1, 0.99))
def test_whoever_is_refused_could_not_keep_a_connection_either(shares, refuse):
    found = after(*shares, refuse=refuse)
    assert found.parting or found.shut is None
