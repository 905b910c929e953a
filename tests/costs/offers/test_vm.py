"""The bill of virtual machines, by hand."""

from __future__ import annotations

import pytest
from tests.costs.samples import at, monthly, usage

from fairlead.core.errors import OfferUnknown
from fairlead.costs.bill import Place, total
from fairlead.costs.offers.vm import lines, refusal
from fairlead.costs.prices import packaged

PRICES = packaged()


def test_two_machines_of_aws_and_a_balancer():
    found = lines(usage(), PRICES, at(PRICES, "aws/c7g.large"))
    assert monthly(found) == pytest.approx(
        {
            "machine c7g.large": 105.85,  # 2 x 730 h x 0.0725
            "disk": 5.12,  # 2 x 32 GB (1 of image + 16 of system) x 0.08
            "load balancer": 16.425,  # 730 h x 0.0225
            # Bytes: 18 GB are 18 units. Connections: 10 million / (25 x 3600) are 111.1, the more.
            "load balancer, capacity": 10e6 / 90000 * 0.008,
            "image": 0.1,  # 1 GB
            "egress": 0.54,  # 6 GB x 0.09
            "egress, free": -0.54,  # of 100 GB
            "logs": 1.5,  # 3 GB x 0.5
        }
    )
    assert total(found) == pytest.approx(129.8838889)


def test_one_machine_has_no_balancer():
    found = lines(usage(instance_hours=730.0), PRICES, at(PRICES, "aws/c7g.large", replicas=1))
    # 730 x 0.0725 + 32 x 0.08 + 0.1 + 1.5
    assert total(found) == pytest.approx(52.925 + 2.56 + 0.1 + 1.5)


def test_two_machines_of_azure():
    found = lines(usage(), PRICES, at(PRICES, "azure/Standard_D2s_v5"))
    # 1460 x 0.096 + 64 x 0.165 + 730 x 0.025 + 18 x 0.005 + 5 x (730/24)/30 + 3 x 2.99
    by_hand = 140.16 + 10.56 + 18.25 + 0.09 + 5 * 730 / 24 / 30 + 8.97
    assert total(found) == pytest.approx(by_hand)


def test_two_machines_of_google():
    found = lines(usage(), PRICES, at(PRICES, "gcp/e2-standard-2"))
    # 1460 x 0.067011 + 64 x 0.04 + 730 x 0.025 + 18 x 0.008 + 0.5 x 0.1 + 5 x 0.12
    assert total(found) == pytest.approx(97.83606 + 2.56 + 18.25 + 0.144 + 0.05 + 0.6)


def test_private_machines_pay_a_gateway():
    place = at(PRICES, "aws/c7g.large", private=True)
    found = monthly(lines(usage(), PRICES, place))
    assert found["NAT gateway"] == pytest.approx(32.85)  # 730 x 0.045
    assert found["NAT gateway, data"] == pytest.approx(0.135)  # 3 GB of logs x 0.045


def test_a_gateway_of_which_nothing_is_known_is_not_guessed():
    with pytest.raises(OfferUnknown, match="azure/nat/hour"):
        lines(usage(), PRICES, at(PRICES, "azure/Standard_D2s_v5", private=True))


def test_a_bill_needs_a_machine():
    with pytest.raises(OfferUnknown, match="none is named"):
        lines(usage(), PRICES, Place("aws"))


def test_why_a_machine_cannot_be():
    place = at(PRICES, "aws/c7g.large")
    assert refusal(usage(), place) == ""
    assert refusal(usage(memory_bytes=int(4.5 * 2**30)), place) == "RAM short by 0.5 GiB"
    assert refusal(usage(gpu=True), place) == "no GPU"
    assert refusal(usage(gpu=True), at(PRICES, "aws/g4dn.xlarge")) == ""
