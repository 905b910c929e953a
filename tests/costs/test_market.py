"""Every way to serve a model is priced, and what cannot be says why."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from datetime import date

import pytest
from tests.costs.samples import profile

from fairlead.core.errors import GoalImpossible, OfferUnknown
from fairlead.costs.capacity import Goal
from fairlead.costs.decision import decide
from fairlead.costs.market import Market, Wish
from fairlead.costs.offering import KINDS
from fairlead.costs.power import parse_power
from fairlead.costs.prices import read_prices
from fairlead.costs.text import decision_text
from fairlead.costs.traffic import MONTH_S, traffic_of
from fairlead.documents.cost_page import cost_page

PRICES = read_prices()
OFFICE = "100k/day, peak 4x, open 8-18, weekdays"
TODAY = date(2026, 11, 26)


def options(text=OFFICE, *, goal=None, wish=None, measured=(), of=None):
    found = Market(
        of or profile(), traffic_of(text), goal or Goal(0.3), PRICES, wish, measured
    ).options()
    assert found
    return found


def decided(text=OFFICE, *, wish=None, goal=None, busier=False):
    return decide(
        profile(), traffic_of(text), goal or Goal(0.3), PRICES, wish, today=TODAY, busier=busier
    )


def test_every_kind_of_offer_is_looked_at_and_told_with_source_date_and_confidence():
    found = options(wish=Wish(power=parse_power("25:60"), country="DE"))
    assert {one.offer.kind for one in found} == {*KINDS}
    for one in found:
        for line in one.offer.lines:
            assert line.source
            assert line.confidence in ("high", "medium", "low", "derived")
    meeting = [one for one in found if one.meets]
    assert meeting == sorted(meeting, key=lambda one: one.offer.monthly)


@pytest.mark.parametrize(
    ("on", "kinds", "places"),
    [
        (("aws",), None, {"aws"}),
        (("cloudrun",), {"cloudrun"}, {"gcp"}),
        (("vm", "azure"), {"vm"}, {"azure"}),
        (("local",), {"home"}, {"local"}),
        (("gcp", "azure"), None, {"gcp", "azure"}),
    ],
)
def test_only_what_was_named_is_looked_at(on, kinds, places):
    found = options(wish=Wish(on=on))
    assert {one.offer.provider for one in found} == places
    assert kinds is None or {one.offer.kind for one in found} == kinds


@pytest.mark.parametrize(
    "wish", [Wish(on=("amazon",)), Wish(regions=(("aws", "mars-1"),)), Wish(regions=(("x", "y"),))]
)
def test_a_place_that_nobody_knows_is_refused(wish):
    with pytest.raises(OfferUnknown):
        options(wish=wish)


def test_a_machine_at_home_costs_nothing_invented():
    (unsaid,) = options(wish=Wish(on=("local",)))
    assert "draws" in unsaid.why
    assert unsaid.offer.lines == ()
    (untariffed,) = options(wish=Wish(on=("local",), power=parse_power("25:60")))
    assert "kWh" in untariffed.why
    (known,) = options(wish=Wish(on=("local",), power=parse_power("25:60"), tariff=0.3))
    assert known.meets
    busy_hours = traffic_of(OFFICE).per_month * (0.05 + 20e-6) / 3600 / 2
    assert known.offer.monthly == pytest.approx(
        (25 * 730 + 35 * busy_hours) / 1000 * 0.3, rel=0.001
    )


def test_how_slow_the_measured_machine_was_at_times_counts_there_and_nowhere_else():
    seen = replace(profile(), unsteady=1.5)
    wish = Wish(power=parse_power("25:60"), country="DE")
    for usual, slow in zip(options(wish=wish), options(wish=wish, of=seen), strict=True):
        assert usual.title == slow.title
        if slow.offer.kind == "home":
            assert "1.5 times as long as usual" in slow.speed
            assert slow.p99_s > usual.p99_s
        else:
            assert (slow.p99_s, slow.offer, slow.speed) == (usual.p99_s, usual.offer, usual.speed)


def test_more_traffic_than_one_machine_at_home_does_is_said():
    (crowd,) = options("2000/s", wish=Wish(on=("local",), power=parse_power("25:60"), tariff=0.3))
    assert "machines like this one" in crowd.why


def test_a_gpu_is_looked_at_only_once_it_was_measured():
    plain = options(wish=Wish(on=("vm",)))
    assert all("g" not in one.offer.machine.partition(".")[0] or "4g" in one.offer.machine
               for one in plain if one.offer.provider == "aws")  # fmt: skip
    measured = profile(0.002, 0.0001, offer="aws/g4dn.xlarge", gpu="T4", cores=4)
    found = options(
        "2000/s, steady", goal=Goal(0.2), wish=Wish(on=("vm", "aws")), measured=[measured]
    )
    gpu = [one for one in found if one.offer.machine == "g4dn.xlarge"]
    assert gpu
    assert "measured on it" in gpu[0].speed
    assert gpu[0].band == 0.05


def test_a_model_that_no_machine_holds_is_told_by_how_much():
    found = options(of=profile(peak_bytes=900 << 30, steady_bytes=900 << 30))
    assert not any(one.meets for one in found)
    assert any("RAM short by" in one.why for one in found)


def test_a_call_that_finds_nothing_warm_is_late_where_it_must_not_be():
    rare = options("20/hour", wish=Wish(on=("lambda",)))
    assert "find it cold" in rare[0].why
    often = options("10/s", wish=Wish(on=("lambda",)))
    assert often[0].meets


def test_more_traffic_costs_no_less():
    amounts = [
        min(one.offer.monthly for one in options(f"{rate}/s, steady") if one.meets)
        for rate in (1, 10, 100, 1000)
    ]
    assert amounts == sorted(amounts)


def test_machines_that_go_at_night_cost_less_and_nothing_less_than_one_at_all():
    text = "300/s, peak 3x, open 8-18, weekdays"
    still = options(text, wish=Wish(on=("vm", "aws")))
    moving = options(text, wish=Wish(on=("vm", "aws"), elastic=True))
    assert moving[0].offer.monthly < still[0].offer.monthly
    assert moving[0].offer.idle_per_day > 0


def test_an_estimate_asks_no_network(monkeypatch):
    def refused(*given, **more):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refused)
    assert decided().cheapest


def test_a_decision_names_three_and_says_of_all_others_why_not():
    decision = decided()
    assert len(decision.cheapest) == 3
    assert len(decision.others) + 3 == len(decision.options)
    assert all(why for _, why in decision.others)
    told = decision.to_json()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    for one in told["offers"]:
        assert {"kind", "monthly", "per_million", "lines", "meets", "why"} <= {*one}
        for line in one["lines"]:
            assert {"source", "date", "confidence"} <= {*line}


def test_a_break_even_is_where_both_cost_the_same():
    decision = decided("50/s, steady", wish=Wish(on=("aws",)))
    even = next(one for one in decision.even if one.below.startswith("lambda"))
    by_title = {one.title: one for one in decision.options}
    bills = [decision.market.line(by_title[title]) for title in (even.below, even.above)]
    calls = even.per_s * MONTH_S
    by_call, machine = (fixed + each * calls for fixed, each in bills)
    assert by_call == pytest.approx(machine)
    assert even.per_s <= by_title[even.above].carried_per_s


def test_no_machine_is_said_to_be_cheaper_from_a_rate_on_that_it_does_not_bear():
    decision = decided("20000/day, peak 3x")
    by_title = {one.title: one for one in decision.options}
    for even in decision.even:
        assert even.per_s <= by_title[even.above].carried_per_s


def test_hardly_any_calls_need_one_machine_and_no_more():
    for text in ("1/month", "10/day", "2000/day, bursty 1000000"):
        found = options(text, wish=Wish(on=("vm", "aws")))
        assert (found[0].meets, found[0].offer.replicas) == (True, 1), text


def test_calls_in_bursts_find_more_cold_than_calls_by_themselves():
    steady = options("1500/day, steady", wish=Wish(on=("lambda",)))[0]
    bursty = options("1500/day, bursty", wish=Wish(on=("lambda",)))[0]
    assert steady.meets
    assert "find it cold" in bursty.why


def test_a_replica_that_waits_for_the_next_call_is_paid_for_where_it_is():
    (one,) = options("20000/day", wish=Wish(on=("containerapps",)))
    assert one.offer.monthly > 50


def test_what_comes_through_a_queue_promises_no_time():
    (one,) = options("20/s", wish=Wish(on=("sagemaker-async",)))[:1]
    assert not one.meets
    assert one.p99_s is None


def test_requests_that_our_own_server_would_not_take_are_priced_nowhere():
    assert not any(one.meets for one in options("10/day, rows 999999", goal=Goal(1e6)))


def test_machines_that_are_slowed_down_are_not_worked_all_day():
    text = "60/s, open 8-18, weekdays"
    slowed = [
        one
        for one in options(text, wish=Wish(on=("vm", "aws")))
        if one.offer.machine.startswith(("t3.", "t4g.")) and one.meets
    ]
    assert slowed
    busiest = sum(traffic_of(text).busiest_day) / 24
    for one in slowed:
        assert busiest * 0.05 / 8 / 2 / one.offer.replicas <= 0.2
        assert one.carried_per_s >= traffic_of(text).mean_per_s


def test_a_machine_at_home_is_as_fast_as_was_measured_on_it():
    (known,) = options(wish=Wish(on=("local",), power=parse_power("25:60"), tariff=0.3))
    assert "measured on 2026-11-26" in known.speed
    assert known.band == 0.05


def test_a_machine_at_home_has_as_many_workers_as_its_memory_holds():
    little = profile(memory_bytes=1 << 30)
    (short,) = options(of=little, wish=Wish(on=("local",), power=parse_power("25:60"), tariff=0.3))
    assert "RAM short" in short.why


def test_no_break_even_is_told_of_what_is_paid_while_it_waits():
    decision = decided("10/day, steady")
    assert not any("containerapps" in one.below for one in decision.even)


def test_twice_and_ten_times_the_traffic_is_told():
    decision = decided("3/s", busier=True)
    assert [one.factor for one in decision.busier] == [0.5, 2.0, 10.0]
    assert decision.busier[2].monthly >= decision.busier[0].monthly


def test_old_prices_are_told_loudly():
    old = decide(profile(), traffic_of("1/s"), Goal(0.3), PRICES, today=date(2028, 1, 1),
                 busier=False)  # fmt: skip
    assert old.stale
    assert "OLDER THAN 90 DAYS" in decision_text(old)
    assert "older than 90 days" in cost_page(old.to_json())
    assert old.age_band == 0.25


@pytest.mark.parametrize("goal", [Goal(0.0), Goal(float("inf"))])
def test_a_goal_that_is_none_is_refused(goal):
    with pytest.raises(GoalImpossible):
        decided(goal=goal)


def test_a_goal_that_nothing_reaches_is_told_and_nothing_recommended():
    decision = decided(goal=Goal(0.001))
    assert decision.cheapest == ()
    assert "reaches the goal" in decision_text(decision)
    assert "reaches the goal" in cost_page(decision.to_json())


def test_names_from_outside_do_no_harm_on_the_page():
    strange = replace(profile(), model="<script>", machine="<img src=x>")
    decision = decide(strange, traffic_of("1/s"), Goal(0.3), PRICES, today=TODAY, busier=False)
    page = cost_page(decision.to_json())
    assert "<script" not in page
    assert "<img" not in page
