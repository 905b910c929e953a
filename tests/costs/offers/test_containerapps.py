"""The bill of Azure Container Apps, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.costs.samples import monthly, service, usage

from fairlead.costs.bill import Place
from fairlead.costs.offers.containerapps import lines, refusal, vcpus
from fairlead.costs.prices import packaged

PRICES = packaged()
HERE = Place("azure", "eastus")


def test_calls_alone():
    found = monthly(lines(usage(instance_hours=0.0, idle_hours=0.0), PRICES, HERE))
    assert found == pytest.approx(
        {
            "processor": 12.0,  # 10 million x 0.05 s x 1 vCPU x 0.000024
            "processor, free": -4.32,  # 180,000 s
            "memory": 3.0,  # 500,000 s x 2 GiB x 0.000003
            "memory, free": -1.08,  # 360,000 GiB-s
            "requests": 4.0,
            "requests, free": -0.8,
            "registry": 5 * (730 / 24) / 30,
            "image": 0.1,
            "image, free": -0.1,
            "egress": 0.522,  # 6 GB x 0.087
            "egress, free": -0.522,
            "logs": 8.97,
        }
    )
    assert sum(found.values()) == pytest.approx(26.8394444)


def test_a_replica_that_waits_is_idle_up_to_the_least_number_and_active_above_it():
    # 1,460 h of replicas are 5,256,000 s, of which 500,000 work. 730 h (2,628,000 s) may be idle.
    found = monthly(lines(usage(idle_hours=730.0), PRICES, HERE))
    assert found["processor, idle"] == pytest.approx(2_628_000 * 0.000003)
    assert found["processor"] == pytest.approx((5_256_000 - 2_628_000) * 0.000024)
    assert found["memory"] == pytest.approx(5_256_000 * 2 * 0.000003)


@pytest.mark.parametrize(("gib", "cpus"), [(0.5, 1), (2, 1), (2.5, 2), (8, 4)])
def test_memory_and_processors_are_sold_together(gib, cpus):
    assert vcpus(usage(memory_bytes=int(gib * 2**30))) == cpus


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({}, ""),
        ({"gpu": True}, "no GPU"),
        ({"memory_bytes": 9 << 30}, "RAM short by 1.0 GiB"),
        ({"service": service(1, 250.0)}, "at most 240 s"),
    ],
)
def test_why_it_cannot_be(more, why):
    found = refusal(usage(**more), HERE)
    assert (why in found) if why else found == ""


def test_an_image_for_arm_is_not_taken():
    assert refusal(usage(), replace(HERE, arch="arm64")) == "images for arm64 are not taken"
