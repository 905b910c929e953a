"""The guards over a table of machines: rules that honest prices keep, and mixed-up rows break.

They find rates of Windows, of spot or of another tenancy among those of Linux on demand. A family
is what a vendor names so, in one region, with the same memory per vCPU and as many vCPUs per GPU:
memory and GPUs cost money, so that only within it the price per vCPU is one price.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from statistics import median_low

from fairlead.costs.priced import Machine

WITHIN_FAMILY = 0.02
"""How far a price per vCPU may be from that of its family, the median of it."""
BETWEEN_REGIONS = 0.25
"""How much dearer one region of the United States may be than another."""

Kind = tuple[str, str, str, float, float]


def family_of(machine: Machine) -> Kind:
    """Machines of which the price per vCPU is the same."""
    memory = round(machine.memory_gib / machine.vcpu, 2)
    per_gpu = round(machine.vcpu / machine.gpu_count, 0) if machine.gpu_count else 0.0
    return machine.provider, machine.region, machine.family, memory, per_gpu


def in_united_states(region: str) -> bool:
    """Whether a region of AWS, Azure or Google Cloud lies there."""
    if region.startswith("us-") and not region.startswith("us-gov"):
        return True
    places = ("eastus", "westus", "centralus", "southcentralus", "northcentralus", "westcentralus")
    return region.rstrip("0123456789") in places


def broken(machines: Iterable[Machine]) -> Iterator[tuple[Machine, str]]:
    """Every machine whose price breaks a guard, and which."""
    rows = [*machines]
    for guard in (_families, _regions, _spot, _hosting):
        yield from guard(rows)


def _families(machines: list[Machine]) -> Iterator[tuple[Machine, str]]:
    groups: dict[Kind, list[Machine]] = defaultdict(list)
    for machine in machines:
        groups[family_of(machine)].append(machine)
    for group in groups.values():
        usual = median_low(one.hourly.usd / one.vcpu for one in group)
        for one in group:
            each = one.hourly.usd / one.vcpu
            if abs(each / usual - 1) > WITHIN_FAMILY:
                yield (
                    one,
                    f"{each:.5g} USD per vCPU, where the family {one.family} has {usual:.5g}",
                )


def _regions(machines: list[Machine]) -> Iterator[tuple[Machine, str]]:
    groups: dict[str, list[Machine]] = defaultdict(list)
    for machine in machines:
        if in_united_states(machine.region):
            groups[machine.title].append(machine)
    for group in groups.values():
        least = min(group, key=lambda one: one.hourly.usd)
        for one in group:
            if one.hourly.usd > (1 + BETWEEN_REGIONS) * least.hourly.usd:
                yield (
                    one,
                    f"{one.hourly.usd:g} USD, where it is {least.hourly.usd:g} in {least.region}",
                )


def _spot(machines: list[Machine]) -> Iterator[tuple[Machine, str]]:
    for one in machines:
        if one.spot and one.spot.usd >= one.hourly.usd:
            yield one, f"the spot price {one.spot.usd:g} is not below {one.hourly.usd:g}"


def _hosting(machines: list[Machine]) -> Iterator[tuple[Machine, str]]:
    for one in machines:
        if one.hosting and one.hosting.usd < one.hourly.usd:
            yield one, f"hosting at {one.hosting.usd:g} is below the machine's {one.hourly.usd:g}"
