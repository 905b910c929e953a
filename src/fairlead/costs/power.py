"""What a machine of one's own draws, and what its electricity costs and emits; never invented."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import resources
from typing import Literal, NamedTuple, cast, get_args

from fairlead.core.errors import PowerUnknown
from fairlead.costs.priced import Confidence, Price

PowerSource = Literal["wall meter", "RAPL", "NVML", "TDP"]
POWER_SOURCES: tuple[PowerSource, ...] = get_args(PowerSource)
"""From the surest: a meter at the wall; counters of the processor; of the GPU; or the maker's
thermal design power times the measured utilisation, which may be half or twice the truth."""
_SURE: dict[PowerSource, Confidence] = {
    "wall meter": "high",
    "RAPL": "medium",
    "NVML": "medium",
    "TDP": "low",
}
_MOST_WATTS = 100_000.0
_FIX = "Say what a meter at the wall shows, idle and busy, such as --power 25:60"


@dataclass(frozen=True, slots=True)
class Power:
    """What a machine draws in watts, idle and busy, and how that is known.

    overhead: what cooling and supply take beside it, as a factor (PUE); 1.0 at home.
    """

    idle_w: float
    busy_w: float
    source: PowerSource
    overhead: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.idle_w <= self.busy_w <= _MOST_WATTS:
            told = f"{self.idle_w:g} W idle and {self.busy_w:g} W busy"
            raise PowerUnknown(f"{told} is no power of a machine", where="power", fix=_FIX)
        if not 1.0 <= self.overhead < math.inf:
            told = f"an overhead of {self.overhead:g} is below 1"
            raise PowerUnknown(told, where="power", fix="Leave it out: at home it is 1")

    def kwh(self, hours: float, busy_hours: float) -> float:
        """For so many hours on, of which so many busy."""
        drawn = self.idle_w * hours + (self.busy_w - self.idle_w) * busy_hours
        return drawn * self.overhead / 1000

    @property
    def confidence(self) -> Confidence:
        """How far what is reckoned from it is to be trusted."""
        return _SURE[self.source]


class Grid(NamedTuple):
    """The electricity of a country: grams of CO2 for a kWh, and a household's tariff where known.

    year: of the emissions.
    """

    country: str
    name: str
    g_per_kwh: float
    source: str
    year: int
    confidence: Confidence
    tariff: Price | None


def parse_power(told: str, source: PowerSource = "wall meter") -> Power:
    """From "25:60": watts idle and busy. Raises PowerUnknown."""
    parts = told.split(":")
    try:
        idle, busy = map(float, parts)
    except ValueError:
        what = f"{told[:40]!r} is not two numbers of watts, idle and busy"
        raise PowerUnknown(what, where="power", fix=_FIX) from None
    return Power(idle, busy, source)


@cache
def grids() -> dict[str, Grid]:
    """Every country of the packaged table by its code of ISO 3166, such as "DE"."""
    place = resources.files("fairlead.costs") / "tables" / "grid.csv"
    rows = csv.DictReader(io.StringIO(place.read_text(encoding="utf-8")))
    return {row["country"]: _grid(row) for row in rows}


def grid(country: str) -> Grid:
    """The electricity of a country by its code. Raises PowerUnknown for one that is not known."""
    found = grids().get(country.upper())
    if found:
        return found
    near = get_close_matches(country.upper(), grids(), 2, 0.4)
    raise PowerUnknown(
        f"nothing is known here of the electricity of {country[:40]!r}",
        where="country",
        fix=f"Name another, such as {' or '.join(near) or 'DE'}, or say tariff and emissions",
    )


def tariff(country: str, usd_per_kwh: float | None) -> Price:
    """What a kWh costs: as the owner says, or as is known of the country. Raises PowerUnknown."""
    if usd_per_kwh is not None:
        if not 0 < usd_per_kwh < math.inf:
            what = f"{usd_per_kwh:g} USD is no price of a kWh"
            raise PowerUnknown(what, where="tariff", fix="Say what your bill says, such as 0.31")
        return Price(usd_per_kwh, "what the owner pays", "", "high")
    if not country:
        what = "nobody has said what a kWh costs, or in which country the machine stands"
        raise PowerUnknown(what, where="tariff", fix="Say --tariff 0.31, or --country DE")
    known = grid(country)
    if known.tariff is None:
        what = f"what a kWh costs in {known.name} is not known here"
        raise PowerUnknown(what, where="tariff", fix="Say what your bill says: --tariff 0.31")
    return known.tariff


def _grid(row: dict[str, str]) -> Grid:
    price = None
    if row["usd_per_kwh"]:
        sure = cast(Confidence, row["tariff_confidence"])
        price = Price(float(row["usd_per_kwh"]), row["tariff_source"], row["tariff_date"], sure)
    return Grid(
        country=row["country"],
        name=row["name"],
        g_per_kwh=float(row["g_per_kwh"]),
        source=row["source"],
        year=int(row["year"]),
        confidence=cast(Confidence, row["confidence"]),
        tariff=price,
    )
