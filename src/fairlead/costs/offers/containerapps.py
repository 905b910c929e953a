"""Azure Container Apps, consumption plan: the seconds of replicas, by processor and memory.

A replica that works, starts, or waits above the least number of them pays the active rate; one of
the least number that waits pays the idle rate of its processor.
"""

from __future__ import annotations

import math

from fairlead.costs.bill import (
    GIB,
    Kind,
    Lines,
    Place,
    Usage,
    beyond,
    metered,
    other_images,
    too_large,
)
from fairlead.costs.parts import always
from fairlead.costs.prices import Prices

MOST_S = 240.0
MOST_GIB = 8
_GIB_PER_VCPU = 2
_HOUR_S = 3600.0


def refusal(usage: Usage, place: Place) -> str:
    """No GPU, no ARM; 8 GiB of memory, 240 s."""
    if usage.gpu:
        return "no GPU in the consumption plan"
    small = beyond(usage, MOST_GIB)
    return small or other_images(place) or too_large(usage, math.inf, MOST_S)


def vcpus(usage: Usage) -> int:
    """Processor and memory are sold together: 2 GiB for each vCPU."""
    return max(1, math.ceil(usage.memory_bytes / (_GIB_PER_VCPU * GIB)))


def lines(usage: Usage, prices: Prices, place: Place) -> Lines:
    """Seconds of replicas, requests, registry, egress, logs.

    Where no hours of replicas are given, only the time of calls and starts is counted.
    """
    cpus = vcpus(usage)
    working = usage.calls * usage.service.mean_s / max(1.0, usage.concurrency)
    working += usage.cold_starts * usage.load_s
    waiting = max(0.0, usage.instance_hours * _HOUR_S - working)
    idle = min(waiting, usage.idle_hours * _HOUR_S)
    active, service = working + waiting - idle, "container-apps"
    memory = (active + idle) * cpus * _GIB_PER_VCPU
    return (
        *metered("processor", active * cpus, prices, place, service, "cpu"),
        *metered("processor, idle", idle * cpus, prices, place, service, "cpu idle"),
        *metered("memory", memory, prices, place, service, "memory"),
        *metered("requests", usage.calls / 1e6, prices, place, service, "requests"),
        *always(usage, prices, place),
    )


KINDS = (Kind("containerapps", ("azure",), "calls", refusal, lines, stays=True),)
