"""The bill of Vertex AI's online prediction, by hand."""

from __future__ import annotations

import pytest
from tests.costs.samples import at, service, usage

from fairlead.costs.bill import total
from fairlead.costs.offers.vertex import lines, refusal
from fairlead.costs.prices import packaged

PRICES = packaged()


def test_two_nodes():
    found = lines(usage(), PRICES, at(PRICES, "gcp/n1-standard-2"))
    # 1460 x 0.1095; 0.5 GB of image that is not free x 0.1; 5 GB out x 0.12; logs below 50 GB
    assert total(found) == pytest.approx(159.87 + 0.05 + 0.6)


def test_why_nodes_cannot_be():
    place = at(PRICES, "gcp/n1-standard-2")
    assert refusal(usage(), place) == ""
    assert "as an endpoint" in refusal(usage(), at(PRICES, "gcp/e2-small"))
    assert refusal(usage(memory_bytes=8 << 30), place) == "RAM short by 0.5 GiB"
    assert "at most 9.5 MiB" in refusal(usage(request_bytes=10 << 20), place)
    assert "at most 3600 s" in refusal(usage(service=service(1, 4000.0)), place)
