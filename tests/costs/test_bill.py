"""Lines come to what they say, calls never make a bill smaller, and time is never rounded down."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.costs.samples import at, service, usage

from fairlead.costs.bill import Line, Place, billed_s, metered, offer, quiet, stepped, total
from fairlead.costs.offering import KINDS
from fairlead.costs.power import parse_power
from fairlead.costs.prices import packaged

PRICES = packaged()
PLACES = {
    "vm": at(PRICES, "aws/c7g.large"),
    "kubernetes": at(PRICES, "azure/Standard_D2s_v5"),
    "sagemaker-realtime": at(PRICES, "aws/m5.large"),
    "sagemaker-async": at(PRICES, "aws/m5.large"),
    "sagemaker-serverless": Place("aws", "us-east-1"),
    "azureml": at(PRICES, "azure/Standard_F2s_v2"),
    "vertex": at(PRICES, "gcp/n1-standard-2"),
    "cloudrun": Place("gcp", "us-central1"),
    "containerapps": Place("azure", "eastus"),
    "lambda": Place("aws", "us-east-1"),
    "home": Place("local", power=parse_power("25:60"), country="DE"),
}
EVERY = pytest.mark.parametrize("name", [*KINDS])
CALLS = st.floats(0, 1e10)


def bill(name: str, **more: object):
    return offer(KINDS[name], usage(**more), PRICES, PLACES[name])


def test_every_kind_has_a_place_here():
    assert [*PLACES] == [*KINDS]


# --- money --------------------------------------------------------------------------------


@EVERY
@given(calls=CALLS, more=CALLS)
def test_more_calls_never_cost_less(name, calls, more):
    fewer, all_of_them = bill(name, calls=calls).monthly, bill(name, calls=calls + more).monthly
    assert fewer <= all_of_them * (1 + 1e-9) + 1e-9


@EVERY
@given(calls=CALLS)
def test_lines_come_to_the_bill_and_each_to_its_quantity(name, calls):
    made = bill(name, calls=calls)
    assert made.monthly == pytest.approx(math.fsum(line.monthly for line in made.lines))
    for line in made.lines:
        assert line.monthly == line.quantity * line.usd
        assert line.source
        assert line.confidence in ("high", "medium", "low", "derived")
    assert made.monthly >= 0


@EVERY
def test_what_is_free_is_a_line_of_its_own_and_never_more_than_what_is_used(name):
    made = bill(name)
    for line in made.lines:
        if line.what.endswith(", free"):
            (used,) = (one for one in made.lines if one.what == line.what.removesuffix(", free"))
            assert -used.quantity <= line.quantity < 0


@EVERY
def test_a_bill_as_json_has_what_it_is_made_of(name):
    told = json.loads(json.dumps(bill(name).to_json()))
    assert told["kind"] == name
    assert told["per_million"] == pytest.approx(told["monthly"] / 10)
    assert {"source", "date", "confidence"} < {*told["lines"][0]}


def test_a_bill_without_calls_has_no_price_of_a_million():
    assert bill("vm", calls=0.0).per_million is None


def test_a_day_on_which_nobody_calls_costs_what_runs_anyway():
    # c7g.large: 2 x 0.0725 x 24; disks 64 x 0.08, a balancer 16.425 and an image 0.1 in 730 h
    by_hand = 3.48 + (5.12 + 16.425 + 0.1) / (730 / 24)
    assert bill("vm").idle_per_day == pytest.approx(by_hand)
    assert bill("vm", idle_hours=0.0).idle_per_day == pytest.approx(16.525 / (730 / 24))
    assert bill("lambda").idle_per_day == pytest.approx(0.1 / (730 / 24))


def test_a_quiet_month_keeps_the_least_number_of_replicas():
    found = quiet(usage(idle_hours=730.0, busy_hours=5.0, cold_starts=7.0))
    assert (found.calls, found.instance_hours, found.busy_hours, found.cold_starts) == (
        0,
        730,
        0,
        0,
    )


def test_the_oldest_price_that_counts_is_known():
    made = bill("vm")
    assert made.oldest == "2024-07-01"
    derived = [one for one in bill("azureml").lines if one.confidence == "derived" and one.monthly]
    assert [one.what for one in derived] == ["logs"]


# --- meters -------------------------------------------------------------------------------


def out(gb: float) -> list[tuple[float, float]]:
    place = Place("aws", "us-east-1")
    lines = metered("egress", gb, PRICES, place, "egress", "internet")
    return [(line.quantity, line.usd) for line in lines]


def test_a_meter_is_paid_tier_by_tier():
    assert out(0) == []
    assert out(50) == [(50, 0.09), (-50, 0.09)]
    assert out(1000) == [(1000, 0.09), (-100, 0.09)]
    assert out(10240) == [(10240, 0.09), (-100, 0.09)]
    assert out(200_000) == [
        (10240, 0.09),
        (-100, 0.09),
        (40960, 0.085),
        (102400, 0.07),
        (46400, 0.05),
    ]


@given(st.floats(0, 1e7))
def test_tiers_come_to_what_is_used(gb):
    assert math.fsum(q for q, _ in out(gb) if q > 0) == pytest.approx(gb)


# --- time ---------------------------------------------------------------------------------


@given(st.floats(0, 1000), st.sampled_from([0.001, 0.1, 1.0]), st.sampled_from([0.0, 0.1]))
def test_time_is_never_rounded_down_nor_by_more_than_a_step(seconds, step, least):
    found = stepped(seconds, step, least)
    assert found >= seconds - 1e-9
    assert found <= max(seconds + step, least) + 1e-9
    assert least or found / step == pytest.approx(round(found / step))


@pytest.mark.parametrize("seconds", [0.1, 0.2, 0.3, 0.7, 1.1, 2.3])
def test_whole_steps_stay_what_they_are(seconds):
    assert stepped(seconds, 0.1) == seconds


def test_a_least_time_is_billed_as_azure_functions_do():
    assert stepped(0.02, 0.001, 0.1) == 0.1
    assert billed_s(service(1, 0.02), 0.001, 0.1) == pytest.approx(0.1)


def test_the_distribution_is_rounded_and_not_its_mean():
    # From 10 to 110 ms: one hundredth of the calls is above 100 ms.
    found = billed_s(service(1, 0.06, spread=5 / 6), 0.1)
    assert 0.1 < found < 0.12
    half = replace(service(1, 0.06), quantiles=(0.01,) * 50 + (0.06,) + (0.11,) * 50)
    assert billed_s(half, 0.1) == pytest.approx(0.15, abs=0.001)


@given(st.floats(1e-5, 10), st.floats(0, 1))
def test_a_billed_time_is_never_below_the_mean(mean, spread):
    each = service(1, mean, spread=spread)
    for step in (0.001, 0.1):
        assert billed_s(each, step) >= each.mean_s - 1e-9


def test_the_sum_of_nothing_is_nothing():
    assert total(()) == 0
    assert total((Line("a", 1, "b", 2, 2, "", "", "high"),)) == 2
