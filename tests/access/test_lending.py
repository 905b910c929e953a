"""The lender: how much it lends, what it calls back, and what becomes of what the dead held."""

from bisect import bisect_left
from itertools import accumulate
from random import Random

import pytest
from tests.access.network import MS, Network
from tests.access.parts import SECOND, caller

from fairlead.access import lending
from fairlead.access.limits import Rules
from fairlead.core.allowance import Cost, parse_limit


def met(limits, workers=2):
    """A network in which everybody has said hello, and a caller."""
    net = Network(Rules(), workers)
    for worker in net.workers:
        net.join(worker)
    net.deliver()
    return net, caller(limits=limits)


def passes(net, number, who, cost=None) -> bool:
    call = net.workers[number].call(who, cost or Cost())
    net.deliver()
    return call.passed


def held(net, number) -> int:
    """Units of the one limit that a worker holds unused."""
    return sum(one.units for one in net.workers[number].leases._routes.leases.values())


def test_a_worker_is_lent_what_it_asks_for_at_first_and_never_more_than_a_hundredth_ahead():
    net, who = met(["rows=10000/day"])
    assert passes(net, 0, who, Cost(rows=3))
    assert held(net, 0) == 0
    most = 0
    for _ in range(200):
        assert passes(net, 0, who, Cost(rows=3))
        most = max(most, held(net, 0))
        net.step(MS)
    assert 50 < most <= 100 + 50  # the next is there before the last is used up


def test_what_lies_idle_comes_back_within_two_hundred_milliseconds():
    net, who = met(["rows=10000/day"])
    for _ in range(50):
        passes(net, 0, who, Cost(rows=3))
        net.step(MS)
    assert held(net, 0) > 0
    for _ in range(4):
        net.step(50 * MS)
        net.deliver()
    assert held(net, 0) == 0
    assert next(iter(net.meters._meters.values())).windows().popitem()[1] == 150


def test_what_another_holds_unused_is_called_back_for_whoever_is_short_of_it():
    net, who = met(["rows=1000/day"])
    for _ in range(100):
        passes(net, 0, who, Cost(rows=5))
        net.step(MS)
    kept = held(net, 0)
    assert kept > 0
    assert passes(net, 1, who, Cost(rows=500))
    assert held(net, 0) == 0
    assert not passes(net, 0, who, Cost(rows=1))


def test_a_free_place_at_one_worker_is_called_back_for_another():
    net, who = met(["concurrency=1"])
    assert passes(net, 0, who)
    net.workers[0].end(net.workers[0].running[0])
    assert held(net, 0) == 1
    assert passes(net, 1, who)
    assert not passes(net, 0, who)


@pytest.mark.parametrize("text", ["rows=100/day", "credits=100"])
def test_what_a_dead_worker_held_is_used(text):
    net, who = met([text])
    assert passes(net, 0, who, Cost(rows=60, credits=60))
    net.kill(0)
    net.bury()
    net.quiet()
    assert not passes(net, 1, who, Cost(rows=41, credits=41))
    assert passes(net, 1, who, Cost(rows=39, credits=39))  # and what was asked for ahead


def test_the_places_of_a_dead_worker_are_free_after_two_seconds():
    net, who = met(["concurrency=1"])
    assert passes(net, 0, who)
    net.kill(0)
    net.bury()
    net.step(SECOND)
    net.deliver()
    assert not passes(net, 1, who)
    net.step(SECOND)
    net.step(50 * MS)
    assert passes(net, 1, who)


def test_what_was_meant_for_a_worker_that_died_meanwhile_was_never_lent():
    net, who = met(["credits=100"])
    net.workers[0].call(who, Cost(credits=100))
    net.up_one(net.workers[0])  # asked for, and being written
    net.kill(0)
    net.bury()
    net.deliver()
    assert passes(net, 1, who, Cost(credits=100))


def test_what_is_remembered_of_a_worker_is_bounded(monkeypatch):
    monkeypatch.setattr(lending, "SIZES", 8)
    net, _ = met([], workers=1)
    for number in range(40):
        who = caller(limits=["rows=5/day", "requests=1/second"], name=f"k{number}")
        assert passes(net, 0, who, Cost(rows=5))
        assert not passes(net, 0, who, Cost(rows=1))
    side = next(iter(net.lender._sides.values()))
    assert max(map(len, (side.lent, side.sizes, side.promised, side.recalled))) <= 8


@pytest.mark.parametrize("text", ["requests=1000/second", "requests=500/second:20"])
@pytest.mark.parametrize("parts", [(1, 1, 1, 1), (97, 1, 1, 1)], ids=["even", "skewed"])
@pytest.mark.parametrize("seed", range(4))
def test_a_rate_passes_its_burst_its_amount_and_a_hundredth_for_each_worker(text, parts, seed):
    """Over every stretch of time, however late messages are."""
    chance, limit = Random(seed), parse_limit(text)
    net, who = met([text], workers=4)
    for tick in range(3000):
        worker = chance.choices(net.workers, parts)[0]
        for _ in range(chance.choice([0, 1, 1, 2, 9])):
            worker.call(who, Cost())
        net.deliver(net.now - chance.choice([0, 1, 1, 2, 3, 30]) * MS)
        net.now, net.wall = net.now + MS, net.wall + MS
        if tick % 50 == 0:
            net.step(0)
    times = sorted(call.at for call in net.passed)
    burst = limit.burst or limit.amount
    ahead = 4 * max(1, limit.amount // 100)
    for index, begin in enumerate(times):
        for later in (MS, 20 * MS, 100 * MS, 500 * MS, 1000 * MS, 2000 * MS):
            found = bisect_left(times, begin + later) - index
            assert found <= burst + limit.amount * later / SECOND + ahead
    assert len(times) >= 0.95 * limit.amount * 2
    assert list(accumulate(times, max)) == times
