"""The packaged table keeps every guard, and each guard finds what it is for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fairlead.costs.prices import packaged
from fairlead.costs.table_rules import broken, family_of, in_united_states

PRICES = packaged()
LARGE, XLARGE = (
    replace(PRICES.machine(f"aws/c7g.{size}"), hosting=None) for size in ("large", "xlarge")
)


def at(machine, usd):
    return replace(machine, hourly=machine.hourly._replace(usd=usd))


def why(*machines):
    return [f"{machine.name}: {told}" for machine, told in broken(machines)]


def test_the_packaged_table_breaks_no_guard():
    assert [*broken(PRICES.machines)] == []


def test_families_of_several_machines_are_there_to_be_compared():
    families = [family_of(machine) for machine in PRICES.machines]
    assert sum(families.count(one) > 1 for one in families) >= 40


def test_a_price_per_vcpu_is_one_price_within_a_family():
    assert why(LARGE, at(XLARGE, 0.145 * 1.019)) == []
    (found,) = why(LARGE, at(XLARGE, 0.145 * 1.021))
    assert "0.037011 USD per vCPU" in found
    assert "the family c7g has 0.03625" in found


def test_machines_with_other_memory_or_a_share_of_a_gpu_are_of_another_family():
    small, medium = PRICES.machine("aws/t3.small"), PRICES.machine("aws/t3.medium")
    assert family_of(small) != family_of(medium)
    one, two = PRICES.machine("aws/g5.xlarge"), PRICES.machine("aws/g5.2xlarge")
    assert family_of(one) != family_of(two)


def test_a_region_of_the_united_states_is_at_most_a_quarter_dearer_than_another():
    there = replace(at(LARGE, 0.0725 * 1.24), region="us-west-1")
    assert why(LARGE, there) == []
    (found,) = why(LARGE, replace(at(LARGE, 0.0725 * 1.26), region="us-west-1"))
    assert "0.0725 in us-east-1" in found
    assert why(LARGE, replace(at(LARGE, 0.2), region="sa-east-1")) == []


@pytest.mark.parametrize(
    ("region", "is_there"),
    [
        ("us-east-1", True),
        ("us-central1", True),
        ("eastus2", True),
        ("westcentralus", True),
        ("us-gov-west-1", False),
        ("eu-west-1", False),
        ("westeurope", False),
    ],
)
def test_which_regions_are_in_the_united_states(region, is_there):
    assert in_united_states(region) is is_there


def test_spot_is_below_on_demand():
    cheap = LARGE.hourly._replace(usd=0.03)
    assert why(replace(LARGE, spot=cheap)) == []
    (found,) = why(replace(LARGE, spot=LARGE.hourly))
    assert "spot price 0.0725 is not below 0.0725" in found


def test_hosting_is_never_below_the_machine():
    assert why(replace(LARGE, hosting=LARGE.hourly)) == []
    (found,) = why(replace(LARGE, hosting=LARGE.hourly._replace(usd=0.07)))
    assert "hosting at 0.07 is below" in found
