"""The bill of managed Kubernetes, by hand."""

from __future__ import annotations

import pytest
from tests.costs.samples import at, usage

from fairlead.costs.bill import total
from fairlead.costs.offers import vm
from fairlead.costs.offers.kubernetes import lines, refusal
from fairlead.costs.prices import packaged

PRICES = packaged()


def test_a_cluster_of_google():
    found = lines(usage(), PRICES, at(PRICES, "gcp/e2-standard-2"))
    # 730 x 0.1, then as two machines: 1460 x 0.067011 + 64 x 0.04 + 730 x 0.025 + 18 x 0.008
    # + 0.5 GB of image that is not free x 0.1 + 5 GB out that are not free x 0.12
    by_hand = 73 + 97.83606 + 2.56 + 18.25 + 0.144 + 0.05 + 0.6
    assert total(found) == pytest.approx(by_hand)


@pytest.mark.parametrize("title", ["aws/m5.large", "azure/Standard_D2s_v5", "gcp/e2-standard-2"])
def test_a_cluster_costs_its_fee_and_a_balancer_more_than_its_machines(title):
    one = at(PRICES, title, replicas=1)
    cluster, machine = lines(usage(), PRICES, one), vm.lines(usage(), PRICES, one)
    balancer = sum(line.monthly for line in cluster if line.what.startswith("load balancer"))
    assert balancer > 16
    assert total(cluster) == pytest.approx(total(machine) + 73 + balancer)


def test_why_a_node_cannot_be():
    place = at(PRICES, "gcp/e2-small")
    assert refusal(usage(), place) == ""
    assert refusal(usage(memory_bytes=3 << 30), place) == "RAM short by 1.0 GiB"
