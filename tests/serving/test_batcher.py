"""The batcher: what came together goes together, nothing waits for nobody, nothing is lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.serving.parts import Model, call, serve, until

from fairlead.core.clock import now
from fairlead.core.errors import Overloaded
from fairlead.serving import batcher as batching
from fairlead.serving.batcher import Batcher, Plan

INLINE = Plan(inline=True, max_rows=256, slots=1)
THREAD = Plan(inline=False, max_rows=256, slots=1)


class Settled:
    """Takes settled calls as the prediction path does, and notes them."""

    def __init__(self) -> None:
        self.calls: list[object] = []
        self.together: list[int] = []

    def __call__(self, served, calls, answers) -> None:
        served.leases -= len(calls)
        self.together.append(len(calls))
        for answered, _, outputs, verdicts, _ in answers:
            answered[0].encoder.encode(answered, outputs, verdicts)
        self.calls += calls


def batcher(served, settled, plan=INLINE, **more) -> Batcher:
    more = {"max_queue": 1000, "max_wait_s": 60.0} | more
    return Batcher(served, plan, asyncio.get_running_loop(), settled, **more)


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]


# --- joining ------------------------------------------------------------------------------


def test_calls_of_one_turn_of_the_loop_are_executed_together():
    async def test() -> None:
        served, settled = serve(Model()), Settled()
        batcher(served, settled)
        calls = [call(served, [n, 0]) for n in range(10)]
        for one in calls:
            served.submit(one)
        assert settled.calls == []
        await until(lambda: len(settled.calls) == 10)
        assert served.model.batches == [10]
        assert [one.payload for one in calls] == [
            repr([[2.0 * n, 0.0]]).encode() for n in range(10)
        ]
        assert served.leases == 0

    run(test)


def test_while_each_look_at_the_sockets_brings_calls_the_batch_grows():
    async def test() -> None:
        served, settled = serve(Model()), Settled()
        batcher(served, settled)
        loop = asyncio.get_running_loop()
        left = [3, 2, 1]

        def arrive() -> None:
            served.submit(call(served, [1, 1]))
            if left:
                left.pop()
                loop.call_soon(arrive)

        arrive()
        await until(lambda: len(settled.calls) == 4)
        assert served.model.batches == [4]

    run(test)


def test_only_calls_of_an_equal_group_are_joined_and_order_is_kept():
    async def test() -> None:
        served, settled = serve(Model()), Settled()
        batcher(served, settled)
        groups = "aabba"
        calls = [call(served, [1, 1], group=group) for group in groups]
        for one in calls:
            served.submit(one)
        await until(lambda: len(settled.calls) == 5)
        assert served.model.batches == [2, 2, 1]
        assert settled.calls == calls

    run(test)


@given(
    st.lists(st.tuples(st.integers(1, 9), st.sampled_from("ab")), min_size=1, max_size=30),
    st.integers(1, 12),
)
def test_a_batch_is_the_longest_prefix_of_one_group_within_the_rows(sizes, most):
    async def test() -> None:
        served, settled = serve(Model()), Settled()
        batcher(served, settled, Plan(inline=True, max_rows=most, slots=1))
        for size, group in sizes:
            served.submit(call(served, *[[1, 1]] * size, group=group))
        await until(lambda: len(settled.calls) == len(sizes))
        expected, rows, last = [], 0, None
        for size, group in sizes:
            if group != last or rows + size > most:
                expected.append(0)
                rows, last = 0, group
            rows += size
            expected[-1] += size
        assert served.model.batches == expected

    run(test)


def test_a_lone_caller_is_answered_at_once():
    async def test() -> None:
        served, settled = serve(Model()), Settled()
        alone = True
        batcher(served, settled, alone=lambda: alone)
        served.submit(call(served, [1, 1]))
        assert len(settled.calls) == 1
        alone = False
        served.submit(call(served, [1, 1]))
        assert len(settled.calls) == 1
        alone = True
        served.submit(call(served, [1, 1]))
        assert len(settled.calls) == 1, "one waits already, and goes first"
        await until(lambda: len(settled.calls) == 3)
        assert served.model.batches == [1, 2]

    run(test)


# --- threads ------------------------------------------------------------------------------


class Held(Model):
    """A model whose predictions wait until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.entered = threading.Semaphore(0)

    def predict(self, inputs, outputs):
        self.entered.release()
        assert self.go.wait(60)
        return super().predict(inputs, outputs)


def test_what_was_queued_while_the_model_was_busy_goes_together_next():
    async def test() -> None:
        model = Held()
        served, settled = serve(model), Settled()
        queue = batcher(served, settled, THREAD)
        served.submit(call(served, [1, 1]))
        await until(lambda: model.entered.acquire(blocking=False))
        for _ in range(7):
            served.submit(call(served, [1, 1]))
        await until(lambda: queue.waiting == 7)
        model.go.set()
        await until(lambda: len(settled.calls) == 8)
        assert model.batches == [1, 7]
        assert threading.get_ident() not in model.threads
        queue.close()

    run(test)


def test_no_more_executions_run_at_once_than_there_are_slots():
    async def test() -> None:
        model = Held()
        served, settled = serve(model), Settled()
        queue = batcher(served, settled, Plan(inline=False, max_rows=1, slots=2))
        for _ in range(5):
            served.submit(call(served, [1, 1]))
        await until(lambda: queue.waiting == 3)
        assert [model.entered.acquire(timeout=30) for _ in range(2)] == [True, True]
        assert not model.entered.acquire(blocking=False)
        model.go.set()
        await until(lambda: len(settled.calls) == 5)
        queue.close()

    run(test)


def test_idle_threads_share_what_waits():
    async def test() -> None:
        model = Held()
        served, settled = serve(model), Settled()
        queue = batcher(served, settled, Plan(inline=False, max_rows=256, slots=3))
        for _ in range(8):
            served.submit(call(served, [1, 1]))
        await until(lambda: queue.waiting == 0)
        assert [model.entered.acquire(timeout=30) for _ in range(3)] == [True] * 3
        model.go.set()
        await until(lambda: len(settled.calls) == 8)
        assert sorted(settled.together) == [2, 3, 3]
        queue.close()

    run(test)


def test_a_model_that_holds_up_the_loop_moves_to_the_threads(monkeypatch, capsys):
    monkeypatch.setattr(batching, "_FAR_TOO_SLOW_S", 0.0)
    monkeypatch.setattr(batching, "_SLOW_S", 0.0)

    async def test() -> None:
        served, settled = serve(Model()), Settled()
        queue = batcher(served, settled, Plan(inline=True, max_rows=1, slots=1))
        for _ in range(3):
            served.submit(call(served, [1, 1]))
        await until(lambda: len(settled.calls) == 3)
        assert len(served.model.threads) == 2, "the first inline, what follows apart"
        queue.close()

    run(test)
    assert "moved_to_threads" in capsys.readouterr().err


def test_one_stall_of_the_machine_does_not_move_a_model(monkeypatch):
    monkeypatch.setattr(batching, "_SLOW_S", 0.0)
    monkeypatch.setattr(batching, "_FAR_TOO_SLOW_S", 1e9)

    async def test() -> None:
        served, settled = serve(Model()), Settled()
        queue = batcher(served, settled, Plan(inline=True, max_rows=1, slots=1))
        for number in range(1, 7):
            served.submit(call(served, [1, 1]))
            await until(lambda number=number: len(settled.calls) == number)
            if number % 2 == 0:
                queue.tick()
        assert served.model.threads == {threading.get_ident()}

    run(test)


# --- bounds -------------------------------------------------------------------------------


def test_a_full_queue_refuses_the_next_call_and_takes_one_when_there_is_room_again():
    async def test() -> None:
        model = Held()
        served, settled = serve(model), Settled()
        queue = batcher(served, settled, THREAD, max_queue=3)
        served.submit(call(served, [1, 1]))
        await until(lambda: model.entered.acquire(blocking=False))
        for _ in range(3):
            served.submit(call(served, [1, 1]))
        with pytest.raises(Overloaded, match="3 calls wait for model 'm' already"):
            served.submit(call(served, [1, 1]))
        model.go.set()
        await until(lambda: len(settled.calls) == 4)
        served.submit(call(served, [1, 1]))
        await until(lambda: len(settled.calls) == 5)
        queue.close()

    run(test)


@pytest.mark.parametrize("plan", [INLINE, THREAD])
def test_late_and_abandoned_calls_never_reach_the_model(plan):
    async def test() -> None:
        served, settled = serve(Model()), Settled()
        queue = batcher(served, settled, plan)
        fine, late, gone = (call(served, [n, 0]) for n in range(3))
        for one in (fine, late, gone):
            served.submit(one)
        late.deadline = now() - 1
        gone.gone = True
        await until(lambda: len(settled.calls) == 3)
        assert served.model.batches == [1]
        assert fine.payload == b"[[0.0, 0.0]]"
        assert late.error is not None
        assert late.error.name == "DEADLINE_EXCEEDED"
        assert (gone.error.name, gone.payload) == ("DEADLINE_EXCEEDED", None)
        queue.close()

    run(test)


def test_a_thousand_abandoned_calls_cost_no_execution():
    async def test() -> None:
        served, settled = serve(Model()), Settled()
        batcher(served, settled)
        for _ in range(1000):
            served.submit(call(served, [1, 1], gone=True))
        await until(lambda: len(settled.calls) == 1000)
        assert served.model.batches == []
        assert served.leases == 0

    run(test)


def test_a_call_that_waits_too_long_is_answered_while_the_model_is_still_busy():
    async def test() -> None:
        model = Held()
        served, settled = serve(model), Settled()
        queue = batcher(served, settled, THREAD, max_wait_s=5.0)
        served.submit(call(served, [1, 1]))
        await until(lambda: model.entered.acquire(blocking=False))
        stale, fresh, late, gone = (call(served, [1, 1]) for _ in range(4))
        for one in (stale, fresh, late, gone):
            served.submit(one)
        await until(lambda: queue.waiting == 4)
        stale.received -= 6
        late.deadline = now() - 1
        gone.gone = True
        queue.tick()
        assert set(settled.calls) == {stale, late, gone}
        assert isinstance(stale.error, Overloaded)
        assert queue.waiting == 1
        model.go.set()
        await until(lambda: len(settled.calls) == 5)
        assert fresh.payload is not None
        assert model.batches == [1, 1]
        queue.close()

    run(test)


def test_a_call_that_waited_too_long_is_not_executed_even_before_the_next_tick():
    async def test() -> None:
        served, settled = serve(Model()), Settled()
        batcher(served, settled, max_wait_s=5.0)
        stale = call(served, [1, 1])
        stale.received -= 6
        served.submit(stale)
        await until(lambda: len(settled.calls) == 1)
        assert isinstance(stale.error, Overloaded)
        assert served.model.batches == []

    run(test)


# --- what goes wrong ----------------------------------------------------------------------


@pytest.mark.parametrize("plan", [INLINE, THREAD])
def test_a_fault_of_our_own_answers_every_call_and_the_next_batch_runs(plan, capsys):
    """A tensor that does not fit its shape: something that decoding must never let through."""

    async def test() -> None:
        served, settled = serve(Model()), Settled()
        queue = batcher(served, settled, plan)
        broken = call(served, [1, 1])
        broken.inputs[0].data = b"123"
        other = call(served, [1, 1])
        served.submit(broken)
        served.submit(other)
        await until(lambda: len(settled.calls) == 2)
        assert [one.error.name for one in settled.calls] == ["INTERNAL", "INTERNAL"]
        served.submit(call(served, [1, 1]))
        await until(lambda: len(settled.calls) == 3)
        assert settled.calls[2].error is None
        queue.close()

    run(test)
    assert capsys.readouterr().err.count("execution_failed") == 1


def test_an_execution_over_its_budget_is_interrupted_and_one_that_goes_on_is_stuck(monkeypatch):
    async def test() -> None:
        model = Held()
        served, settled = serve(model, time_budget_s=5.0), Settled()
        queue = batcher(served, settled, THREAD)
        served.submit(call(served, [1, 1]))
        await until(lambda: model.entered.acquire(blocking=False))
        (thread,) = queue._running
        queue.tick()
        assert (model.interrupted, queue.stuck) == ([], False)
        queue._running[thread] -= 6
        queue.tick()
        assert (model.interrupted, queue.stuck) == ([thread], False)
        queue._running[thread] -= batching._STUCK_S
        assert queue.stuck
        model.go.set()
        await until(lambda: len(settled.calls) == 1)
        assert not queue.stuck
        queue.close()

    run(test)
