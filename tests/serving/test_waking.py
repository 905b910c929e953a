"""Calls that wait for their model: many begin one load, none waits without end."""

from __future__ import annotations

import pytest

from fairlead.core.errors import DeadlineExceeded, Draining, FairleadError, NoRoom, Overloaded
from fairlead.serving import waking as module
from fairlead.serving.waking import WAITING, WAITING_EACH, Waking


def test_many_calls_begin_one_load_and_go_on_in_their_order():
    woken: list[str] = []
    heard: list[int] = []
    waking = Waking()
    waking.wake = woken.append
    for number in range(5):
        waking.wait("m", lambda number=number: heard.append(number))
    waking.wait("n", lambda: heard.append(99))
    assert woken == ["m", "n"]
    waking.woken("m")
    assert heard == [0, 1, 2, 3, 4]
    assert len(waking) == 1
    waking.woken("m")
    assert len(heard) == 5


def test_who_has_waited_long_enough_is_told_so_and_the_others_wait_on(monkeypatch):
    moment = 100.0
    monkeypatch.setattr(module, "now", lambda: moment)
    waking = Waking(patience_s=3.0)
    said: list[str] = []

    def asks(name: str) -> None:
        try:
            waking.wait("m", lambda: asks(name))
        except NoRoom as error:
            said.append(f"{name}: {error.what}")

    asks("early")
    moment = 102.0
    asks("late")
    moment = 103.0
    waking.beat()
    assert said == ["early: model 'm' was not loaded within 3 s"]
    assert len(waking) == 1
    moment = 105.0
    waking.beat()
    assert [words.partition(":")[0] for words in said] == ["early", "late"]
    assert len(waking) == 0


def test_only_so_many_calls_wait_for_all_models_together():
    waking = Waking()
    for number in range(WAITING):
        waking.wait(f"m{number % 7}", lambda: None)
    with pytest.raises(Overloaded):
        waking.wait("other", lambda: None)
    waking.woken("m0")
    waking.wait("other", lambda: None)


def test_a_call_whose_model_sleeps_again_waits_again():
    waking = Waking()
    rounds: list[int] = []

    def asks() -> None:
        rounds.append(1)
        if len(rounds) < 3:
            waking.wait("m", asks)

    asks()
    waking.woken("m")
    waking.woken("m")
    assert len(rounds) == 3
    assert len(waking) == 0


def test_a_call_that_fails_once_it_is_woken_does_not_take_the_others_with_it(capsys):
    waking, heard = Waking(), list[int]()

    def fails() -> None:
        raise ValueError("of this call alone")

    waking.wait("m", fails)
    waking.wait("m", lambda: heard.append(1))
    waking.woken("m")
    assert heard == [1]
    assert "of this call alone" in capsys.readouterr().err


def _asks(waking: Waking, said: list[FairleadError], deadline: float) -> None:
    try:
        waking.wait("m", lambda: _asks(waking, said, deadline), deadline)
    except FairleadError as error:
        said.append(error)


def test_who_cannot_wait_for_so_long_is_told_when_its_deadline_has_passed(monkeypatch):
    moment = 100.0
    monkeypatch.setattr(module, "now", lambda: moment)
    waking, said = Waking(patience_s=30.0), list[FairleadError]()
    _asks(waking, said, 200.0)
    _asks(waking, said, 101.0)
    moment = 101.0
    waking.beat()
    assert [type(error) for error in said] == [DeadlineExceeded]
    assert len(waking) == 1


def test_who_waits_when_the_server_ends_is_told_so():
    waking, said = Waking(), list[FairleadError]()
    for _ in range(3):
        _asks(waking, said, 1e12)
    assert waking.give_up(Draining("over")) == 3
    assert [type(error) for error in said] == [Draining] * 3
    assert len(waking) == 0


def test_calls_for_one_model_leave_places_to_those_of_others():
    waking = Waking()
    for _ in range(WAITING_EACH):
        waking.wait("hot", lambda: None)
    with pytest.raises(Overloaded):
        waking.wait("hot", lambda: None)
    waking.wait("quiet", lambda: None)
