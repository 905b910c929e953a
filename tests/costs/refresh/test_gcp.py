"""Google lists parts: machines are put together, and spot parts are not taken for others."""

from __future__ import annotations

import pytest
from tests.costs.refresh.shapes import GCP_PARTS, gcp_sku

from fairlead.core.errors import PricesUnreachable
from fairlead.costs.prices import packaged
from fairlead.costs.refresh import gcp

MACHINES = packaged().in_reach("gcp")


def read(skus=GCP_PARTS):
    return gcp.machine_prices(skus, "us-central1", MACHINES, "2026-11-26")


def test_a_machine_is_the_sum_of_its_processors_memory_and_gpu():
    found = {name: price.usd for name, price in read().hourly.items()}
    assert found == pytest.approx(
        {
            "n2-standard-2": 2 * 0.031611 + 8 * 0.004237,
            "e2-small": 0.5 * 0.021811 + 2 * 0.002923,  # half a processor is paid for
            "e2-medium": 1 * 0.021811 + 4 * 0.002923,
            "e2-standard-2": 2 * 0.021811 + 8 * 0.002923,
            "e2-standard-4": 4 * 0.021811 + 16 * 0.002923,
            "e2-highcpu-2": 2 * 0.021811 + 2 * 0.002923,
            "e2-highcpu-4": 4 * 0.021811 + 4 * 0.002923,
            "g2-standard-4": 4 * 0.024988 + 16 * 0.002927 + 0.56004,
            "g2-standard-8": 8 * 0.024988 + 32 * 0.002927 + 0.56004,
        }
    )


def test_the_parts_give_the_packaged_prices_again():
    """Two ways to the same price, within one in a hundred."""
    known = {machine.name: machine.hourly.usd for machine in MACHINES}
    for name, price in read().hourly.items():
        assert price.usd == pytest.approx(known[name], rel=0.01)


def test_a_spot_machine_is_the_sum_of_spot_parts():
    assert {n: p.usd for n, p in read().spot.items()} == pytest.approx(
        {"n2-standard-2": 2 * 0.015 + 8 * 0.002}
    )


def test_a_machine_lacks_a_price_where_one_of_its_parts_does():
    assert "a3-highgpu-1g" not in read().hourly
    assert (
        "g2-standard-4" not in read([s for s in GCP_PARTS if "L4" not in s["description"]]).hourly
    )


def test_a_part_with_two_prices_is_none():
    twice = [*GCP_PARTS, gcp_sku("N2 Instance Core running in Americas", 0.04)]
    assert "n2-standard-2" not in read(twice).hourly


def test_a_part_by_another_unit_does_not_count():
    other = [gcp_sku("E2 Instance Core running in Americas", 0.02, unit="mo"), *GCP_PARTS[8:9]]
    assert read(other).hourly == {}


def test_a_price_of_dollars_and_nanos():
    skus = [
        gcp_sku("A2 Instance Core running in Americas", 1.25),
        gcp_sku("A2 Instance Ram running in Americas", 0.004237, unit="GiBy.h"),
        gcp_sku("Nvidia Tesla A100 GPU running in Americas", 2.933908),
    ]
    (machine,) = (one for one in MACHINES if one.name == "a2-highgpu-1g")
    found = gcp.machine_prices(skus, "us-central1", [machine], "2026-11-26").hourly
    assert found[machine.name].usd == pytest.approx(12 * 1.25 + 85 * 0.004237 + 2.933908)


def test_a_page_names_the_next():
    assert gcp.page({"skus": [], "nextPageToken": "t"}) == ([], "t")
    assert gcp.page({"skus": []}) == ([], "")
    assert "pageToken=t" in gcp.path("t")
    assert "pageToken" not in gcp.path()


def test_a_page_in_another_shape_is_refused():
    with pytest.raises(PricesUnreachable, match="'skus' is no list"):
        gcp.page({"error": {"code": 403}})
    sku = gcp_sku("N2 Instance Core running in Americas", 1)
    sku["pricingInfo"][0]["pricingExpression"].pop("tieredRates")
    with pytest.raises(PricesUnreachable, match="'tieredRates' is no list"):
        read([sku])
