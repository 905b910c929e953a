"""The bill of an Azure ML endpoint, by hand."""

from __future__ import annotations

import pytest
from tests.costs.samples import at, service, usage

from fairlead.costs.bill import total
from fairlead.costs.offers.azureml import lines, refusal
from fairlead.costs.prices import packaged

PRICES = packaged()


def test_an_endpoint_of_two_machines():
    found = lines(usage(), PRICES, at(PRICES, "azure/Standard_F2s_v2"))
    # 1460 x 0.0846; the registry at 5 for 30 days, of which a month has 730/24; the image is below
    # the 10 GB that are free, and so is egress below its 100 GB; 3 GB of logs x 2.99
    assert total(found) == pytest.approx(123.516 + 5 * (730 / 24) / 30 + 8.97)


def test_logs_are_priced_as_in_another_region_and_say_so():
    found = lines(usage(), PRICES, at(PRICES, "azure/Standard_F2s_v2"))
    (logs,) = (line for line in found if line.what == "logs")
    assert logs.confidence == "derived"
    assert logs.source.endswith("as in westeurope")


def test_why_an_endpoint_cannot_be():
    place = at(PRICES, "azure/Standard_F2s_v2")
    assert refusal(usage(), place) == ""
    assert "as an endpoint" in refusal(usage(), at(PRICES, "azure/Standard_B2s"))
    assert refusal(usage(memory_bytes=5 << 30), place) == "RAM short by 1.0 GiB"
    assert "at most 10.0 MiB" in refusal(usage(request_bytes=11 << 20), place)
    assert "at most 180 s" in refusal(usage(service=service(1, 200.0)), place)
