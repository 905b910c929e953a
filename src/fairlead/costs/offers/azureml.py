"""Azure ML managed online endpoints: the machine's own price, with the balancer in it."""

from __future__ import annotations

from fairlead.costs.bill import MIB, Kind, Lines, Place, Usage, not_hosted, short_of, too_large
from fairlead.costs.parts import always, endpoints
from fairlead.costs.prices import Prices

MOST_BYTES, MOST_S = 10 * MIB, 180.0


def refusal(usage: Usage, place: Place) -> str:
    """A machine that is not hosted or too small; 10 MB, 180 s."""
    hosted = not_hosted(place, "azureml") or short_of(usage, place.booked)
    return hosted or too_large(usage, MOST_BYTES, MOST_S)


def lines(usage: Usage, prices: Prices, place: Place) -> Lines:
    """Hours, the registry, egress and logs; disks and balancer are in the hours."""
    return (*endpoints(usage, place), *always(usage, prices, place))


KINDS = (Kind("azureml", ("azure",), "endpoint", refusal, lines, "azureml"),)
