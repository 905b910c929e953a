"""The bills of SageMaker's endpoints, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.costs.samples import at, monthly, service, usage

from fairlead.costs.bill import Place, total
from fairlead.costs.offers import sagemaker
from fairlead.costs.prices import packaged

PRICES = packaged()
AWS = Place("aws", "us-east-1")


def test_a_real_time_endpoint_of_two_machines():
    found = sagemaker.realtime_lines(usage(), PRICES, at(PRICES, "aws/m5.large"))
    assert monthly(found) == pytest.approx(
        {
            "endpoint m5.large": 167.9,  # 2 x 730 h x 0.115
            "disk": 8.96,  # 2 x 32 GB x 0.14
            "data in and out": 0.288,  # 18 GB x 0.016
            "image": 0.1,
            "egress": 0.54,
            "egress, free": -0.54,
            "logs": 1.5,
        }
    )
    assert total(found) == pytest.approx(178.748)


def test_an_asynchronous_endpoint_pays_the_hours_it_runs():
    month = usage(instance_hours=100.0, idle_hours=0.0)
    found = sagemaker.async_lines(month, PRICES, at(PRICES, "aws/m5.large"))
    # 100 h x 0.115, 100/730 of 32 GB x 0.14, 18 GB x 0.02, image 0.1, logs 1.5
    assert total(found) == pytest.approx(11.5 + 100 / 730 * 32 * 0.14 + 0.36 + 0.1 + 1.5)


def test_a_serverless_endpoint_pays_the_time_of_calls():
    found = sagemaker.serverless_lines(usage(), PRICES, AWS)
    # 10 million x 0.05 s at 2 GB x 0.00004, 18 GB x 0.016, image 0.1, logs 1.5
    assert total(found) == pytest.approx(20 + 0.288 + 0.1 + 1.5)


def test_a_cold_start_is_paid_too():
    warm = sagemaker.serverless_lines(usage(), PRICES, AWS)
    cold = sagemaker.serverless_lines(usage(cold_starts=1000.0, load_s=1.5), PRICES, AWS)
    assert total(cold) - total(warm) == pytest.approx(1000 * 1.5 * 0.00004)


@pytest.mark.parametrize(("mib", "gb"), [(100, 1), (1024, 1), (1025, 2), (6144, 6)])
def test_memory_comes_in_whole_gigabytes(mib, gb):
    assert sagemaker.serverless_gb(usage(memory_bytes=mib << 20)) == gb


def test_why_a_hosted_machine_cannot_be():
    hosted, bare = at(PRICES, "aws/m5.large"), at(PRICES, "aws/c7a.large")
    refusal = sagemaker.realtime_refusal
    assert refusal(usage(), hosted) == ""
    assert refusal(usage(), bare) == "no price of ml.c7a.large as an endpoint is known"
    assert "at most 6.0 MiB" in refusal(usage(request_bytes=7 << 20), hosted)
    slow = usage(service=service(1, 61.0))
    assert "at most 60 s" in refusal(slow, hosted)
    assert sagemaker.async_refusal(slow, hosted) == ""
    assert sagemaker.async_refusal(usage(request_bytes=7 << 20), hosted) == ""
    other = replace(hosted, machine=PRICES.machine("azure/Standard_D2s_v5"))
    assert "as an endpoint" in refusal(usage(), other)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({}, ""),
        ({"gpu": True}, "no GPU"),
        ({"memory_bytes": 7 << 30}, "RAM short by 1.0 GiB"),
        ({"image_bytes": 11 << 30}, "an image of 11.0 GiB"),
        ({"answer_bytes": 5 << 20}, "at most 4.0 MiB"),
        ({"service": service(1, 80.0)}, "at most 60 s"),
    ],
)
def test_why_a_serverless_endpoint_cannot_be(more, why):
    found = sagemaker.serverless_refusal(usage(**more), AWS)
    assert (why in found) if why else found == ""


def test_a_serverless_endpoint_answers_200_calls_at_once():
    assert "200 at most" in sagemaker.serverless_refusal(usage(), replace(AWS, replicas=201))
