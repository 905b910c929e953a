"""The words of a price table: a price, a machine, a meter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

Confidence = Literal["high", "medium", "low", "derived"]
CONFIDENCES: tuple[Confidence, ...] = get_args(Confidence)
"""How far a price is to be trusted: read at the provider; quoted by others; from one unverified
source or from memory; or reckoned from another price by a rule."""


def least_sure(*each: Confidence) -> Confidence:
    """The least sure of several: what is reckoned from all of them is no surer."""
    return CONFIDENCES[max(map(CONFIDENCES.index, each))]


PROVIDERS = ("aws", "azure", "gcp", "modal", "replicate", "tokens")


class Price(NamedTuple):
    """US dollars for a unit. date: the day for which the source gives it, as YYYY-MM-DD."""

    usd: float
    source: str
    date: str
    confidence: Confidence


@dataclass(frozen=True, slots=True)
class Machine:
    """One thing that can be booked: a whole machine, its GPU included.

    family: as the vendor names it. arch: "x86_64" or "arm64". gpu: "" without one; gpu_count may
    be a fraction where a machine has a share. hourly: on demand, or what was negotiated; of Linux.
    hosting: the hour of it as an endpoint that the provider runs, under `hosting_service`
    ("sagemaker", "azureml", "vertex"); None where it is not offered so, or nobody looked.
    """

    provider: str
    region: str
    name: str
    family: str
    arch: str
    vcpu: float
    memory_gib: float
    gpu: str
    gpu_count: float
    gpu_memory_gib: float
    hourly: Price
    spot: Price | None = None
    hosting: Price | None = None
    hosting_service: str = ""
    note: str = ""

    @property
    def title(self) -> str:
        """As it is named on a command line: `aws/c7g.large`."""
        return f"{self.provider}/{self.name}"


@dataclass(frozen=True, slots=True)
class Meter:
    """A service that is paid by what is used of it.

    unit: what the price is for, such as "GB" (10^9 bytes), "million requests", "GiB-second".
    free: units of a month that cost nothing. above: units of a month from which this price holds.
    """

    provider: str
    service: str
    region: str
    name: str
    unit: str
    price: Price
    free: float = 0.0
    above: float = 0.0
    note: str = ""


def meter_key(meter: Meter) -> tuple[str, str, str, str, float]:
    """What no two meters of a table share."""
    return meter.provider, meter.service, meter.region, meter.name, meter.above
