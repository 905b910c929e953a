"""Azure's retail prices: Windows, Spot and Low Priority have rows of their own."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from tests.costs.refresh.shapes import azure_item, azure_page

from fairlead.core.errors import PricesUnreachable
from fairlead.costs.refresh import azure

NAME = "Standard_D2as_v5"


def read(*items):
    return azure.machine_prices(items, "eastus", "2026-11-26")


def test_linux_on_demand_and_spot_are_told_apart_by_names():
    found = read(
        azure_item(NAME, 0.086),
        azure_item(NAME, 0.178, productName="Virtual Machines Dasv5 Series Windows"),
        azure_item(NAME, 0.0172, skuName="D2as v5 Spot", meterName="D2as v5 Spot"),
        azure_item(NAME, 0.0172, skuName="D2as v5 Low Priority"),
        azure_item(NAME, 0.09, productName="Dasv5 Series CloudServices"),
    )
    assert found.hourly == {NAME: (0.086, "Azure Retail Prices, eastus", "2026-11-26", "high")}
    assert found.spot[NAME].usd == 0.0172


@pytest.mark.parametrize(
    "other",
    [
        {"type": "Reservation"},
        {"type": "DevTestConsumption"},
        {"currencyCode": "EUR"},
        {"unitOfMeasure": "1 GB/Month"},
        {"armRegionName": "eastus2"},
        {"retailPrice": 0.0},
        {"retailPrice": "0.1"},
        {"retailPrice": None},
    ],
)
def test_what_is_not_an_hour_on_demand_here_does_not_count(other):
    assert read(azure_item(NAME, 0.2, **other)) == ({}, {})


def test_a_machine_with_two_prices_is_left_out():
    assert read(azure_item(NAME, 0.086), azure_item(NAME, 0.087)).hourly == {}


def test_a_page_names_the_next():
    assert azure.page(azure_page()) == ([], "")
    items, following = azure.page(azure_page(azure_item(NAME, 1), following="https://x/2"))
    assert (len(items), following) == (1, "https://x/2")


@pytest.mark.parametrize("told", [{}, {"Items": {}}, {"Items": [1]}])
def test_a_page_in_another_shape_is_refused(told):
    with pytest.raises(PricesUnreachable, match="'Items'"):
        azure.page(told)


def test_what_is_asked():
    asked = parse_qs(urlsplit(azure.path("eastus", ["a", "b"])).query)["$filter"][0]
    assert "serviceName eq 'Virtual Machines' and armRegionName eq 'eastus'" in asked
    assert asked.endswith("(armSkuName eq 'a' or armSkuName eq 'b')")
