"""The AWS Price List is read by rows, and only Linux on demand counts."""

from __future__ import annotations

import pytest
from tests.costs.refresh.shapes import ec2_csv, ec2_row, sagemaker_json

from fairlead.core.errors import PricesUnreachable
from fairlead.costs.refresh import aws


def read(*rows, **more):
    found = aws.machine_prices(ec2_csv(*rows, **more).splitlines(True), "eu-central-1")
    return {name: price.usd for name, price in found.items()}


def test_a_price_says_where_it_is_from_and_when_it_was_published():
    found = aws.machine_prices(ec2_csv(ec2_row("c7g.large", 0.083)).splitlines(True), "eu-west-1")
    assert found == {
        "c7g.large": (0.083, "AWS Price List, AmazonEC2, eu-west-1", "2026-11-20", "high")
    }


@pytest.mark.parametrize(
    "other",
    [
        {"Operating System": "Windows"},
        {"Tenancy": "Dedicated"},
        {"Tenancy": "Host"},
        {"CapacityStatus": "AllocatedCapacityReservation"},
        {"CapacityStatus": "UnusedCapacityReservation"},
        {"Pre Installed S/W": "SQL Web"},
        {"TermType": "Reserved"},
        {"Unit": "Quantity"},
        {"Currency": "CNY"},
        {"Product Family": "Compute Instance (bare metal)"},
    ],
)
def test_what_is_not_linux_on_demand_does_not_count(other):
    assert read(ec2_row("m5.large", 0.188, **other), ec2_row("m5.large", 0.096)) == {
        "m5.large": 0.096
    }


def test_a_machine_with_two_prices_or_none_is_left_out():
    rows = [("m5.large", 0.096), ("m5.large", 0.097), ("m5.xlarge", 0.0), ("c5.large", 0.085)]
    assert read(*(ec2_row(*row) for row in rows)) == {"c5.large": 0.085}


def test_a_file_in_another_shape_is_refused():
    with pytest.raises(PricesUnreachable, match="column 'TermType' is missing"):
        aws.machine_prices(["a\n"] * 2 + ["Publication Date,2026-11-20\n"] + ["b\n"] * 3, "x")
    with pytest.raises(PricesUnreachable, match="is no date"):
        read(ec2_row("c7g.large", 0.083), published="yesterday")
    with pytest.raises(PricesUnreachable, match="is no date"):
        aws.machine_prices([], "x")


def test_hours_of_endpoints_are_told_from_the_other_components():
    found = aws.hosting_prices(
        sagemaker_json(
            ("USE1-Host:ml.m5.xlarge", "Hrs", 0.23),
            ("Host:ml.c5.large", "Hrs", 0.102),
            ("USE1-Train:ml.m5.xlarge", "Hrs", 0.24),
            ("USE1-Notebk:ml.m5.xlarge", "Hrs", 0.25),
            ("USE1-AsyncInf:ml.m5.xlarge", "Hrs", 0.26),
            ("USE1-ServerlessInf:Mem-3GB", "seconds", 0.00006),
            ("USE1-Host:ml.m5.2xlarge", "GB", 0.461),
        ),
        "us-east-1",
    )
    assert found == {
        "m5.xlarge": (0.23, "AWS Price List, AmazonSageMaker, us-east-1", "2026-11-21", "high"),
        "c5.large": (0.102, "AWS Price List, AmazonSageMaker, us-east-1", "2026-11-21", "high"),
    }


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda told: told.pop("publicationDate"), "no date"),
        (lambda told: told.pop("terms"), "'terms' is no object"),
        (lambda told: told.update(products=[]), "'products' is no object"),
        (lambda told: told["terms"]["OnDemand"]["SKU0000"].update(x=1), "'x' is no object"),
    ],
)
def test_endpoints_in_another_shape_are_refused(damage, why):
    told = sagemaker_json(("Host:ml.m5.xlarge", "Hrs", 0.23))
    damage(told)
    with pytest.raises(PricesUnreachable, match=why):
        aws.hosting_prices(told, "us-east-1")


def test_where_it_is_asked():
    assert aws.machines_path("eu-west-1") == (
        "/offers/v1.0/aws/AmazonEC2/current/eu-west-1/index.csv"
    )
    assert aws.endpoints_path("eu-west-1").endswith("/AmazonSageMaker/current/eu-west-1/index.json")
