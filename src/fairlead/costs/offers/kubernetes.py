"""Managed Kubernetes (EKS, AKS, GKE): the cluster's fee, nodes, a balancer, egress, logs.

Nodes are counted as if nothing else ran on them. What the system of a node takes of its memory is
not known here, so leave it room in the memory that is asked for.
"""

from __future__ import annotations

from fairlead.costs.bill import HOURS, Kind, Lines, Place, Usage, metered, short_of
from fairlead.costs.parts import CONTROL_PLANES, always, balancer, disks, gateway, machines
from fairlead.costs.prices import Prices


def refusal(usage: Usage, place: Place) -> str:
    """Too little memory, or no GPU where one is needed."""
    return short_of(usage, place.booked)


def lines(usage: Usage, prices: Prices, place: Place) -> Lines:
    """A balancer stands before one replica, too."""
    service, meter = CONTROL_PLANES[place.provider]
    return (
        *metered("cluster", HOURS, prices, place, service, meter),
        *machines(usage, place),
        *disks(usage, prices, place),
        *balancer(usage, prices, place),
        *gateway(usage, prices, place),
        *always(usage, prices, place),
    )


KINDS = (Kind("kubernetes", ("aws", "azure", "gcp"), "machine", refusal, lines),)
