"""Limits of several hosts in real stores: PostgreSQL and Redis do the same, and never too much."""

from __future__ import annotations

import threading
from contextlib import ExitStack, closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.databases import Postgres, looked_at
from tests.meter_store import CREDIT, PLACES, RATE, RamStore
from tests.redis_server import RedisServer

from fairlead.core.clock import monotonic_ns, wall_ns
from fairlead.core.errors import DatabaseAddressInvalid, StateUnavailable
from fairlead.core.metering import NEVER, WHOLE, Asked, Returned, Told
from fairlead.usage.stores import meters_postgres, meters_redis
from fairlead.usage.stores.meters_postgres import PostgresMeters
from fairlead.usage.stores.meters_redis import RedisMeters, check_address

DAY_NS = 86_400 * 10**9


def back(one: Asked, units: int, told: Told | None = None) -> Returned:
    then, since = (told.then, told.since) if told else (0, 0)
    return Returned(
        one.key, one.kind, one.amount, one.period_us, units, then, since, one.until_ns
    )  # fmt: skip


@pytest.fixture(params=["postgresql", "redis"])
def address(request) -> str:
    if request.param == "redis":
        return request.getfixturevalue("redis_server").empty()
    return request.getfixturevalue("postgres").fresh()


@pytest.fixture
def opened(address):
    """Opens one more connection to one store."""
    with ExitStack() as stack:

        def open_one():
            made = RedisMeters if address.startswith("redis") else PostgresMeters
            return stack.enter_context(closing(made(address)))

        yield open_one


def test_of_a_group_everything_is_lent_or_nothing(opened):
    store = opened()
    many = CREDIT._replace(key="other", most=2, least=3)
    [[credit, other]] = store.lend("a", [[CREDIT, many]], [])
    assert (credit.units, credit.wait_us) == (0, 0)
    assert (other.units, other.left, other.wait_us) == (0, 2, -1)
    [[credit, other]] = store.lend("a", [[CREDIT, many._replace(least=2)]], [])
    assert [credit[:3], other[:3]] == [(1, 9, 0), (2, 0, 0)]


def test_groups_of_one_call_see_each_other(opened):
    told = opened().lend("a", [[CREDIT._replace(least=6)]] * 2, [])
    assert [one.units for [one] in told] == [6, 0]


def test_what_is_wished_is_lent_while_there_is_plenty(opened):
    [[told]] = opened().lend("a", [[CREDIT._replace(sure=3, wish=8)]], [])
    assert told.units == 5


def test_a_look_takes_nothing(opened):
    store = opened()
    for _ in range(2):
        [[credit, rate]] = store.lend("a", [[o._replace(least=0, sure=0, wish=0)
                                             for o in (CREDIT, RATE)]], [])  # fmt: skip
        assert (credit.units, credit.left, rate.units, rate.left) == (0, 10, 0, 100)


def test_what_comes_back_may_be_used_again_and_never_more(opened):
    store = opened()
    store.lend("a", [[CREDIT._replace(least=10)]], [])
    [[told]] = store.lend("a", [[CREDIT._replace(least=0, sure=0)]], [back(CREDIT, 4)])
    assert told.left == 4
    [[told]] = store.lend("a", [[CREDIT._replace(least=0, sure=0)]], [back(CREDIT, 99)])
    assert told.left == 10


def test_what_was_used_without_asking_is_counted_even_above_the_limit(opened):
    store = opened()
    [[told]] = store.lend("a", [[CREDIT]], [back(CREDIT, -25)])
    assert (told.units, told.wait_us) == (0, -1)
    store.lend("a", [], [back(CREDIT, -WHOLE)])
    [[told]] = store.lend("a", [[CREDIT]], [])
    assert told.units == 0


def test_a_rate_lets_its_burst_through_and_then_what_time_brings(opened):
    store = opened()
    rate = RATE._replace(amount=2000, period_us=1_000_000, least=1, sure=50)
    began, lent = monotonic_ns(), 0
    while monotonic_ns() - began < 300_000_000:
        [[told]] = store.lend("a", [[rate]], [])
        lent += told.units
        assert told.units or 0 < told.wait_us <= 500
    most = 100 + 2000 * (monotonic_ns() - began) / 1e9
    assert 100 < lent <= most


def test_of_a_rate_comes_back_what_still_counts_and_only_to_who_took_it(opened):
    store = opened()
    [[told]] = store.lend("a", [[RATE._replace(least=100)]], [])
    [[again]] = store.lend("a", [[RATE]], [back(RATE, 40, told)])
    assert (again.units, again.left) == (1, 39)
    stale = told._replace(since=told.since - 1)
    [[again]] = store.lend("a", [[RATE]], [back(RATE, 40, stale)])
    assert again.left == 38
    fast = RATE._replace(key="fast", amount=WHOLE, period_us=1_000_000)
    [[told]] = store.lend("a", [[fast]], [])
    [[again]] = store.lend("a", [[fast]], [back(fast, 100, told)])
    assert again.left <= 100


def test_a_limit_that_changes_counts_on_and_takes_nothing_of_before_back(opened):
    store = opened()
    [[told]] = store.lend("a", [[RATE._replace(least=90)]], [])
    larger = RATE._replace(most=200, amount=2)
    [[found]] = store.lend("a", [[larger]], [back(larger, 90, told)])
    assert (found.units, found.left) == (1, 109)


def test_places_are_those_of_holders_that_are_there(opened, monkeypatch):
    one, other = opened(), opened()
    one.lend("a", [[PLACES._replace(least=2)]], [])
    [[told]] = other.lend("b", [[PLACES._replace(least=2)]], [])
    assert (told.units, told.left, told.wait_us) == (0, 1, -1)
    one.lend("a", [], [back(PLACES, 1)])
    [[told]] = other.lend("b", [[PLACES._replace(least=2)]], [])
    assert told.units == 2
    assert one.present("a") == other.present("b") == 2
    other.leave("b")
    assert one.present("a") == 1
    with monkeypatch.context() as short:
        for module in (meters_postgres, meters_redis):
            short.setattr(module, "_PRESENT_US", 1)
        one.present("a")  # and is never heard of again
    [[told]] = other.lend("c", [[PLACES._replace(least=3)]], [])
    assert told.units == 3
    [[told]] = other.lend("c", [[PLACES]], [back(PLACES, 0)])
    assert told.units == 1


NASTY = [
    "'); DROP TABLE limit_meter; --", '["key","\\" OR 1=1"]', "a:b} {c", "%s %(x)s :p0 ? $1",
    "\n\r\t", "ü\u2028\U0001f600", "x" * 2000, "redis.call('FLUSHALL')", "",
]  # fmt: skip


def test_names_are_only_names(opened):
    store = opened()
    asked = [CREDIT._replace(key=name, least=n) for n, name in enumerate(NASTY, 1)]
    store.lend(NASTY[0], [asked], [])
    [told] = store.lend(NASTY[0], [[one._replace(least=0, sure=0) for one in asked]], [])
    assert [one.left for one in told] == [10 - n for n in range(1, len(NASTY) + 1)]


def test_no_number_is_too_large(opened):
    huge = [
        Asked(f"{kind} {amount}", kind, WHOLE, amount, period, 1, 1, WHOLE, NEVER)
        for kind, amount, period in [
            ("sum", WHOLE, 1), ("held", WHOLE, 1), ("rate", 1, 3_600_000_000),
            ("rate", WHOLE, 1_000_000), ("rate", WHOLE, 3_600_000_000),
        ]
    ]  # fmt: skip
    store = opened()
    for _ in range(2):
        [told] = store.lend("a", [huge], [])
        for one in told:
            assert 0 < one.units <= WHOLE
            assert 0 <= one.left <= WHOLE


def rows(address: str, postgres: Postgres | None, server: RedisServer) -> dict[str, int]:
    """By name, milliseconds until a row is forgotten; -1 for never."""
    if address.startswith("redis"):
        with server.connect() as client:
            return {name.rpartition(":")[2]: client.pttl(name) for name in client.keys("*")}
    now = wall_ns() // 1_000_000
    found = looked_at(address, postgres, "SELECT key, until FROM limit_meter")
    return {str(key): until // 1000 - now if until else -1 for key, until in found}


def test_every_row_is_forgotten_but_those_of_credits(opened, address, postgres, redis_server):
    """A wrong clock of a host makes no row forgotten at once, which would lend everything anew."""
    store, now = opened(), wall_ns()
    old = CREDIT._replace(key="old", until_ns=1)
    day = CREDIT._replace(key="day", until_ns=now + 30 * DAY_NS)
    store.lend("a", [[CREDIT, PLACES, RATE, old, day]], [])
    found = rows(address, postgres, redis_server)
    assert found.pop("credit") == -1
    assert 2 * 86_400_000 < found["old"] < 4 * 86_400_000 < found["day"] <= 30 * 86_400_000
    assert {"places", "rate"} <= set(found)
    assert all(0 < left <= 31 * 86_400_000 for left in found.values())


def test_postgresql_removes_what_is_over(postgres):
    address = postgres.fresh()
    with closing(PostgresMeters(address)) as store:
        store.lend("a", [[CREDIT, PLACES, RATE]], [])
        for table in ("limit_meter", "limit_holder"):
            change = f"UPDATE {table} SET until = 5 WHERE until > 0 RETURNING 1"
            assert looked_at(address, postgres, change)
        store.present("b")
        for table in ("limit_meter WHERE until > 0", "limit_place", "limit_holder WHERE who = 'a'"):
            assert looked_at(address, postgres, f"SELECT count(*) FROM {table}") == [(0,)]
        [[told]] = store.lend("a", [[CREDIT]], [])
        assert told.left == 8


def test_many_hosts_at_once_never_have_too_much(opened):
    """Four, in threads of their own, that take and give back in different orders."""
    lent, lock, errors = {"credit": 0, "places": 0}, threading.Lock(), []
    most = {"credit": 300, "places": 7}
    asked = {k: o._replace(most=most[k]) for k, o in (("credit", CREDIT), ("places", PLACES))}

    def host(number: int, store) -> None:
        mine = 0
        try:
            for turn in range(40):
                group = [asked["credit"]._replace(least=3), asked["places"]._replace(least=2)]
                group = group[:: 1 if number % 2 else -1]
                told = dict(zip([o.key for o in group], store.lend(str(number), [group], [])[0],
                                strict=True))  # fmt: skip
                with lock:
                    for name, one in told.items():
                        lent[name] += one.units
                        assert lent[name] <= most[name], name
                    mine += told["places"].units
                if turn % 3 == 2 and mine:
                    with lock:
                        lent["places"] -= mine
                        mine = 0
                    store.lend(str(number), [], [back(asked["places"], 0)])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=host, args=(n, opened())) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    [[told]] = opened().lend("z", [[asked["credit"]._replace(least=0, sure=0)]], [])
    assert told.left == 300 - lent["credit"] < 300


_UNITS = st.integers(0, 12)
_ASKED = st.builds(
    lambda one, least, sure, wish: one._replace(least=least, sure=sure, wish=wish),
    st.sampled_from([CREDIT, PLACES, RATE]), _UNITS, _UNITS, _UNITS,
)  # fmt: skip
_GROUP = st.lists(_ASKED, min_size=1, max_size=3, unique_by=lambda one: one.key)
_CALL = st.tuples(
    st.sampled_from("ab"),
    st.lists(_GROUP, max_size=3),
    st.lists(st.tuples(st.sampled_from([CREDIT, PLACES]), st.integers(-3, 8)), max_size=3),
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(calls=st.lists(_CALL, max_size=8))
def test_both_stores_answer_as_the_exact_one_does(postgres, redis_server, calls):
    exact = RamStore()
    real = [PostgresMeters(_SAME.setdefault(postgres, postgres.fresh())),
            RedisMeters(redis_server.empty())]  # fmt: skip
    with closing(real[0]), closing(real[1]):
        name = f"{len(_USED)} "
        _USED.append(name)
        for holder, groups, returned in calls:
            named = [[o._replace(key=name + o.key) for o in group] for group in groups]
            given_back = [
                back(one._replace(key=name + one.key), abs(n) if one is PLACES else n)
                for one, n in returned
            ]
            expected = exact.lend(name + holder, named, given_back)
            for store in real:
                told = store.lend(name + holder, named, given_back)
                assert shown(told) == shown(expected)


_SAME: dict[Postgres, str] = {}
_USED: list[str] = []


def shown(told: list[list[Told]]) -> list[list[tuple[int, int, bool, bool]]]:
    return [[(o.units, o.left, o.wait_us > 0, o.wait_us < 0) for o in group] for group in told]


def test_a_store_that_is_away_says_so_and_has_forgotten_nothing():
    server = RedisServer()
    other = Postgres()
    try:
        stores = [(server, RedisMeters(server.address)), (other, PostgresMeters(other.fresh()))]
        for machine, store in stores:
            with closing(store):
                store.lend("a", [[CREDIT._replace(least=6)]], [])
                machine.stop()
                with pytest.raises(StateUnavailable):
                    store.lend("a", [[CREDIT]], [])
                with pytest.raises(StateUnavailable):
                    store.present("a")
                machine.start()
                until = monotonic_ns() + 30 * 10**9
                while monotonic_ns() < until:
                    try:
                        [[told]] = store.lend("a", [[CREDIT]], [])
                        break
                    except StateUnavailable:
                        pass
                assert told.left == 3
    finally:
        server.remove()
        other.remove()


@pytest.mark.parametrize(
    "address",
    [
        "redis://", "http://host/0", "redis://host/name", "redis://host:x/0", "redis://h?db=1",
        "redis://h?ssl_ca_certs=/x", "rediss://h?ssl_cert_reqs=none", "redis://h#f", "", "redis://h:99999",
    ],
)  # fmt: skip
def test_a_wrong_address_is_told_without_its_password(address):
    secret = address.replace("//h", "//:s3cret@h")
    with pytest.raises(DatabaseAddressInvalid) as told:
        RedisMeters(secret)
    assert "s3cret" not in str(told.value)


def test_what_an_address_is_called_holds_no_password():
    assert check_address("rediss://me:s3cret@h/0?ssl_ca_certs=/x") == "redis at h:6379"
