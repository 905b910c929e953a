"""Every kind of offer, by its name."""

from __future__ import annotations

from difflib import get_close_matches

from fairlead.core.errors import OfferUnknown
from fairlead.costs.bill import Kind
from fairlead.costs.offers import (
    aws_lambda,
    azureml,
    cloudrun,
    containerapps,
    home,
    kubernetes,
    sagemaker,
    vertex,
    vm,
)

KINDS: dict[str, Kind] = {
    kind.name: kind
    for room in (
        *(vm, kubernetes, sagemaker, azureml, vertex),
        *(cloudrun, containerapps, aws_lambda, home),
    )
    for kind in room.KINDS
}


def kind_of(name: str) -> Kind:
    """The kind with a name, such as "cloudrun". Raises OfferUnknown with what is near."""
    if name in KINDS:
        return KINDS[name]
    near = get_close_matches(name, KINDS, 2, 0.5)
    raise OfferUnknown(
        f"there is no kind of offer {name[:60]!r}",
        where="kind",
        fix=f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(KINDS)}",
    )
