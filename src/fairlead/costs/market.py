"""Every way to serve a model, each with its bill: machines, endpoints, what is paid by the call,
and a machine of one's own; whether it reaches the goal, and why not.

Nothing here is asked of a network. Machines are looked at from the cheapest on, by what they would
cost at the least, until so many of each kind reach the goal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import exp, inf
from typing import Any

from fairlead.core.errors import OfferUnknown, PowerUnknown
from fairlead.costs.arrivals import cold_share
from fairlead.costs.bill import GIB, HOURS, MIB, Kind, Offer, Place, Usage, offer
from fairlead.costs.capacity import Goal
from fairlead.costs.offering import KINDS
from fairlead.costs.power import Power
from fairlead.costs.priced import Machine
from fairlead.costs.prices import Prices
from fairlead.costs.profile import Profile, Service
from fairlead.costs.simulation import USUAL, Bounds, Seconds
from fairlead.costs.sizing import Sized, Sizing, alone_s, need_bytes
from fairlead.costs.speeds import BAND, BAND_MEASURED, Speed, at_its_slowest, speed_of
from fairlead.costs.traffic import Traffic

LOCAL = "local"
ASYNC_S = 60.0
"""A goal above which it does not matter that answers come through S3."""
PLACES = ("aws", "azure", "gcp", LOCAL)
ENOUGH, MOST_LOOKED_AT = 1, 8
"""Machines of a kind and provider that reach the goal before the search ends, and in all."""
KEPT_S, START_S = 600.0, 3.0
"""What is paid by the call is taken to keep an instance for so long for the next one, and to start
one in so long beside loading. No provider promises either."""
_MANY = 1e8
"""Calls of a month that are beyond all that is free."""
_BUSY, _MOST_TOGETHER, _SHORTEST_S = 0.7, 80.0, 0.1
IMAGE_BYTES = 500 * MIB
"""Of a container beside the package: Python, Fairlead and a runtime, unpacked."""
LOG_BYTES = 4
"""Of a call, on average: of calls that went well one in a hundred has a line."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of the market.

    on:      providers and kinds, such as "aws", "cloudrun", "local"; all where none is named.
    regions: by provider. elastic: machines come and go by the hour. log_bytes: of a call.
    power, country, tariff: of a machine of one's own. bounds: of a server, as its settings say.
    """

    on: tuple[str, ...] = ()
    regions: tuple[tuple[str, str], ...] = ()
    elastic: bool = False
    log_bytes: float = LOG_BYTES
    power: Power | None = None
    country: str = ""
    tariff: float | None = None
    bounds: Bounds = USUAL

    def region(self, provider: str) -> str:
        """Where, of a provider; "" for anywhere that has prices."""
        return dict(self.regions).get(provider, "")


@dataclass(frozen=True, slots=True)
class Option:
    """One way. why: what is against it; "" where it reaches the goal. p99_s: of a call, None where
    nobody can say. low, high: the bill where machines are as fast, and as slow, as their band.

    What cannot be at all has no bill: the offer is without lines. carried_per_s: calls that it
    bears, on average.
    """

    offer: Offer
    why: str
    p99_s: float | None
    speed: str
    band: float
    low: float
    high: float
    usage: Usage
    place: Place
    carried_per_s: float = inf

    @property
    def meets(self) -> bool:
        """Whether it reaches the goal."""
        return not self.why

    @property
    def title(self) -> str:
        """As people call it: "vm aws/c7g.large x2"."""
        offer = self.offer
        machine = f"{offer.provider}/{offer.machine}" if offer.machine else offer.provider
        return f"{offer.kind} {machine}" + (f" x{offer.replicas}" if offer.replicas > 1 else "")

    def to_json(self) -> dict[str, Any]:
        """For machines."""
        bill = self.offer.to_json()
        if not self.offer.lines:
            bill |= {"monthly": None, "per_million": None, "idle_per_day": None}
        return bill | {
            "title": self.title, "meets": self.meets, "why": self.why, "p99_s": self.p99_s,
            "speed": self.speed, "band": self.band, "low": self.low, "high": self.high,
        }  # fmt: skip


class Market:
    """For one profile, one traffic and one goal.

    measured: profiles that were taken on machines of the table.
    """

    def __init__(
        self,
        profile: Profile,
        traffic: Traffic,
        goal: Goal,
        prices: Prices,
        wish: Wish | None = None,
        measured: Sequence[Profile] = (),
        seed: int = 1,
    ) -> None:
        self.profile = profile
        # How slow the machine of the profile was at times says nothing of another one.
        self._elsewhere = replace(profile, unsteady=1.0)
        self.traffic = traffic
        self.goal = goal
        self.prices = prices
        self.wish = wish or Wish()
        self._measured = tuple(measured)
        self._sizing = Sizing(traffic, goal, seed, self.wish.bounds)
        self._check()

    def _check(self) -> None:
        known = {*PLACES, *KINDS}
        for name in self.wish.on:
            if name not in known:
                raise OfferUnknown(
                    f"{name[:60]!r} is no provider and no kind of offer",
                    where="--on",
                    fix=f"Known: {', '.join((*PLACES, *KINDS))}",
                )
        for provider, region in self.wish.regions:
            self.prices.in_reach(provider, region)

    def options(self) -> list[Option]:
        """All that was looked at: what reaches the goal first, the cheapest first."""
        found: list[Option] = []
        for kind in KINDS.values():
            for provider in kind.providers:
                if self._wanted(kind, provider):
                    found += self._of(kind, provider)
        if not found:
            raise OfferUnknown(
                f"{', '.join(self.wish.on)}: no such kind of offer is there",
                where="--on",
                fix="Name kinds that the named providers have, or only the providers",
            )
        return sorted(
            found, key=lambda one: (not one.meets, not one.offer.lines, one.offer.monthly)
        )

    def _wanted(self, kind: Kind, provider: str) -> bool:
        on = ["home" if name == LOCAL else name for name in self.wish.on]
        kinds, places = {*on} & {*KINDS}, {*on} & {*PLACES}
        if kind.name in kinds:
            return kind.books == "own" or not places or provider in places
        return not kinds - {"home"} and (not on or provider in places)

    def _of(self, kind: Kind, provider: str) -> Iterator[Option]:
        if kind.books == "own":
            yield self._at_home(kind, provider)
        elif kind.books == "calls":
            yield self._by_the_call(kind, provider)
        else:
            yield from self._by_machines(kind, provider)

    # --- machines ---------------------------------------------------------------------------

    def _by_machines(self, kind: Kind, provider: str) -> Iterator[Option]:
        """Of a kind, from the cheapest machine on."""
        endpoint = kind.books == "endpoint"
        ordered: list[tuple[float, Machine, Speed]] = []
        for machine in self.prices.in_reach(provider, self.wish.region(provider)):
            if endpoint and machine.hosting_service != kind.service:
                continue
            if machine.gpu and not self._measured_on(machine):
                continue  # what a GPU would bring is not known, and not guessed
            speed = speed_of(machine, self._elsewhere, self._measured)
            if self.wish.elastic and speed.credit:
                continue  # such a machine rests at night, and is no cheaper for going then
            hourly = machine.hosting if endpoint else machine.hourly
            if hourly is not None:
                least = self._sizing.fewest(machine, speed) * hourly.usd
                ordered.append((least, machine, speed))
        met = looked = 0
        for _, machine, speed in sorted(ordered, key=lambda one: one[0]):
            if (met >= ENOUGH or looked >= MOST_LOOKED_AT) and not self._measured_on(machine):
                continue
            option = self._with(kind, machine, self._sizing.of(machine, speed))
            met, looked = met + option.meets, looked + 1
            yield option

    def _measured_on(self, machine: Machine) -> bool:
        """Whether it was measured there: then it is looked at, whatever it costs."""
        return any(one.offer == machine.title for one in self._measured)

    def _with(self, kind: Kind, machine: Machine, sized: Sized) -> Option:
        """The bill for as many of a machine as are needed."""
        place = Place(machine.provider, machine.region, machine, max(1, sized.replicas))
        usage = self._usage(sized)
        refused = sized.why or self._too_large(usage) or kind.refusal(usage, place)
        told = sized.speed
        if refused:
            return _refused(kind, usage, place, refused, told.source, told.band)
        bill = offer(kind, usage, self.prices, place)
        fewer, more = self._sizing.band(machine, sized)
        low, high = (self._priced(kind, sized, place, n) for n in (fewer, more))
        seen, why = sized.seen.p99_s if sized.seen is not None else None, ""
        if not kind.promises and self.goal.p99_s < ASYNC_S:
            seen, why = None, "answers come through S3, within no promised time"
        carried = self._carried(sized, machine)
        return Option(bill, why, seen, told.source, told.band, low, high, usage, place, carried)

    def _carried(self, sized: Sized, machine: Machine) -> float:
        """Calls per second, on average, that as many machines answer within the goal."""
        traffic, speed = self.traffic, sized.speed
        carried = sized.safe_each * sized.replicas * traffic.mean_per_s / traffic.peak_per_s
        if speed.credit:
            most = self._sizing.most_per_s(machine, speed) * sized.replicas * speed.baseline
            carried = min(carried, most * traffic.mean_per_s / self._sizing.for_good(speed))
        return carried

    def _too_large(self, usage: Usage) -> str:
        """Why our own server would not take such requests; "" where it would."""
        size = usage.request_bytes / MIB
        most = self.wish.bounds.body_mib
        return "" if size <= most else f"a request of {size:,.0f} MiB; limits.body_mib is {most}"

    def _priced(self, kind: Kind, sized: Sized, place: Place, replicas: int) -> float:
        part = sized.replicas / replicas
        usage = self._usage(replace(sized, replicas=replicas, safe_each=sized.safe_each * part))
        return offer(kind, usage, self.prices, replace(place, replicas=replicas)).monthly

    def _usage(self, sized: Sized) -> Usage:
        profile = sized.speed.profile
        replicas = max(1, sized.replicas)
        hours = replicas * HOURS
        if self.wish.elastic and sized.safe_each:
            spare = 1 if self.goal.spare else 0
            each = [max(1, -(-rate // sized.safe_each)) for rate in self.traffic.week]
            hours = (sum(each) / len(each) + spare) * HOURS
        service = self._service(profile, sized.speed.factor)
        usage = self._common(profile, service)
        busy = usage.calls * service.mean_s / 3600 / max(1, sized.workers)
        hours = max(hours, busy / sized.speed.baseline)
        idle = HOURS * (1 + self.goal.spare) if self.wish.elastic else hours
        return replace(
            usage,
            memory_bytes=need_bytes(profile, max(1, sized.workers)),
            instance_hours=hours,
            idle_hours=idle,
            busy_hours=min(hours, busy),
        )

    # --- by the call, and at home -----------------------------------------------------------

    def _by_the_call(self, kind: Kind, provider: str) -> Option:
        """An instance that was not called for long is gone, and the next call waits for one."""
        place = Place(provider, self.wish.region(provider), replicas=self._at_once())
        usage, cold = self._called(kind)
        told = f"a vCPU as fast as where it was measured; {START_S:g} s to start, and loading; "
        told += "the provider's way in is not counted"
        if refused := self._too_large(usage) or kind.refusal(usage, place):
            return _refused(kind, usage, place, refused, told, BAND)
        alone, why = alone_s(self.profile, self.traffic.rows), ""
        p99 = alone if cold < 0.01 else alone + usage.load_s
        if p99 > self.goal.p99_s:
            why = f"p99 {p99 * 1000:.3g} ms, goal {self.goal.p99_s * 1000:.3g} ms"
            why += f": {cold:.1%} of calls find it cold" if cold >= 0.01 else ""
        bill = offer(kind, usage, self.prices, place)
        low, high = (
            offer(kind, self._called(kind, part)[0], self.prices, place).monthly
            for part in (1 + BAND, 1 - BAND)
        )
        return Option(bill, why, p99, told, BAND, low, high, usage, place)

    def _called(self, kind: Kind, faster: float = 1.0) -> tuple[Usage, float]:
        """What is used, and the part of calls that find no instance, hour by hour."""
        traffic = self.traffic
        each = [cold_share(rate, traffic.dispersion, KEPT_S) for rate in traffic.week]
        cold = sum(rate * part for rate, part in zip(traffic.week, each, strict=True))
        part = cold / sum(traffic.week)
        usage = self._common(self.profile, self._service(self.profile, faster))
        usage = replace(usage, memory_bytes=max(usage.memory_bytes, kind.least_bytes))
        if kind.stays:
            warm = sum(1 - exp(-min(700.0, rate * KEPT_S)) for rate in traffic.week)
            busy = usage.calls * usage.service.mean_s / 3600 / _BUSY
            usage = replace(usage, instance_hours=max(warm / len(each) * HOURS, busy))
        return replace(
            usage, cold_starts=usage.calls * part, concurrency=self._together(usage.service)
        ), part

    def line(self, option: Option) -> tuple[float, float]:
        """What it costs beside the calls, all that is free used up, and what a call more costs, as
        long as machines are enough."""
        kind, usage = KINDS[option.offer.kind], option.usage
        many = max(usage.calls, _MANY)
        first, second = (
            offer(
                kind, replace(usage, calls=calls, cold_starts=0.0), self.prices, option.place
            ).monthly
            for calls in (many, many + _MANY)
        )
        each = (second - first) / _MANY
        return first - each * many, each

    def _together(self, service: Service) -> float:
        """Calls that share an instance's time, where it may take several: those of the shortest
        time that is billed, over as many instances as are needed."""
        rate = sum(self.traffic.week) / self.traffic.open_hours
        instances = max(1.0, rate * service.mean_s / _BUSY)
        return min(_MOST_TOGETHER, max(1.0, rate * max(service.mean_s, _SHORTEST_S) / instances))

    def _at_once(self) -> int:
        """Calls under way at one moment of the busiest hour, on average and 3 deviations more."""
        mean = self.traffic.peak_per_s * alone_s(self.profile, self.traffic.rows)
        return max(1, round(mean + 3 * (mean * self.traffic.dispersion) ** 0.5))

    def _at_home(self, kind: Kind, provider: str) -> Option:
        """The machine on which it was measured, which its owner has already."""
        profile, wish = self.profile, self.wish
        memory = profile.memory_bytes or need_bytes(profile, max(1, profile.cores))
        own = Machine(
            provider, "", "this machine", "own", profile.arch, profile.cores, memory / GIB,
            profile.gpu, 0, 0, self.prices.machines[0].hourly,
        )  # fmt: skip
        told = f"measured on {profile.taken}{at_its_slowest(profile)}"
        sized = self._sizing.of(own, Speed(profile, 1.0, BAND_MEASURED, 1.0, "", told))
        place = Place(
            LOCAL, power=wish.power, country=wish.country, tariff_usd=wish.tariff,
            replicas=max(1, sized.replicas),
        )  # fmt: skip
        usage = self._usage(replace(sized, replicas=1))
        band = sized.speed.band
        why = sized.why or self._too_large(usage) or kind.refusal(usage, place)
        if sized.replicas > 1:
            why = f"{sized.replicas} machines like this one would be needed"
        if why:
            return _refused(kind, usage, place, why, told, band)
        try:
            bill = offer(kind, usage, self.prices, place)
        except PowerUnknown as unknown:
            return _refused(kind, usage, place, unknown.what, told, band)
        seen = sized.seen.p99_s if sized.seen is not None else None
        return Option(bill, "", seen, told, band, bill.monthly, bill.monthly, usage, place)

    # --- what all of them use ---------------------------------------------------------------

    def _common(self, profile: Profile, service: Service) -> Usage:
        rows, payload = self.traffic.rows, profile.payload
        return Usage(
            calls=self.traffic.per_month,
            request_bytes=payload.request_bytes * rows,
            answer_bytes=payload.answer_bytes * rows,
            log_bytes=round(self.wish.log_bytes),
            image_bytes=IMAGE_BYTES + profile.disk_bytes,
            memory_bytes=need_bytes(profile),
            service=service,
            instance_hours=0.0,
            load_s=START_S + profile.load_s,
        )

    def _service(self, profile: Profile, faster: float) -> Service:
        """How long one call is executed, with what the loop does for it."""
        rows, loop = self.traffic.rows, profile.call_s / faster
        each = Seconds(profile.services, faster).quantiles(rows)
        return Service(rows, 1, tuple(one + loop for one in each), 0.0)


def _refused(kind: Kind, usage: Usage, place: Place, why: str, speed: str, band: float) -> Option:
    """What cannot be has no bill."""
    machine = place.machine.name if place.machine else ""
    none = Offer(
        kind.name, place.provider, place.where, machine, place.replicas, usage.calls, (), 0.0
    )
    return Option(none, why, None, speed, band, 0.0, 0.0, usage, place)
