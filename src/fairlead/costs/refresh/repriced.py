"""Machines of the table with the prices that a provider's service has given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from fairlead.costs.priced import Machine, Price
from fairlead.costs.table_rules import broken

HOSTING = {"aws": "sagemaker", "azure": "azureml", "gcp": "vertex"}
VERTEX = 1.15
"""How many times the parts of a machine its hour costs at Vertex, where both were read."""


class Repriced(NamedTuple):
    """left: the names of machines for which nothing was found, or what was found breaks a guard."""

    machines: tuple[Machine, ...]
    left: tuple[str, ...]


def repriced(
    known: Sequence[Machine],
    region: str,
    hourly: Mapping[str, Price],
    spot: Mapping[str, Price],
    hosting: Mapping[str, Price],
) -> Repriced:
    """The machines of one provider, as many as were found, in a region.

    hosting: of AWS alone; at Azure an endpoint costs what its machine does, at Google a rule is
    applied, and the price is `derived`.
    """
    made: list[Machine] = []
    for machine in {one.name: one for one in known}.values():
        price = hourly.get(machine.name)
        if price is None:
            continue
        hosted = _hosted(machine, price, hosting)
        made.append(
            replace(
                machine,
                region=region,
                hourly=price,
                spot=spot.get(machine.name),
                hosting=hosted,
                hosting_service=HOSTING[machine.provider] if hosted else "",
                note="",
            )
        )
    kept = _honest(made)
    found = {machine.name for machine in kept}
    return Repriced(tuple(kept), tuple(sorted({one.name for one in known} - found)))


def _hosted(machine: Machine, price: Price, hosting: Mapping[str, Price]) -> Price | None:
    if machine.provider == "aws":
        return hosting.get(machine.name)
    if machine.hosting is None:
        return None
    if machine.provider == "azure":
        return price._replace(source=f"{price.source}, the machine's price", confidence="medium")
    times = f"{price.source}, times {VERTEX}"
    return price._replace(usd=round(price.usd * VERTEX, 9), source=times, confidence="derived")


def _honest(machines: Iterable[Machine]) -> list[Machine]:
    """Those that break no guard of the table."""
    kept = [*machines]
    while bad := {machine.name for machine, _ in broken(kept)}:
        kept = [machine for machine in kept if machine.name not in bad]
    return kept
