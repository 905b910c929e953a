"""The bill of Cloud Run, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.costs.samples import monthly, service, usage

from fairlead.costs.bill import Place, total
from fairlead.costs.offers.cloudrun import lines, refusal, vcpus
from fairlead.costs.prices import packaged

PRICES = packaged()
HERE = Place("gcp", "us-central1")


def test_calls_one_at_a_time_are_paid_in_steps_of_100_ms():
    found = monthly(lines(usage(), PRICES, HERE))
    assert found == pytest.approx(
        {
            "processor": 24.0,  # 10 million x 0.1 s x 1 vCPU x 0.000024
            "processor, free": -4.32,  # 180,000 s
            "memory": 5.0,  # 1 million s x 2 GiB x 0.0000025
            "memory, free": -0.9,  # 360,000 GiB-s
            "requests": 4.0,
            "requests, free": -0.8,
            "image": 0.1,
            "image, free": -0.05,
            "egress": 0.72,
            "egress, free": -0.12,
            "logs": 1.5,
            "logs, free": -1.5,
        }
    )
    assert sum(found.values()) == pytest.approx(27.63)


def test_calls_at_once_share_the_time_of_an_instance():
    one = monthly(lines(usage(), PRICES, HERE))
    eight = monthly(lines(usage(concurrency=8.0), PRICES, HERE))
    assert eight["processor"] == pytest.approx(one["processor"] / 8)
    assert eight["requests"] == one["requests"]


def test_a_start_is_paid_in_steps_too():
    warm, cold = (
        lines(usage(**more), PRICES, HERE) for more in ({}, {"cold_starts": 1000.0, "load_s": 1.51})
    )
    # 1,000 x 1.6 s x (0.000024 + 2 x 0.0000025)
    assert total(cold) - total(warm) == pytest.approx(1600 * 0.000029)


@pytest.mark.parametrize(("gib", "cpus"), [(0.5, 1), (4, 1), (5, 2), (8, 2), (16, 4), (32, 8)])
def test_memory_brings_processors_with_it(gib, cpus):
    assert vcpus(usage(memory_bytes=int(gib * 2**30))) == cpus


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({}, ""),
        ({"gpu": True}, "GPUs of Cloud Run"),
        ({"memory_bytes": 33 << 30}, "RAM short by 1.0 GiB"),
        ({"request_bytes": 33 << 20}, "at most 32.0 MiB"),
        ({"service": service(1, 3700.0)}, "at most 3600 s"),
    ],
)
def test_why_it_cannot_be(more, why):
    found = refusal(usage(**more), HERE)
    assert (why in found) if why else found == ""


def test_an_image_for_arm_is_not_taken():
    assert refusal(usage(), replace(HERE, arch="arm64")) == "images for arm64 are not taken"
