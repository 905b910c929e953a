"""Vertex AI online prediction: the hours of nodes while a model is deployed; it never sleeps."""

from __future__ import annotations

from fairlead.costs.bill import Kind, Lines, Place, Usage, not_hosted, short_of, too_large
from fairlead.costs.parts import always, endpoints
from fairlead.costs.prices import Prices

MOST_BYTES, MOST_S = 10_000_000, 3600.0
"""Of a dedicated public endpoint, which Google recommends; a shared one takes 1.5 MB and 60 s."""


def refusal(usage: Usage, place: Place) -> str:
    """A machine that is not hosted or too small; 10 MB, an hour."""
    hosted = not_hosted(place, "vertex") or short_of(usage, place.booked)
    return hosted or too_large(usage, MOST_BYTES, MOST_S)


def lines(usage: Usage, prices: Prices, place: Place) -> Lines:
    """Hours of nodes, the registry, egress and logs."""
    return (*endpoints(usage, place), *always(usage, prices, place))


KINDS = (Kind("vertex", ("gcp",), "endpoint", refusal, lines, "vertex"),)
