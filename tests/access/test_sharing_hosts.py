"""Two hosts, each with a thread of its own, on one real store: never too much between them."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from fairlead.access.sharing import SharedMeters
from fairlead.core.allowance import parse_limit
from fairlead.core.clock import monotonic_ns
from fairlead.core.metering import Back, Lent, Want
from fairlead.usage.stores.meters_postgres import PostgresMeters
from fairlead.usage.stores.meters_redis import RedisMeters

SPAN_NS = 400_000_000


class Host(threading.Thread):
    """Asks for one thing again and again, as soon as it was answered."""

    def __init__(self, store, ask) -> None:
        super().__init__()
        self._queue: queue.SimpleQueue = queue.SimpleQueue()
        self._pool = ThreadPoolExecutor(1)
        self.meters = SharedMeters(store, self._behind, lambda away, why: None)
        self._ask, self.asked, self.error = ask, 0, None

    def _behind(self, work, done) -> None:
        def later() -> None:
            try:
                result = work()
            except Exception as error:
                result = error
            self._queue.put(lambda: done(result))

        self._pool.submit(later)

    def run(self) -> None:
        try:
            until = monotonic_ns() + SPAN_NS
            self._next()
            while monotonic_ns() < until:
                self._queue.get(timeout=30)()
            self._pool.shutdown()
            self.meters.close(True)
        except BaseException as error:
            self.error = error

    def _next(self) -> None:
        self.asked += 1
        self._ask(self)


@pytest.fixture(params=["postgresql", "redis"])
def stores(request):
    """Two connections to one new store; whoever uses them closes them."""
    if request.param == "redis":
        address = request.getfixturevalue("redis_server").empty()
        return [RedisMeters(address) for _ in range(2)]
    address = request.getfixturevalue("postgres").fresh()
    return [PostgresMeters(address) for _ in range(2)]


class Count:
    """What both hosts have, and the most that it was."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.now = self.most = 0

    def add(self, units: int) -> None:
        with self._lock:
            self.now += units
            self.most = max(self.most, self.now)


def run(stores, ask) -> list[Host]:
    hosts = [Host(store, ask) for store in stores]
    for host in hosts:
        host.start()
    for host in hosts:
        host.join(60)
    assert [host.error for host in hosts] == [None, None]
    assert all(host.asked > 1 for host in hosts)
    return hosts


def want(text: str, least: int, more: int = 0) -> Want:
    return Want(text, parse_limit(text), "UTC", least, least, more)


@pytest.mark.parametrize("limit", ["credits=77", "rows=77/month"])
def test_a_stock_and_a_quota_are_used_up_and_not_one_unit_more(stores, limit):
    count = Count()

    def ask(host: Host) -> None:
        def done(lent: list[Lent] | None) -> None:
            assert lent is not None
            count.add(lent[0].units)
            host._next()

        host.meters.take([want(limit, 2, 3)], done)

    run(stores, ask)
    assert 76 <= count.most <= 77


def test_places_among_concurrent_calls_are_never_lent_twice(stores):
    count = Count()
    places = want("concurrency=5", 1, 2)

    def ask(host: Host) -> None:
        def done(lent: list[Lent] | None) -> None:
            assert lent is not None
            if lent[0].units:
                count.add(lent[0].units)
                count.add(-lent[0].units)
                host.meters.give_back(
                    Back(places.meter, places.limit, lent[0].ticket, lent[0].units)
                )
            host._next()

        host.meters.take([places], done)

    run(stores, ask)
    assert 1 <= count.most <= 5


def test_a_rate_is_one_for_both_hosts(stores):
    count, began = Count(), monotonic_ns()

    def ask(host: Host) -> None:
        def done(lent: list[Lent] | None) -> None:
            assert lent is not None
            count.add(lent[0].units)
            host._next()

        host.meters.take([want("requests=2000/second:20", 1, 5)], done)

    run(stores, ask)
    assert 20 < count.most <= 20 + 2000 * (monotonic_ns() - began) / 1e9
