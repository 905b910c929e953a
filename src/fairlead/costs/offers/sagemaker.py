"""SageMaker endpoints: real-time, serverless and asynchronous.

Real-time and asynchronous ones pay the hours of hosted machines; an asynchronous one may scale to
zero. A serverless one pays the time of calls by the memory it has. What objects in S3 cost, through
which asynchronous calls go, is not in the table and not counted.
"""

from __future__ import annotations

import math

from fairlead.costs.bill import (
    GB,
    GIB,
    HOURS,
    MIB,
    WHOLE_VCPU_MIB,
    Kind,
    Lines,
    Place,
    Usage,
    beyond,
    billed_s,
    metered,
    not_hosted,
    short_of,
    stepped,
    too_large,
)
from fairlead.costs.parts import always, disk_gb, endpoints
from fairlead.costs.prices import Prices

REALTIME_BYTES, REALTIME_S = 6_291_456, 60.0
"""A body that an endpoint takes (botocore's model of the service), and how long it waits."""
SERVERLESS_BYTES, SERVERLESS_S = 4 * MIB, 60.0
SERVERLESS_GIB = 6
SERVERLESS_CALLS = 200
SERVERLESS_IMAGE = 10 * GIB
ASYNC_BYTES, ASYNC_S = GIB, 3600.0
_STEP_S = 0.001


def _hosted(usage: Usage, place: Place) -> str:
    machine = place.booked
    return not_hosted(place, "sagemaker", f"ml.{machine.name}") or short_of(usage, machine)


def realtime_refusal(usage: Usage, place: Place) -> str:
    """A machine that is not hosted or too small; 6 MB, 60 s."""
    return _hosted(usage, place) or too_large(usage, REALTIME_BYTES, REALTIME_S)


def realtime_lines(usage: Usage, prices: Prices, place: Place) -> Lines:
    """Hosted hours, their disks, and what goes in and out."""
    return (*_hours(usage, prices, place), *_data(usage, prices, place, "sagemaker"))


def async_refusal(usage: Usage, place: Place) -> str:
    """A machine that is not hosted or too small; 1 GB, an hour."""
    return _hosted(usage, place) or too_large(usage, ASYNC_BYTES, ASYNC_S)


def async_lines(usage: Usage, prices: Prices, place: Place) -> Lines:
    """As real-time, at another rate for data."""
    return (*_hours(usage, prices, place), *_data(usage, prices, place, "sagemaker-async"))


def serverless_refusal(usage: Usage, place: Place) -> str:
    """No GPU; 6 GB of memory, 4 MB, 60 s, an image of 10 GB, 200 calls at once."""
    if usage.gpu:
        return "no GPU in serverless endpoints"
    if small := beyond(usage, SERVERLESS_GIB):
        return small
    if usage.image_bytes > SERVERLESS_IMAGE:
        return f"an image of {usage.image_bytes / GIB:.1f} GiB: 10 at most"
    if place.replicas > SERVERLESS_CALLS:
        return f"{place.replicas} calls at once: {SERVERLESS_CALLS} at most"
    return too_large(usage, SERVERLESS_BYTES, SERVERLESS_S)


def serverless_gb(usage: Usage) -> int:
    """The smallest memory that is sold and holds the model: 1 to 6 GB."""
    return max(1, math.ceil(usage.memory_bytes / GIB))


def serverless_lines(usage: Usage, prices: Prices, place: Place) -> Lines:
    """The time of calls and of cold starts in steps of 1 ms, at the rate of the memory."""
    size = serverless_gb(usage)
    seconds = usage.calls * billed_s(usage.service, _STEP_S)
    seconds += usage.cold_starts * stepped(usage.load_s, _STEP_S)
    service, meter = "sagemaker-serverless", f"duration {size} GB"
    return (
        *metered(f"calls at {size} GB", seconds, prices, place, service, meter),
        *_data(usage, prices, place, service),
    )


def _hours(usage: Usage, prices: Prices, place: Place) -> Lines:
    months = usage.instance_hours / HOURS
    stored = metered("disk", months * disk_gb(usage), prices, place, "sagemaker", "storage")
    return (*endpoints(usage, place), *stored)


def _data(usage: Usage, prices: Prices, place: Place, service: str) -> Lines:
    through = usage.calls * (usage.request_bytes + usage.answer_bytes) / GB
    return (
        *metered("data in and out", through, prices, place, service, "data"),
        *always(usage, prices, place),
    )


KINDS = (
    Kind("sagemaker-realtime", ("aws",), "endpoint", realtime_refusal, realtime_lines, "sagemaker"),
    Kind(
        "sagemaker-async",
        ("aws",),
        "endpoint",
        async_refusal,
        async_lines,
        "sagemaker",
        promises=False,
    ),
    Kind(
        "sagemaker-serverless",
        ("aws",),
        "calls",
        serverless_refusal,
        serverless_lines,
        least_bytes=WHOLE_VCPU_MIB * MIB,
    ),
)
