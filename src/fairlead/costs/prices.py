"""What machines and metered services cost: a dated table, and the ways to look something up in it.

The table is packaged, so that a bill needs no network. A file of one's own (negotiated rates, or
what `fairlead prices refresh` has fetched) replaces rows of it or adds some. All money is in US
dollars, as a float: an estimate is a product of measured floats, and nothing here is ever charged
to anybody. What is charged is counted in decimals, in `usage/`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from difflib import get_close_matches
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import NoReturn

from fairlead.core.errors import OfferUnknown
from fairlead.costs.price_rows import machines_of, meters_of, read_extra
from fairlead.costs.priced import Machine, Meter, meter_key
from fairlead.costs.priced import Price as Price

VERSION = date(2026, 11, 26)
"""When the packaged table was put together; every row has a date of its own."""
STALE_DAYS = 90
KEPT = "prices.csv"
"""The file of a state folder in which `fairlead prices refresh` keeps what it has fetched."""
_NEAR = 3


@dataclass(frozen=True)
class Prices:
    """Everything that has a price here.

    version: says which table it is, such as "2026-11-26" or "2026-11-26 + prices.csv".
    """

    version: str
    machines: tuple[Machine, ...]
    meters: tuple[Meter, ...]

    def machine(self, title: str, region: str = "") -> Machine:
        """The machine with a title such as "aws/c7g.large", in a region; "" where there is one.

        Raises OfferUnknown with what is near, also where it is in several regions and none is said.
        """
        found = [one for one in self.machines if one.title == title]
        here = [one for one in found if region in ("", one.region)]
        if len(here) == 1:
            return here[0]
        if here:
            known = ", ".join(one.region for one in here)
            _unknown(f"{title} is priced in several regions", "region", f"Name one: {known}")
        if found:
            known = ", ".join(one.region for one in found)
            what = f"no price of {title} is known in the region {region[:60]!r}"
            refresh = f"fairlead prices refresh --region {found[0].provider}/{region[:60]}"
            _unknown(what, "region", f"Known: {known}. Or: {refresh}")
        named = sorted({one.title for one in self.machines})
        _unknown(f"no machine {title[:80]!r} has a price here", "machine", _near(title, named))

    def meter(self, provider: str, service: str, name: str, region: str = "") -> Meter:
        """The first tier of a meter (`tiers`). Raises OfferUnknown."""
        return self.tiers(provider, service, name, region)[0]

    def tiers(self, provider: str, service: str, name: str, region: str = "") -> tuple[Meter, ...]:
        """A meter's prices, by the amount from which each holds.

        Where nothing is known of the region, that of another stands for it: each price is then
        `derived`, and its source names the region that it is of. Raises OfferUnknown.
        """
        found = self._by_name.get((provider, service, name), [])
        here = tuple(m for m in found if m.region in (region, "any"))
        if here:
            return here
        if found:
            first = found[0].region
            others = (m for m in found if m.region == first)
            return tuple(_of_elsewhere(m) if region else m for m in others)
        wanted = f"{provider}/{service}/{name}"
        named = sorted({f"{m.provider}/{m.service}/{m.name}" for m in self.meters})
        _unknown(f"no meter {wanted[:120]!r} has a price here", "meter", _near(wanted, named))

    def in_reach(self, provider: str = "", region: str = "") -> tuple[Machine, ...]:
        """The machines of a provider and a region; "" for all. Raises OfferUnknown for either."""
        places = sorted({m.provider for m in self.machines} | {m.provider for m in self.meters})
        if provider and provider not in places:
            what = f"no prices of {provider[:60]!r} are known here"
            _unknown(what, "provider", _near(provider, places))
        its = tuple(m for m in self.machines if provider in ("", m.provider))
        regions = sorted({m.region for m in its})
        if region and region not in regions:
            what = f"no prices of the region {region[:60]!r} are known here"
            _unknown(what, "region", _near(region, regions))
        return tuple(m for m in its if region in ("", m.region))

    @cached_property
    def _by_name(self) -> dict[tuple[str, str, str], list[Meter]]:
        """A bill of every offer looks up thousands."""
        found: dict[tuple[str, str, str], list[Meter]] = {}
        for meter in sorted(self.meters, key=lambda meter: (meter.region, meter.above)):
            found.setdefault((meter.provider, meter.service, meter.name), []).append(meter)
        return found

    @property
    def oldest(self) -> date:
        """The date of the oldest price of a machine, which moves most bills.

        Meters change seldom; each line of a bill says its own date.
        """
        return min((date.fromisoformat(m.hourly.date) for m in self.machines), default=VERSION)

    def age_days(self, today: date) -> int:
        """How old the oldest price of a machine is."""
        return (today - self.oldest).days

    def stale(self, today: date) -> bool:
        """Whether it is time for `fairlead prices refresh`: older than 90 days."""
        return self.age_days(today) > STALE_DAYS


def merged(base: Prices, machines: Iterable[Machine], meters: Iterable[Meter], by: str) -> Prices:
    """The prices with others in their place, or beside them. by: where those are from."""
    of_machine = {(m.title, m.region): m for m in base.machines}
    of_machine |= {(m.title, m.region): m for m in machines}
    of_meter = {meter_key(m): m for m in base.meters}
    of_meter |= {meter_key(m): m for m in meters}
    return replace(
        base,
        version=f"{base.version} + {by}",
        machines=tuple(of_machine.values()),
        meters=tuple(of_meter.values()),
    )


def packaged() -> Prices:
    """The table that comes with Fairlead."""
    texts = {name: table_text(name) for name in ("machines", "meters")}
    machines = machines_of(texts["machines"], "machines.csv", known=())
    return Prices(VERSION.isoformat(), machines, meters_of(texts["meters"], "meters.csv"))


def read_prices(*extra: Path | None) -> Prices:
    """The packaged prices, and those of files over them, a later one over an earlier.

    extra: CSV files of machines or of meters (docs/reference/prices.md); None is no file.
    Raises PricesInvalid for a file with anything wrong, by line and column, and FileUnreadable.
    """
    found = packaged()
    for path in extra:
        if path is not None:
            found = over(found, path)
    return found


def prices_in(state: Path, extra: Path | None = None) -> Prices:
    """The packaged prices, those that were fetched into a state folder where they are newer, and
    a file's over both.

    A later release may bring prices that are newer than what was fetched under an earlier one.
    Raises PricesInvalid and FileUnreadable.
    """
    base, kept = packaged(), state / KEPT
    if kept.is_file():
        dates = {(one.title, one.region): one.hourly.date for one in base.machines}
        fetched, meters = read_extra(kept, base.machines)
        newer = [m for m in fetched if m.hourly.date >= dates.get((m.title, m.region), "")]
        base = merged(base, newer, meters, KEPT)
    return over(base, extra) if extra else base


def over(base: Prices, path: Path) -> Prices:
    """The prices with those of a file over them. Raises PricesInvalid and FileUnreadable."""
    return merged(base, *read_extra(path, base.machines), path.name)


def table_text(name: str) -> str:
    """The text of a packaged table: "machines", "meters" or "grid"."""
    place = resources.files("fairlead.costs") / "tables" / f"{name}.csv"
    return place.read_text(encoding="utf-8")


def _of_elsewhere(meter: Meter) -> Meter:
    price = meter.price._replace(
        source=f"{meter.price.source}, as in {meter.region}", confidence="derived"
    )
    return replace(meter, price=price)


def _near(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, _NEAR, 0.5)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return f"Known: {', '.join(known[:12])}{' ...' if len(known) > 12 else ''}"


def _unknown(what: str, where: str, fix: str) -> NoReturn:
    raise OfferUnknown(what, where=where, fix=fix)
