"""What the owner says that the machine costs, read once, before a server starts."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from fairlead.assembly.settings import Settings
from fairlead.core.errors import BadSetting
from fairlead.costs.prices import prices_in
from fairlead.usage.stores.machine import UNSAID, HourPrice

OWN = "[usage] machine_usd_per_hour"
"""The source of a price that the owner says."""
_PLACES = 12


def machine_price(settings: Settings) -> HourPrice:
    """What an hour of the machine costs: as the owner says, else as the price table has it; UNSAID
    where nobody said anything.

    Raises BadSetting for a region without a machine or a price that is next to nothing,
    OfferUnknown for a machine or region that no table names, and what reading the prices that
    `fairlead prices refresh` keeps raises.
    """
    said = settings.usage
    if said.machine_usd_per_hour:
        pico = _pico(said.machine_usd_per_hour)
        if not pico:
            raise BadSetting(
                "an hour of a machine costs more than that", where="usage.machine_usd_per_hour"
            )
        return HourPrice(pico, said.machine, said.machine_region, OWN, "", "high", "")
    if not said.machine:
        if said.machine_region:
            raise BadSetting(
                "a region alone says no price",
                where="usage.machine_region",
                fix="Name usage.machine too, or leave it out",
            )
        return UNSAID
    prices = prices_in(Path(settings.server.state))
    machine = prices.machine(said.machine, said.machine_region)
    price = machine.hourly
    return HourPrice(
        _pico(price.usd),
        machine.title,
        machine.region,
        price.source,
        price.date,
        price.confidence,
        prices.version,
    )


def _pico(dollars: float) -> int:
    """In 10^-12 US dollars, from the digits that were written: 0.1 is a tenth."""
    return int(Decimal(repr(dollars)).scaleb(_PLACES))
