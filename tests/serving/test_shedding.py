"""Turning away: at once, cheaply, the lowest first, and nobody where nothing is known."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.serving.parts import Model, call, serve, until
from tests.serving.test_batcher import INLINE, THREAD, Held, Settled, batcher, run

from fairlead.core.access import anybody
from fairlead.core.call import Call, Reply
from fairlead.core.errors import Overloaded
from fairlead.serving.batcher import Batcher, Plan
from fairlead.serving.record import refuse
from fairlead.serving.shedding import Shedding

ROW_S = 0.1


def slow(queue: Batcher) -> None:
    """Executions of one second for ten rows are behind this version."""
    for _ in range(4):
        queue._pace.note(10, 10 * ROW_S, full=True)


async def busy(served, queue: Batcher) -> None:
    """One call is executed, for which `slow` counts a row."""
    served.submit(call(served, [1, 1]))
    await until(lambda: served.model.entered.acquire(blocking=False))
    assert queue.waiting == 0


def of(served, caller: str, rank: int = 0, **more) -> Call:
    made = call(served, [1, 1], **more)
    made.caller = replace(anybody(caller), rank=rank)
    return made


def served_by_threads(**bounds) -> tuple:
    served, settled = serve(Held()), Settled()
    return served, settled, batcher(served, settled, THREAD, **bounds)


async def finished(served, settled, queue, count: int) -> None:
    served.model.go.set()
    await until(lambda: len(settled.calls) == count)
    queue.close()


# --- what is foreseen -----------------------------------------------------------------------


def test_a_version_whose_pace_is_not_known_refuses_nobody():
    async def test() -> None:
        served, settled, queue = served_by_threads()
        await busy(served, queue)
        for _ in range(500):
            served.submit(call(served, [1, 1], deadline=20.0))
        assert queue.waiting == 500
        await finished(served, settled, queue, 501)

    run(test)


def test_a_call_whose_turn_would_come_after_its_deadline_is_refused_at_once():
    async def test() -> None:
        served, settled, queue = served_by_threads()
        slow(queue)
        await busy(served, queue)
        for _ in range(100):
            served.submit(call(served, [1, 1], deadline=1000.0))
        with pytest.raises(Overloaded, match="more calls wait for model 'm'") as refused:
            served.submit(call(served, [1, 1], deadline=5.0))
        assert 1 <= refused.value.retry_after <= 30
        assert type(refused.value.retry_after) is int
        await finished(served, settled, queue, 101)

    run(test)


def test_a_call_that_would_wait_longer_than_any_may_is_refused_at_once():
    async def test() -> None:
        served, settled, queue = served_by_threads(max_wait_s=2.0)
        slow(queue)
        await busy(served, queue)
        for rows in (18, 3):
            served.submit(call(served, *[[1, 1]] * rows, deadline=1000.0))
        with pytest.raises(Overloaded):
            served.submit(call(served, [1, 1], deadline=1000.0))
        await finished(served, settled, queue, queue.waiting + 1)

    run(test)


@pytest.mark.parametrize("plan", [INLINE, THREAD])
def test_while_nobody_waits_nobody_is_refused(plan):
    async def test() -> None:
        served, settled = serve(Model()), Settled()
        queue = batcher(served, settled, plan)
        for _ in range(4):
            queue._pace.note(1, 1000.0, full=True)
        served.submit(call(served, [1, 1], deadline=10.0))
        await until(lambda: len(settled.calls) == 1)
        assert settled.calls[0].error is None
        queue.close()

    run(test)


def test_while_calls_are_refused_fewer_may_wait_until_nobody_does():
    async def test() -> None:
        served, settled, queue = served_by_threads()
        slow(queue)
        await busy(served, queue)
        for _ in range(60):
            served.submit(call(served, [1, 1], deadline=1000.0))
        with pytest.raises(Overloaded):
            served.submit(call(served, [1, 1], deadline=1.0))
        with pytest.raises(Overloaded):
            served.submit(call(served, [1, 1], deadline=1000.0))
        await finished(served, settled, queue, 61)
        assert queue._budget_s == 60.0

    run(test)


def test_the_dead_that_wait_do_not_hold_back_the_living():
    """They are taken out together, not batch by batch."""

    async def test() -> None:
        served, settled = serve(Held()), Settled()
        queue = batcher(served, settled, Plan(inline=False, max_rows=2, slots=1))
        await busy(served, queue)
        dead = [call(served, [1, 1]) for _ in range(100)]
        for one in [*dead, call(served, [1, 1])]:
            served.submit(one)
        for one in dead:
            one.gone = True
        await finished(served, settled, queue, 102)
        assert served.model.batches == [1, 1]

    run(test)


def test_a_caller_with_many_calls_is_refused_where_another_is_let_in():
    async def test() -> None:
        served, settled, queue = served_by_threads()
        slow(queue)
        await busy(served, queue)
        for _ in range(100):
            served.submit(of(served, "many", deadline=1000.0))
        with pytest.raises(Overloaded):
            served.submit(of(served, "many", deadline=5.0))
        served.submit(of(served, "one", deadline=1000.0))
        with pytest.raises(Overloaded):
            served.submit(of(served, "one", rank=1, deadline=1000.0))
        await finished(served, settled, queue, 102)

    run(test)


def test_calls_are_refused_before_they_are_decoded_until_nobody_waits():
    async def test() -> None:
        served, settled, queue = served_by_threads()
        slow(queue)
        await busy(served, queue)
        for _ in range(100):
            served.submit(call(served, [1, 1], deadline=1000.0))
        hurried = call(served, deadline=5.0)
        served.receive(hurried)  # nobody was refused yet
        with pytest.raises(Overloaded):
            served.submit(hurried)
        with pytest.raises(Overloaded):
            served.receive(hurried)
        await finished(served, settled, queue, 101)
        served.receive(hurried)
        assert served.pressed is None

    run(test)


def test_calls_that_came_later_than_foreseen_leave_more_room_for_the_next():
    async def test() -> None:
        served, settled, queue = served_by_threads()
        slow(queue)
        await busy(served, queue)
        late = call(served, [1, 1], deadline=1000.0)
        served.submit(call(served, [1, 1], deadline=1000.0))
        served.submit(late)
        late.received -= 50
        await finished(served, settled, queue, 3)
        assert queue._pace.slack_s > 1.0

    run(test)


# --- who leaves a full queue ----------------------------------------------------------------


def test_a_call_of_a_higher_class_takes_the_place_of_one_of_a_lower_class():
    async def test() -> None:
        served, settled, queue = served_by_threads(max_queue=2)
        await busy(served, queue)
        low = [of(served, "a", rank=2) for _ in range(2)]
        for one in low:
            served.submit(one)
        served.submit(of(served, "b", rank=0))
        assert settled.calls == [], "not within the turn of another call"
        await until(lambda: settled.calls == low[1:])
        assert isinstance(low[1].error, Overloaded)
        with pytest.raises(Overloaded, match="2 calls wait for model 'm' already"):
            served.submit(of(served, "c", rank=2))
        await finished(served, settled, queue, 4)
        assert served.model.batches == [1, 2]

    run(test)


def test_a_full_queue_is_not_full_of_callers_who_have_left():
    async def test() -> None:
        served, settled, queue = served_by_threads(max_queue=1000)
        await busy(served, queue)
        left = [of(served, f"a{n}") for n in range(1000)]
        for one in left:
            served.submit(one)
            one.gone = True
        served.submit(of(served, "b"))
        assert queue.waiting == 1
        await until(lambda: len(settled.calls) == 1000)
        await finished(served, settled, queue, 1002)
        assert served.model.batches == [1, 1]

    run(test)


def test_bodies_that_wait_are_bounded_in_bytes():
    async def test() -> None:
        served, settled, queue = served_by_threads(max_bytes=250)
        await busy(served, queue)
        for _ in range(2):
            served.submit(call(served, [1, 1]))
        with pytest.raises(Overloaded):
            served.submit(call(served, [1, 1]))
        await finished(served, settled, queue, 3)

    run(test)


# --- models beside each other ---------------------------------------------------------------


def test_a_cheap_model_with_much_to_do_lets_the_others_have_their_turns():
    async def test() -> None:
        order: list[str] = []

        def noting(name: str) -> Model:
            return Model(lambda x: order.append(name) or x)

        hot, quiet = serve(noting("hot")), serve(noting("quiet"))
        settled, one = Settled(), Plan(inline=True, max_rows=1, slots=1)
        for served in (hot, quiet):
            batcher(served, settled, one)
        for _ in range(10):
            hot.submit(call(hot, [1, 1]))
        for _ in range(2):
            quiet.submit(call(quiet, [1, 1]))
        await until(lambda: len(settled.calls) == 12)
        assert order[:4] == ["hot", "quiet", "hot", "quiet"]

    run(test)


# --- what is said ---------------------------------------------------------------------------


def test_the_answer_of_a_refusal_is_made_once_for_many_calls():
    made: list[str] = []

    async def test() -> None:
        served = serve(Model())
        shedding = Shedding()
        calls = [call(served, [1, 1]) for _ in range(100)]
        route = replace(calls[0].route, error=lambda e: made.append(e.name) or Reply(503, b""))
        for one in calls:
            one.route = route
            refuse(one, shedding.give("full", 1.0))
        assert all(one.reply is not None and one.reply.status == 503 for one in calls)
        assert served.stats.outcomes == {"OVERLOADED": 100}
        assert served.leases == 0

    asyncio.run(test())
    assert len(made) <= 8


def test_refused_callers_are_told_to_come_back_at_different_times():
    told = {Shedding().give("full", 10.0).retry_after for _ in range(200)}
    assert min(told) >= 1
    assert max(told) <= 30
    assert len(told) > 5


def test_when_the_model_has_got_on_something_else_is_said():
    shedding = Shedding()
    first = {id(shedding.give("full", 1.0)) for _ in range(20)}
    shedding.renew()
    kept = [shedding.give("full", 1.0) for _ in range(20)]
    assert len(first) == 8
    assert len({id(one) for one in kept}) == 8
