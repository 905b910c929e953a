"""AWS Lambda behind a function's own address: time in steps of 1 ms, by memory; requests.

The processor grows with the memory, one vCPU at 1,769 MB. Below that a call takes longer in
proportion, so that the bill is the same: it is made out at 1,769 MB at least, where measured times
hold. The time of a cold start is billed, too.
"""

from __future__ import annotations

import math

from fairlead.costs.bill import (
    GIB,
    MIB,
    WHOLE_VCPU_MIB,
    Kind,
    Lines,
    Place,
    Usage,
    beyond,
    billed_s,
    metered,
    stepped,
    too_large,
)
from fairlead.costs.parts import always
from fairlead.costs.prices import Prices

MOST_BYTES, MOST_S = 6 * MIB, 900.0
MOST_MIB = 10240
MOST_IMAGE = 10 * GIB
_STEP_S = 0.001


def refusal(usage: Usage, place: Place) -> str:
    """No GPU; 10,240 MB of memory, 6 MB of payload, 15 minutes, an image of 10 GB."""
    if usage.gpu:
        return "no GPU in functions"
    if small := beyond(usage, MOST_MIB / 1024):
        return small
    if usage.image_bytes > MOST_IMAGE:
        return f"an image of {usage.image_bytes / GIB:.1f} GiB: 10 at most"
    return too_large(usage, MOST_BYTES, MOST_S)


def memory_mib(usage: Usage) -> int:
    """What is booked: enough for the model, and for a whole vCPU."""
    return min(MOST_MIB, max(WHOLE_VCPU_MIB, math.ceil(usage.memory_bytes / MIB)))


def lines(usage: Usage, prices: Prices, place: Place) -> Lines:
    """Time by memory, requests, registry, egress, logs."""
    size = memory_mib(usage)
    seconds = usage.calls * billed_s(usage.service, _STEP_S)
    seconds += usage.cold_starts * stepped(usage.load_s, _STEP_S)
    meter, used = f"duration {place.arch}", seconds * size / 1024
    return (
        *metered(f"calls at {size} MB", used, prices, place, "lambda", meter),
        *metered("requests", usage.calls / 1e6, prices, place, "lambda", "requests"),
        *always(usage, prices, place),
    )


KINDS = (Kind("lambda", ("aws",), "calls", refusal, lines),)
