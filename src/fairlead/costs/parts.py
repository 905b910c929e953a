"""The parts of a bill that most offers share: what a service pays beside its compute.

For small services they come to more than the compute does, so none of them is left out.
"""

from __future__ import annotations

import math

from fairlead.costs.bill import DAYS, GB, HOURS, Lines, Place, Usage, line, metered
from fairlead.costs.prices import Prices

DISK_GB = 32
"""A replica's disk grows by so much: the smallest that all clouds have, with room for a system."""
SYSTEM_GB = 16
"""Of it, what the system and what it writes take."""
CALLS_PER_LCU_HOUR = 25 * 3600
"""New connections that one capacity unit of AWS's balancer takes in an hour, one a call."""

CONTROL_PLANES = {
    "aws": ("eks", "control plane"),
    "azure": ("aks", "uptime SLA"),
    "gcp": ("gke", "cluster fee"),
}


def machines(usage: Usage, place: Place) -> Lines:
    """The hours of machines, as they are booked."""
    booked = place.booked
    return (line(f"machine {booked.name}", usage.instance_hours, "hour", booked.hourly),)


def endpoints(usage: Usage, place: Place) -> Lines:
    """The hours of machines that the provider runs as an endpoint; nothing where it does not."""
    booked = place.booked
    if booked.hosting is None:
        return ()
    return (line(f"endpoint {booked.name}", usage.instance_hours, "hour", booked.hosting),)


def balancer(usage: Usage, prices: Prices, place: Place) -> Lines:
    """What stands before several replicas, and what goes through it."""
    hours = metered("load balancer", HOURS, prices, place, "load-balancer", "hour")
    through = usage.calls * (usage.request_bytes + usage.answer_bytes) / GB
    if place.provider != "aws":
        return hours + metered(
            "load balancer, data", through, prices, place, "load-balancer", "data"
        )
    units = max(through, usage.calls / CALLS_PER_LCU_HOUR)
    return hours + metered(
        "load balancer, capacity", units, prices, place, "load-balancer", "capacity"
    )


def disks(usage: Usage, prices: Prices, place: Place, service: str = "disk") -> Lines:
    """A disk for each replica while it runs."""
    months = usage.instance_hours / HOURS
    return metered("disk", months * disk_gb(usage), prices, place, service, "storage")


def disk_gb(usage: Usage) -> int:
    """How large the disk of a replica is: the image and the system, in whole steps."""
    return DISK_GB * math.ceil((usage.image_bytes / GB + SYSTEM_GB) / DISK_GB)


def egress(usage: Usage, prices: Prices, place: Place) -> Lines:
    """Answers that leave for the internet; what comes in is free everywhere."""
    out = usage.calls * usage.answer_bytes / GB
    return metered("egress", out, prices, place, "egress", "internet")


def logs(usage: Usage, prices: Prices, place: Place) -> Lines:
    """What is written of each call to the provider's log service."""
    return metered("logs", usage.calls * usage.log_bytes / GB, prices, place, "logs", "ingest")


def registry(usage: Usage, prices: Prices, place: Place) -> Lines:
    """Where the image is kept, once."""
    kept = metered("image", usage.image_bytes / GB, prices, place, "registry", "storage")
    if place.provider != "azure":
        return kept
    return metered("registry", DAYS, prices, place, "registry", "day") + kept


def gateway(usage: Usage, prices: Prices, place: Place) -> Lines:
    """What machines without an address of their own reach out through; answers go past it.

    Priced for AWS; elsewhere OfferUnknown, since nothing is known of it.
    """
    if not place.private:
        return ()
    hours = metered("NAT gateway", HOURS, prices, place, "nat", "hour")
    written = usage.calls * usage.log_bytes / GB
    return hours + metered("NAT gateway, data", written, prices, place, "nat", "data")


def always(usage: Usage, prices: Prices, place: Place) -> Lines:
    """Image, egress and logs, which every offer of a cloud has."""
    return (
        *registry(usage, prices, place),
        *egress(usage, prices, place),
        *logs(usage, prices, place),
    )
