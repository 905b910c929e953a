"""Virtual machines that the owner runs: hours, disks, a balancer before several, egress, logs."""

from __future__ import annotations

from fairlead.costs.bill import Kind, Lines, Place, Usage, short_of
from fairlead.costs.parts import always, balancer, disks, gateway, machines
from fairlead.costs.prices import Prices


def refusal(usage: Usage, place: Place) -> str:
    """Too little memory, or no GPU where one is needed."""
    return short_of(usage, place.booked)


def lines(usage: Usage, prices: Prices, place: Place) -> Lines:
    """One machine answers for itself; a balancer stands before several."""
    before = balancer(usage, prices, place) if place.replicas > 1 else ()
    return (
        *machines(usage, place),
        *disks(usage, prices, place),
        *before,
        *gateway(usage, prices, place),
        *always(usage, prices, place),
    )


KINDS = (Kind("vm", ("aws", "azure", "gcp"), "machine", refusal, lines),)
