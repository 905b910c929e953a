"""A machine of one's own: its electricity, and what that emits. Its price is not counted.

Nothing is invented: who does not say what the machine draws, and what a kWh costs or where it
stands, gets no bill.
"""

from __future__ import annotations

from fairlead.core.errors import PowerUnknown
from fairlead.costs.bill import Kind, Line, Lines, Place, Usage, line
from fairlead.costs.power import Power, grid, tariff
from fairlead.costs.priced import Price, least_sure
from fairlead.costs.prices import Prices


def refusal(usage: Usage, place: Place) -> str:
    """Nobody has said what it draws. It holds the model, since that was measured on it."""
    return "" if place.power else "nobody has said what the machine draws"


def lines(usage: Usage, prices: Prices, place: Place) -> Lines:
    """The electricity, and where the country is named its emissions as a line that costs nothing.

    Raises PowerUnknown.
    """
    power = _power(place)
    kwh = power.kwh(usage.instance_hours, usage.busy_hours)
    each = tariff(place.country, place.tariff_usd)
    source = f"{each.source}; power by {power.source}"
    sure = least_sure(power.confidence, each.confidence)
    used = line("electricity", kwh, "kWh", Price(each.usd, source, each.date, sure))
    return (used, *_carbon(kwh, place)) if kwh else ()


def _power(place: Place) -> Power:
    if place.power is None:
        raise PowerUnknown(
            "nobody has said what the machine draws",
            where="power",
            fix="Say what a meter at the wall shows, idle and busy, such as --power 25:60",
        )
    return place.power


def _carbon(kwh: float, place: Place) -> tuple[Line, ...]:
    if not place.country:
        return ()
    known = grid(place.country)
    free = Price(0.0, f"{known.source}: {known.g_per_kwh:g} g/kWh", str(known.year), "medium")
    return (line("CO2", kwh * known.g_per_kwh / 1000, "kg", free),)


KINDS = (Kind("home", ("local",), "own", refusal, lines),)
