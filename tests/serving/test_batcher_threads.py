"""The batcher where no thread can be had: nobody waits in vain."""

from __future__ import annotations

import threading

from tests.serving.parts import Model, call, serve, until
from tests.serving.test_batcher import THREAD, Settled, batcher, run

from fairlead.core.errors import Overloaded


def test_calls_are_refused_while_no_thread_can_be_had_and_answered_once_one_can(monkeypatch):
    start, tries = threading.Thread.start, list[int]()

    def refused(self: threading.Thread) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError("can't start new thread")
        start(self)

    async def test() -> None:
        served, settled = serve(Model()), Settled()
        batcher(served, settled, THREAD)
        monkeypatch.setattr(threading.Thread, "start", refused)
        first = call(served, [1, 1])
        served.submit(first)
        await until(lambda: len(settled.calls) == 1)
        assert isinstance(first.error, Overloaded)
        second = call(served, [2, 2])
        served.submit(second)
        await until(lambda: len(settled.calls) == 2)
        assert second.error is None
        assert served.leases == 0

    run(test)


def test_what_is_given_up_together_is_settled_group_by_group():
    async def test() -> None:
        served, settled = serve(Model()), Settled()
        queue = batcher(served, settled, THREAD)
        calls = [call(served, [number, 0]) for number in range(6)]
        for number, one in enumerate(calls):
            one.group = ("shadow", "r") if number % 2 else "callers"
            served.submit(one)
        assert queue.give_up(Overloaded("over")) == 6
        assert settled.together == [3, 3]
        assert {one.group for one in settled.calls[:3]} == {"callers"}

    run(test)
