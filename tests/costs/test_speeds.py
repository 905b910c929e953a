"""A machine is as fast as was measured on it, on one of its family, or by the rule."""

from __future__ import annotations

import pytest
from tests.costs.samples import profile

from fairlead.costs.capacity import Goal
from fairlead.costs.prices import read_prices
from fairlead.costs.sizing import Sizing
from fairlead.costs.speeds import BAND, BAND_FAMILY, BAND_MEASURED, speed_of
from fairlead.costs.traffic import traffic_of

PRICES = read_prices()
OWN = profile()


def test_without_a_measurement_the_rule_says_how_fast_and_within_what():
    speed = speed_of(PRICES.machine("aws/c7g.large"), OWN)
    assert (speed.profile, speed.band) == (OWN, BAND)
    assert "by rule" in speed.source


def test_a_measurement_on_the_machine_goes_before_one_on_its_family_and_that_before_the_rule():
    on_it, beside = (profile(0.01, offer=f"aws/c7g.{size}") for size in ("large", "xlarge"))
    machine = PRICES.machine("aws/c7g.large")
    assert speed_of(machine, OWN, [beside, on_it])[:3] == (on_it, 1.0, BAND_MEASURED)
    assert speed_of(machine, OWN, [beside])[:3] == (beside, 1.0, BAND_FAMILY)
    assert speed_of(PRICES.machine("aws/m5.large"), OWN, [beside]).band == BAND


def test_a_measurement_beside_a_gpu_tells_nothing_of_its_family():
    other = profile(offer="aws/g5.xlarge", gpu="A10G")
    assert speed_of(PRICES.machine("aws/g5.2xlarge"), OWN, [other]).band == BAND


@pytest.mark.parametrize(
    ("title", "credit"), [("aws/t4g.small", "day"), ("gcp/e2-small", "hour"), ("aws/m5.large", "")]
)
def test_a_machine_that_is_slowed_down_says_over_which_time(title, credit):
    speed = speed_of(PRICES.machine(title), OWN)
    assert speed.credit == credit
    assert (speed.baseline < 1) == bool(credit)


def test_every_machine_of_the_table_has_a_family_with_a_speed():
    assert all("unknown" not in speed_of(one, OWN).source for one in PRICES.machines)


def test_machines_that_are_simulated_once_keep_what_is_said_of_each():
    sizing = Sizing(traffic_of("5/s, steady"), Goal(0.5))
    same = [PRICES.machine(f"aws/{name}") for name in ("c7g.large", "m7g.large", "c7i.large")]
    for machine in same:
        speed = speed_of(machine, OWN)
        assert sizing.of(machine, speed).speed is speed


def test_machines_of_more_cores_are_not_taken_for_those_of_fewer():
    large = profile(peak_bytes=4 << 30, steady_bytes=4 << 30, inline=False, slots=4)
    sizing = Sizing(traffic_of("1/s, steady"), Goal(0.5))
    four, two = PRICES.machine("aws/c6i.xlarge"), PRICES.machine("aws/m6a.large")
    alike = [speed_of(machine, large) for machine in (four, two)]
    assert [speed.factor for speed in alike] == [1.0, 1.0]
    sizing.of(four, alike[0])
    sizing.of(two, alike[1])
    assert len(sizing._known) == 2
