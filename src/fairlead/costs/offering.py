"""Every kind of offer, by its name."""

from __future__ import annotations

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
