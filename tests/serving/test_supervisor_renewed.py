"""The supervisor takes its own place: what it hands over, and that nothing is lost on the way."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict, replace
from typing import Any

import pytest
from tests.serving.test_supervisor import watching

from fairlead.core.clock import now
from fairlead.serving import supervisor as supervising
from fairlead.serving.children import Child
from fairlead.serving.renewal import HANDLED
from fairlead.serving.supervisor import Orders

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it finds processes in /proc")
__all__ = ["watching"]


class Found:
    """What reads the settings has found what to run."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders

    def found(self) -> dict[str, Any]:
        return {"orders": asdict(self._orders), "spec": {}}


class Done:
    """The new workers serve."""

    def __init__(self) -> None:
        self.previous = {"told": os.open(os.devnull, os.O_RDONLY)}

    def step(self, leave: object) -> bool:
        return True


@pytest.fixture
def next_life(watching, monkeypatch):
    """The orders that the next life would get; whether signals wait is seen when it begins."""
    begun: list[dict[str, Any]] = []

    def replaced(orders: dict[str, Any]) -> None:
        waiting = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        assert waiting >= set(HANDLED)
        begun.append(json.loads(json.dumps(orders)))
        os.close(orders["told"])

    monkeypatch.setattr(supervising, "replace_supervisor", replaced)
    return begun


def test_a_signal_that_came_before_the_next_life_ends_the_server(watching, next_life):
    watching._noted(signal.SIGTERM, None)
    watching._look_at_prepared(Found(watching._orders))
    assert next_life == []
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & set(HANDLED)


def test_the_next_life_knows_who_leaves_and_that_it_was_told_to_renew(watching, next_life):
    (worker,), keeper = watching._workers, watching._bookkeeper
    for child in (worker, keeper):
        watching._keep_running(child)
    leaving = Child(1, worker.command, worker.handles, until=now() + 1000)
    watching._start(leaving)
    watching._leaving.append(leaving)
    watching._noted(signal.SIGHUP, None)
    watching._look_at_prepared(Found(watching._orders))
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & set(HANDLED)
    (told,) = next_life
    again = supervising.Supervisor(Orders(**told))
    assert again._hangups == 1
    assert [child.index for child in again._leaving] == [1]
    assert again._leaving[0].until == leaving.until
    assert [child.index for child in again._workers] == [2], "no page is that of two"
    assert again._pages.count == 3
    for child in (leaving, keeper):
        child.process.kill()
        child.process.wait()


def test_the_bookkeeper_before_stays_until_the_new_one_can_take_over(watching, monkeypatch, capfd):
    before = watching._bookkeeper
    watching._keep_running(before)
    process = before.process
    broken = replace(watching._orders, bookkeeper=["/no/such/program"], grace_s=0.0)
    monkeypatch.setattr(watching, "_orders", broken)
    watching._roll(Done())
    assert watching._bookkeeper is not before
    for _ in range(3):
        watching._bookkeeper.due = 0.0
        watching._keep_running(watching._bookkeeper)
        watching._see_off()
    assert process.poll() is None
    heir = watching._bookkeeper
    heir.command, heir.due = before.command, 0.0
    watching._keep_running(heir)
    watching._see_off()
    assert process.poll() is None, "it has only just begun"
    heir.started = before.until = 0.0
    watching._see_off()
    assert process.wait(10) == -signal.SIGKILL, "the new one had all the time it needs"
    heir.process.kill()
    heir.process.wait()
    assert "killed" in capfd.readouterr().err
