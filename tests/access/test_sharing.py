"""Limits that hosts share: joined calls, calendars, places, and what happens without the store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.access.hosts import NOON, SECOND, Host, back, want
from tests.meter_store import RamStore

from fairlead.access import sharing
from fairlead.access.sharing import PLACES_END_NS
from fairlead.core.allowance import parse_limit
from fairlead.core.metering import MS, NEVER, PRESENT_NS, Back


@pytest.fixture
def store() -> RamStore:
    return RamStore()


def test_two_hosts_use_one_stock_up(store):
    one, other = Host(store), Host(store)
    credits = want("credits=10", 6)
    assert one.units(credits) == [6]
    [lent] = other.get(credits)
    assert (lent.units, lent.left, lent.wait_ns) == (0, 4, None)
    assert other.units(credits._replace(least=4)) == [4]


def test_asks_that_come_while_the_store_is_asked_go_together_into_the_next_call(store):
    host = Host(store)
    told = [host.ask(want("credits=10", 1)) for _ in range(5)]
    assert len(host.work) == 1
    host.step()
    assert [len(one) for one in told] == [1, 0, 0, 0, 0]
    assert len(host.work) == 1
    host.step()
    assert [len(one) for one in told] == [1] * 5
    assert not host.work


def test_a_quota_is_of_the_day_of_its_zone_and_comes_again_the_next(store):
    host = Host(store)
    quota = want("rows=5/day", 5, zone="Asia/Kolkata")
    [lent] = host.get(quota)
    end = datetime(2026, 11, 26, tzinfo=UTC) - timedelta(hours=5.5)
    assert lent.ends_ns == int(end.timestamp()) * SECOND
    [refused] = host.get(quota)
    assert (refused.units, refused.wait_ns) == (0, lent.ends_ns - NOON)
    store.now_us += refused.wait_ns // 1000
    [again] = host.get(quota)
    assert again.units == 5
    host.meters.give_back(back(quota, lent))  # of yesterday
    assert host.units(quota) == [0]
    host.meters.give_back(back(quota, again))
    assert host.units(quota) == [5]


def test_what_a_quota_never_allows_no_time_brings(store):
    [lent] = Host(store).get(want("rows=5/day", 6))
    assert (lent.units, lent.wait_ns) == (0, None)


def test_hosts_whose_clocks_differ_share_one_day_unless_it_is_another_one_for_them(store):
    hosts = [Host(store), Host(store, 3600 * SECOND), Host(store, -86_400 * SECOND)]
    assert [host.units(want("rows=5/day", 3)) for host in hosts] == [[3], [0], [3]]
    assert [host.units(want("requests=5/second", 3)) for host in hosts] == [[3], [0], [0]]


def test_compute_time_is_lent_in_nanoseconds_and_never_more_than_there_is(store):
    host = Host(store)
    quota = want("compute_ms=1/day", 999_001)
    [lent] = host.get(quota)
    assert (lent.units, lent.left) == (MS, 0)
    host.meters.give_back(back(quota, lent, 1_999))  # a microsecond and a part of one
    assert host.get(quota._replace(least=0))[0].left == 1_000


def test_a_place_comes_back_at_once_and_every_lease_of_it_ends(store):
    one, other = Host(store), Host(store)
    places = want("concurrency=2", 2)
    [lent] = one.get(places)
    assert lent.ends_ns == NOON + PLACES_END_NS < NOON + PRESENT_NS
    assert other.get(places)[0].wait_ns is None
    one.meters.give_back(back(places, lent, 1))
    one.run()
    assert other.units(places._replace(least=1)) == [1]


def test_a_host_that_dies_frees_its_places_once_it_is_taken_for_dead(store):
    dead, other = Host(store), Host(store)
    places = want("concurrency=2", 2)
    assert dead.units(places) == [2]
    store.now_us += PRESENT_NS // 1000 - 1
    assert other.units(places) == [0]
    store.now_us += 1
    assert other.units(places) == [2]


def test_a_host_that_lives_keeps_its_places_by_saying_so(store):
    one, other = Host(store), Host(store)
    places = want("concurrency=2", 2)
    assert one.units(places) == [2]
    for _ in range(40):
        store.now_us += 10**6
        one.meters.save()
        one.run()
        assert other.units(places) == [0]
    assert one.meters.hosts == 2


def test_who_ends_in_order_leaves_nothing_held(store):
    one, other = Host(store), Host(store)
    places = want("concurrency=2", 2)
    [lent] = one.get(places)
    one.meters.give_back(back(places, lent))
    one.meters.close(True)
    assert other.units(places) == [2]


def test_what_is_still_held_when_a_bookkeeper_ends_is_held_until_workers_have_told_the_next(store):
    before, after, other = Host(store), Host(store), Host(store)
    places = want("concurrency=2", 2)
    assert before.units(places) == [2]
    before.meters.close(False)
    assert other.units(places) == [0]
    after.meters.owe(places)
    after.run()
    store.now_us += PRESENT_NS // 1000
    after.meters.save()
    after.run()
    assert other.units(places) == [0]


def test_while_the_store_is_away_rates_go_on_with_this_hosts_part(store):
    hosts = [Host(store), Host(store)]
    rate, quota = want("requests=100/second", 1), want("rows=100/day", 1)
    for host in hosts * 2:
        host.get(rate)
        host.meters.save()
        host.run()
    store.away = True
    lent = 0
    for turn in range(3000):
        store.now_us += 1000
        for host in hosts:
            if turn % 1000 == 0:
                host.meters.save()
                host.run()
            assert host.units(quota) is None
            assert host.units(rate, want("credits=9", 1)) is None
            lent += host.units(rate)[0]
    assert all(host.meters.away and [away for away, _ in host.told] == [True] for host in hosts)
    assert 290 <= lent <= 300


def test_a_store_that_was_never_heard_of_gives_nothing(store):
    store.away = True
    host = Host(store)
    assert host.units(want("requests=100/second", 1)) is None
    assert host.meters.away


def test_when_the_store_is_back_it_hears_what_was_used_meanwhile(store):
    host = Host(store)
    rate = want("requests=100/hour", 1)
    host.get(rate)
    store.away = True
    host.units(want("credits=1", 1))
    store.now_us += 1800 * 10**6
    assert host.units(rate._replace(least=40)) == [40]
    host.meters.owe(rate._replace(least=7))
    store.away = False
    host.meters.save()
    host.run()
    assert [away for away, _ in host.told] == [True, False]
    [lent] = host.get(rate._replace(least=0))
    assert lent.left == 100 - 47


def test_units_of_this_hosts_part_do_not_go_back_to_the_store(store):
    host = Host(store)
    rate = want("requests=100/second", 10)
    host.get(rate)
    store.away = True
    host.units(want("credits=1", 1))
    store.now_us += 10**6
    [lent] = host.get(rate)
    assert lent.units == 10
    host.meters.give_back(back(rate, lent))
    store.away = False
    host.meters.save()
    host.run()
    [lent] = host.get(rate._replace(least=0))
    assert lent.left == 90


def test_a_store_that_does_not_answer_keeps_nobody_waiting_and_what_comes_late_goes_back(store):
    host = Host(store)
    credits = want("credits=10", 10)
    first, second = host.ask(credits), host.ask(credits)
    host.meters.save()
    assert first == second == []
    store.now_us += 1_000_001
    host.meters.save()
    assert first == second == [None]
    assert host.told == [(True, "it does not answer")]
    host.run()
    assert [away for away, _ in host.told] == [True, False]
    assert host.units(credits) == [10]


def test_what_was_lent_without_an_answer_is_used_but_places_are_not(store):
    host = Host(store)
    host.meters.save()
    host.run()
    credits, places = want("credits=10", 4), want("concurrency=2", 2)
    store.mute = True
    assert host.units(credits, places) is None
    store.mute = False
    host.meters.save()
    host.run()
    assert host.units(places) == [2]
    [lent] = host.get(credits._replace(least=0))
    assert lent.left == 6


def test_what_came_back_without_an_answer_comes_back_once_at_most(store):
    host, other = Host(store), Host(store)
    credits = want("credits=10", 5)
    [lent] = host.get(credits)
    assert other.units(credits) == [5]
    host.meters.give_back(back(credits, lent))
    store.mute = True
    host.meters.save()
    host.run()
    store.mute = False
    for _ in range(3):
        host.meters.save()
        host.run()
    assert other.get(credits._replace(least=0))[0].left == 5


def test_what_was_used_is_told_until_it_was_heard(store):
    host = Host(store)
    host.meters.owe(want("credits=10", 4))
    store.away = True
    host.meters.save()
    host.run()
    host.meters.owe(want("credits=10", 3))
    store.away = False
    host.meters.save()
    host.run()
    [lent] = host.get(want("credits=10", 0))
    assert lent.left == 3


def test_what_waits_is_bounded(store, monkeypatch):
    monkeypatch.setattr(sharing, "MOST", 5)
    host = Host(store)
    told = [host.ask(want("credits=99", 1)) for _ in range(9)]
    assert [len(one) for one in told] == [0] * 6 + [1] * 3
    host.run()
    for n in range(9):
        host.meters.owe(want("credits=9", 1, name=f"owed {n}"))
        host.meters.give_back(Back(f"back {n}", parse_limit("credits=9"), (0, 0), 1))
    assert len(host.meters._owed) == len(host.meters._back) == 5
    store.away = True
    host.meters.save()
    host.run()
    rates = [host.units(want("requests=9/second", 0, name=f"rate {n}")) for n in range(9)]
    assert rates == [[0]] * 5 + [None] * 4


def test_who_alone_is_cut_off_has_its_part_and_the_others_hear_of_it_later(store):
    alone, other = Host(store), Host(store)
    rate = want("requests=100/hour", 1)
    for host in (alone, other, alone):
        host.get(rate)
        host.meters.save()
        host.run()
    store.away = True
    alone.units(want("credits=1", 1))
    store.away = False
    store.now_us += 3600 * 10**6
    assert alone.units(rate._replace(least=51)) == [0]
    assert alone.units(rate._replace(least=50)) == [50]
    assert other.units(rate._replace(least=40)) == [40]
    alone.meters.save()
    alone.run()
    assert other.get(rate._replace(least=0))[0].left == 10


def test_nothing_ends_that_is_no_place(store):
    [lent] = Host(store).get(want("credits=10", 1))
    assert lent.ends_ns == NEVER
