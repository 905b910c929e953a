"""The bill of AWS Lambda, by hand."""

from __future__ import annotations

import pytest
from tests.costs.samples import monthly, service, usage

from fairlead.costs.bill import Place
from fairlead.costs.offers.aws_lambda import lines, memory_mib, refusal
from fairlead.costs.prices import packaged

PRICES = packaged()
ARM = Place("aws", "us-east-1", arch="arm64")


def test_functions_on_arm():
    found = monthly(lines(usage(), PRICES, ARM))
    assert found == pytest.approx(
        {
            "calls at 2048 MB": 13.3334,  # 10 million x 0.05 s x 2 GB x 0.0000133334
            "calls at 2048 MB, free": -5.33336,  # 400,000 GB-s
            "requests": 2.0,
            "requests, free": -0.2,
            "image": 0.1,
            "egress": 0.54,
            "egress, free": -0.54,
            "logs": 1.5,
        }
    )
    assert sum(found.values()) == pytest.approx(11.40004)


def test_functions_on_x86_cost_a_quarter_more():
    found = monthly(lines(usage(), PRICES, Place("aws", "us-east-1")))
    assert found["calls at 2048 MB"] == pytest.approx(16.6667)  # 1 million GB-s x 0.0000166667


def test_the_time_of_each_call_is_rounded_up_to_a_millisecond():
    # Evenly from 40 to 60 ms in 101 quantiles 0.2 ms apart: between two milliseconds lie four that
    # are rounded up, by 0.8 + 0.6 + 0.4 + 0.2 ms, which is 0.4 ms for each of the five: 50.4 ms.
    spread = usage(service=service(1, 0.05, spread=0.2))
    found = monthly(lines(spread, PRICES, ARM))
    assert found["calls at 2048 MB"] == pytest.approx(13.3334 * 50.4 / 50)


def test_a_cold_start_is_paid_too():
    found = monthly(lines(usage(cold_starts=1000.0, load_s=1.5), PRICES, ARM))
    # (500,000 + 1,500) s x 2 GB x 0.0000133334
    assert found["calls at 2048 MB"] == pytest.approx(501_500 * 2 * 0.0000133334)


@pytest.mark.parametrize(("mib", "size"), [(200, 1769), (1769, 1769), (3000, 3000), (20000, 10240)])
def test_a_whole_processor_is_booked_at_least(mib, size):
    assert memory_mib(usage(memory_bytes=mib << 20)) == size


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({}, ""),
        ({"gpu": True}, "no GPU"),
        ({"memory_bytes": 11 << 30}, "RAM short by 1.0 GiB"),
        ({"image_bytes": 11 << 30}, "an image of 11.0 GiB"),
        ({"request_bytes": 7 << 20}, "at most 6.0 MiB"),
        ({"service": service(1, 1000.0)}, "at most 900 s"),
    ],
)
def test_why_it_cannot_be(more, why):
    found = refusal(usage(**more), ARM)
    assert (why in found) if why else found == ""
