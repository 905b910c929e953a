"""What a service says becomes rows of the table, as far as it keeps the guards."""

from __future__ import annotations

import pytest

from fairlead.costs.priced import Price
from fairlead.costs.prices import packaged
from fairlead.costs.refresh.repriced import repriced

PRICES = packaged()


def price(usd: float) -> Price:
    return Price(usd, "a service", "2026-11-26", "high")


def known(*titles: str):
    return [PRICES.machine(title) for title in titles]


def test_machines_of_aws_get_the_hosting_price_that_was_read():
    both = known("aws/m5.large", "aws/c5.large")
    hourly = {"m5.large": price(0.115), "c5.large": price(0.097), "other": price(1)}
    made, left = repriced(both, "eu-central-1", hourly, {}, {"m5.large": price(0.138)})
    large, small = made
    assert (large.region, large.hourly.usd, large.hosting) == ("eu-central-1", 0.115, price(0.138))
    assert (small.hosting, small.hosting_service) == (None, "")
    assert left == ()


def test_an_endpoint_of_azure_costs_what_its_machine_does():
    (made,) = repriced(
        known("azure/Standard_D2s_v5"), "westeurope", {"Standard_D2s_v5": price(0.115)}, {}, {}
    ).machines
    assert made.hosting is not None
    assert (made.hosting.usd, made.hosting.confidence) == (0.115, "medium")


def test_a_node_of_vertex_is_derived_by_a_rule_that_is_named():
    made = repriced(
        known("gcp/n2-standard-2", "gcp/e2-small"),
        "us-central1",
        {"n2-standard-2": price(0.1), "e2-small": price(0.016)},
        {"n2-standard-2": price(0.05)},
        {},
    ).machines
    assert made[0].hosting == (
        pytest.approx(0.115),
        "a service, times 1.15",
        "2026-11-26",
        "derived",
    )
    assert made[0].spot == price(0.05)
    assert made[1].hosting is None


def test_what_was_not_found_or_breaks_a_guard_is_left_as_it_was():
    three = known("aws/c7g.large", "aws/c7g.xlarge", "aws/m5.large")
    hourly = {"c7g.large": price(0.0725), "c7g.xlarge": price(0.29)}
    made, left = repriced(three, "us-east-1", hourly, {}, {})
    assert [machine.name for machine in made] == ["c7g.large"]
    assert left == ("c7g.xlarge", "m5.large")
