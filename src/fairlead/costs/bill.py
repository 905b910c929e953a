"""A month's bill of one offer: what is used, the lines it makes, and what they come to.

Amounts are floats, as prices are (`prices.py`), and never rounded here: whoever shows one rounds
it. What a vendor rounds, such as the time of a call, is rounded before it is multiplied, in whole
nanoseconds. A month has 730 hours.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from fairlead.core.errors import OfferUnknown
from fairlead.costs.power import Power
from fairlead.costs.priced import Confidence, Machine, Price
from fairlead.costs.prices import Prices
from fairlead.costs.profile import Service

HOURS = 730.0
DAYS = HOURS / 24
GB = 10**9
MIB = 1 << 20
GIB = 1 << 30
_NS = 10**9
WHOLE_VCPU_MIB = 1769
"""The memory with which a function of AWS has a whole vCPU."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a month asks for.

    calls:          in the month. request_bytes, answer_bytes, log_bytes: of each.
    image_bytes:    what a replica must hold on disk: the container with the package.
    memory_bytes:   what one replica needs, with whatever margin its asker wants.
    service:        how long a call is executed, on what it is executed on.
    instance_hours: machine-hours in which replicas run: 730 for one that always does.
    idle_hours:     those of them that would be paid for with no calls at all: 730 times the least
                    number of replicas; 0 where it scales to zero.
    busy_hours:     those in which replicas execute.
    concurrency:    calls that a replica executes at once while it executes any, as a mean.
    cold_starts:    how often a replica starts in the month. load_s: seconds until it can answer.
    gpu:            whether it needs one.
    """

    calls: float
    request_bytes: int
    answer_bytes: int
    log_bytes: int
    image_bytes: int
    memory_bytes: int
    service: Service
    instance_hours: float
    idle_hours: float = 0.0
    busy_hours: float = 0.0
    concurrency: float = 1.0
    cold_starts: float = 0.0
    load_s: float = 0.0
    gpu: bool = False

    @property
    def longest_s(self) -> float:
        """The longest execution that was measured."""
        return self.service.quantiles[-1]

    @property
    def largest_bytes(self) -> int:
        """Of request and answer, the larger."""
        return max(self.request_bytes, self.answer_bytes)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an offer would run.

    region:   "" for the machine's, or the one whose prices are known.
    replicas: the most that run at once; with more than one a balancer stands before them.
    private:  whether machines have no address of their own, and reach out through a gateway.
    arch:     of what is paid per call: "x86_64" or "arm64".
    power, country, tariff_usd: of a machine of one's own; the tariff is per kWh.
    """

    provider: str
    region: str = ""
    machine: Machine | None = None
    replicas: int = 1
    private: bool = False
    arch: str = "x86_64"
    power: Power | None = None
    country: str = ""
    tariff_usd: float | None = None

    @property
    def where(self) -> str:
        """The region whose prices count."""
        return self.region or (self.machine.region if self.machine else "")

    @property
    def booked(self) -> Machine:
        """The machine. Raises OfferUnknown where none is named."""
        if self.machine is None:
            what = "this offer books a machine, and none is named"
            raise OfferUnknown(what, where=self.provider, fix="Name one, such as aws/c7g.large")
        return self.machine


class Line(NamedTuple):
    """One line of a bill. usd: of a unit. monthly: quantity x usd; negative for what is free."""

    what: str
    quantity: float
    unit: str
    usd: float
    monthly: float
    source: str
    date: str
    confidence: Confidence


Lines = tuple[Line, ...]


class Kind(NamedTuple):
    """A kind of offer: one entry of a file of `costs/offers/`.

    books:   what of the table it takes: a machine; a machine that is hosted as an endpoint; calls;
             or nothing, for a machine of one's own.
    service: of hosted machines, their `hosting_service`.
    refusal: why it cannot be, in words; "" where it can.
    lines:   the bill.
    promises: answers come back within a time; not through a store of objects.
    stays:   of what is paid by the call: what waits for the next call is paid, too.
    least_bytes: likewise, the memory from which on it is as fast as a whole vCPU.
    """

    name: str
    providers: tuple[str, ...]
    books: Literal["machine", "endpoint", "calls", "own"]
    refusal: Callable[[Usage, Place], str]
    lines: Callable[[Usage, Prices, Place], Lines]
    service: str = ""
    promises: bool = True
    stays: bool = False
    least_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Offer:
    """What a month costs somewhere. idle_per_day: what a day costs on which nobody calls."""

    kind: str
    provider: str
    region: str
    machine: str
    replicas: int
    calls: float
    lines: Lines
    idle_per_day: float

    @property
    def monthly(self) -> float:
        """US dollars: the sum of the lines."""
        return total(self.lines)

    @property
    def per_million(self) -> float | None:
        """US dollars for a million calls; None without calls."""
        return self.monthly / self.calls * 1e6 if self.calls > 0 else None

    @property
    def oldest(self) -> str:
        """The date of the oldest price that counts in it, as YYYY-MM-DD; "" for none."""
        return min((line.date for line in self.lines if line.date and line.monthly), default="")

    def to_json(self) -> dict[str, Any]:
        """For machines, in full precision."""
        return {
            "kind": self.kind,
            "provider": self.provider,
            "region": self.region,
            "machine": self.machine,
            "replicas": self.replicas,
            "monthly": self.monthly,
            "per_million": self.per_million,
            "idle_per_day": self.idle_per_day,
            "oldest": self.oldest,
            "lines": [line._asdict() for line in self.lines],
        }


def offer(kind: Kind, usage: Usage, prices: Prices, place: Place) -> Offer:
    """The bill of a kind at a place. Raises OfferUnknown for what has no price."""
    return Offer(
        kind=kind.name,
        provider=place.provider,
        region=place.where,
        machine=place.machine.name if place.machine else "",
        replicas=place.replicas,
        calls=usage.calls,
        lines=kind.lines(usage, prices, place),
        idle_per_day=total(kind.lines(quiet(usage), prices, place)) / DAYS,
    )


def quiet(usage: Usage) -> Usage:
    """The same with no calls in the month."""
    return replace(
        usage, calls=0.0, instance_hours=usage.idle_hours, busy_hours=0.0, cold_starts=0.0
    )


def total(lines: Lines) -> float:
    """The sum, as exactly as floats have it."""
    return math.fsum(line.monthly for line in lines)


def line(what: str, quantity: float, unit: str, price: Price) -> Line:
    """So many units at a price."""
    return Line(what, quantity, unit, price.usd, quantity * price.usd, *price[1:])


def metered(
    what: str, quantity: float, prices: Prices, place: Place, service: str, meter: str
) -> Lines:
    """So many units of a meter, tier by tier, and what of them is free as a line below zero.

    Nothing for no units. Raises OfferUnknown for a meter that is not known.
    """
    tiers = prices.tiers(place.provider, service, meter, place.where)
    if quantity <= 0:
        return ()
    lines: list[Line] = []
    ends = [*(tier.above for tier in tiers[1:]), math.inf]
    for tier, end in zip(tiers, ends, strict=True):
        amount = min(quantity, end) - tier.above
        if amount > 0:
            lines.append(line(what, amount, tier.unit, tier.price))
    first = tiers[0]
    if first.free:
        free = min(first.free, lines[0].quantity)
        lines.insert(1, line(f"{what}, free", -free, first.unit, first.price))
    return tuple(lines)


def billed_s(service: Service, step_s: float, least_s: float = 0.0) -> float:
    """The mean time that is billed for a call, each rounded up to a step, and to a least time.

    It is rounded for every part of the distribution, not for the mean: half of the calls at 10 ms
    and half at 110 ms are billed 150 ms a call where the step is 100 ms, not 100.
    """
    billed = [stepped(each, step_s, least_s) for each in service.quantiles]
    return replace(service, quantiles=tuple(billed)).mean_s


def stepped(seconds: float, step_s: float, least_s: float = 0.0) -> float:
    """Rounded up to a step, in whole nanoseconds, so that 0.3 s is three steps of 0.1 s."""
    step = round(step_s * _NS)
    steps = -(-math.ceil(round(seconds * _NS, 3)) // step)
    return max(steps * step, round(least_s * _NS)) / _NS


def short_of(usage: Usage, machine: Machine) -> str:
    """Why a machine does not hold the model; "" where it does."""
    short = usage.memory_bytes / GIB - machine.memory_gib
    if short > 0:
        return f"RAM short by {short:.1f} GiB"
    return "no GPU" if usage.gpu and not machine.gpu else ""


def other_images(place: Place) -> str:
    """Why an image for ARM cannot be, where only those of x86_64 are taken."""
    return "" if place.arch == "x86_64" else f"images for {place.arch} are not taken"


def beyond(usage: Usage, most_gib: float) -> str:
    """By how much the model needs more memory than is sold; "" where it does not."""
    short = usage.memory_bytes / GIB - most_gib
    return f"RAM short by {short:.1f} GiB: {most_gib:g} at most" if short > 0 else ""


def not_hosted(place: Place, service: str, name: str = "") -> str:
    """Why a machine is no endpoint of a service; "" where it is one. name: it has there."""
    machine = place.booked
    if machine.hosting is None or machine.hosting_service != service:
        return f"no price of {name or machine.name} as an endpoint is known"
    return ""


def too_large(usage: Usage, most_bytes: float, most_s: float) -> str:
    """Why calls are too large or too long for an offer; "" where they are not."""
    if usage.largest_bytes > most_bytes:
        told, most = usage.largest_bytes / MIB, most_bytes / MIB
        return f"a payload of {told:.1f} MiB, and at most {most:.1f} MiB are taken"
    if usage.longest_s > most_s:
        return f"a call of {usage.longest_s:.3g} s, and at most {most_s:g} s are waited"
    return ""
