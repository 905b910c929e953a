"""Cloud Run, paid while requests are answered: instance time in steps of 100 ms.

Calls that one instance answers at once share its time, so concurrency divides it. A call's time is
rounded up before it is divided, though the vendor rounds the time of the instance: never too low.
"""

from __future__ import annotations

from fairlead.costs.bill import (
    GIB,
    MIB,
    Kind,
    Lines,
    Place,
    Usage,
    beyond,
    billed_s,
    metered,
    other_images,
    stepped,
    too_large,
)
from fairlead.costs.parts import always
from fairlead.costs.prices import Prices

MOST_BYTES, MOST_S = 32 * MIB, 3600.0
_STEP_S = 0.1
_SIZES = ((4, 1), (8, 2), (16, 4), (24, 6), (32, 8))
"""GiB of memory up to which so many vCPUs are enough for the vendor."""


def refusal(usage: Usage, place: Place) -> str:
    """No GPU that is priced here, no ARM; 32 GiB of memory, 32 MiB, an hour."""
    if usage.gpu:
        return "GPUs of Cloud Run have no price here that was checked"
    small = beyond(usage, _SIZES[-1][0])
    return small or other_images(place) or too_large(usage, MOST_BYTES, MOST_S)


def vcpus(usage: Usage) -> int:
    """The fewest vCPUs that come with the memory."""
    held = (cpus for gib, cpus in _SIZES if usage.memory_bytes <= gib * GIB)
    return next(held, _SIZES[-1][1])


def lines(usage: Usage, prices: Prices, place: Place) -> Lines:
    """Processor and memory for the time of instances, requests, registry, egress, logs."""
    seconds = usage.calls * billed_s(usage.service, _STEP_S) / max(1.0, usage.concurrency)
    seconds += usage.cold_starts * stepped(usage.load_s, _STEP_S)
    memory = seconds * usage.memory_bytes / GIB
    return (
        *metered("processor", seconds * vcpus(usage), prices, place, "cloud-run", "cpu"),
        *metered("memory", memory, prices, place, "cloud-run", "memory"),
        *metered("requests", usage.calls / 1e6, prices, place, "cloud-run", "requests"),
        *always(usage, prices, place),
    )


KINDS = (Kind("cloudrun", ("gcp",), "calls", refusal, lines),)
