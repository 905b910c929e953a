"""Calls that come at the end of a worker, and faults of our own: every call is answered, once."""

from __future__ import annotations

from threading import Event

import pytest
from tests.serving.parts import Model, call, serve, until
from tests.serving.test_batcher import INLINE, THREAD, Settled, batcher, run

from fairlead.core.errors import Draining
from fairlead.serving import batcher as batching
from fairlead.serving.quarantine import Quarantine


@pytest.mark.parametrize("plan", [INLINE, THREAD])
@pytest.mark.parametrize("alone", [True, False])
def test_a_call_that_comes_after_the_others_were_given_up_is_answered_so_too(plan, alone):
    async def test() -> None:
        served, settled = serve(Model()), Settled()
        made = batcher(served, settled, plan, alone=lambda: alone)
        assert made.give_up(Draining("the server ends")) == 0
        late = [call(served, [1, 1]) for _ in range(3)]
        for one in late:
            served.submit(one)
        await until(lambda: len(settled.calls) == 3)
        assert [one.error.name for one in late] == ["DRAINING"] * 3
        assert served.model.batches == []
        assert served.leases == 0
        made.close()

    run(test)


def test_what_runs_while_it_is_given_up_is_answered_once():
    async def test() -> None:
        goes_on = Event()
        served, settled = serve(Model(lambda x: goes_on.wait(30) and x)), Settled()
        made = batcher(served, settled, THREAD)
        running, waiting = call(served, [1, 1]), call(served, [2, 2])
        served.submit(running)
        await until(lambda: len(served.model.batches) == 1)
        served.submit(waiting)
        assert made.give_up(Draining("the server ends")) == 2
        goes_on.set()
        made._threads.shutdown(wait=True)
        served.submit(call(served, [3, 3]))
        await until(lambda: len(settled.calls) == 3)
        assert {one.error.name for one in settled.calls} == {"DRAINING"}

    run(test)


@pytest.mark.parametrize("plan", [INLINE, THREAD])
def test_a_fault_before_the_model_is_asked_answers_every_call_and_the_next_batch_runs(
    plan, monkeypatch, capsys
):
    def broken(served, calls):
        raise RuntimeError("ours")

    async def test() -> None:
        served, settled = serve(Model()), Settled()
        made = batcher(served, settled, plan)
        served.quarantine = Quarantine()
        served.quarantine.died(b"some input")
        monkeypatch.setattr(batching, "let_in", broken)
        calls = [call(served, [n, n]) for n in range(3)]
        for one in calls:
            served.submit(one)
        await until(lambda: len(settled.calls) == 3)
        assert [one.error.name for one in calls] == ["INTERNAL"] * 3
        monkeypatch.undo()
        served.submit(call(served, [4, 4]))
        await until(lambda: len(settled.calls) == 4)
        assert settled.calls[-1].error is None
        made.close()

    run(test)
    assert capsys.readouterr().err.count("execution_failed") == 1


def test_who_waits_no_longer_is_looked_for_once(monkeypatch):
    looked: list[int] = []

    def counting(calls, *more):
        looked.append(len(calls))
        return [*calls]

    async def test() -> None:
        monkeypatch.setattr(batching, "drop_late", counting)
        for plan in (INLINE, THREAD):
            served, settled = serve(Model()), Settled()
            made = batcher(served, settled, plan)
            served.submit(call(served, [1, 1]))
            await until(lambda settled=settled: bool(settled.calls))
            made.close()

    run(test)
    assert looked == [1, 1]
