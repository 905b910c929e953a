"""Tables of prices as CSV: read strictly, with nothing guessed, and written.

One row is one bookable thing. What is wrong is said with its line and column.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import NoReturn, cast

from fairlead.core.errors import FileUnreadable, PricesInvalid
from fairlead.costs.priced import (
    CONFIDENCES,
    PROVIDERS,
    Confidence,
    Machine,
    Meter,
    Price,
    meter_key,
)
from fairlead.costs.table_rules import broken

HARDWARE = ("family", "arch", "vcpu", "memory_gib", "gpu", "gpu_count", "gpu_memory_gib")
"""May be left out, or empty, for a machine that another table knows."""
_SPOT = ("spot_usd", "spot_source", "spot_date", "spot_confidence")
_HOSTING = ("hosting_usd", "hosting_source", "hosting_date", "hosting_confidence")
_NEEDED = ("provider", "region", "machine", "system", "terms", "currency", "hourly_usd")
_SAID = ("source", "date", "confidence")
MACHINE_COLUMNS = (
    *("provider", "region", "machine"),
    *HARDWARE,
    *("system", "terms", "currency", "hourly_usd"),
    *_SAID,
    *_SPOT,
    "hosting_service",
    *_HOSTING,
    "note",
)
METER_COLUMNS = (
    *("provider", "service", "region", "meter", "unit", "above", "usd", "free", "currency"),
    *_SAID,
    "note",
)
_METER_NEEDED = tuple(c for c in METER_COLUMNS if c not in ("above", "free", "note"))
SERVICES = ("sagemaker", "azureml", "vertex")
TERMS = ("on-demand", "committed")
ARCHES = ("x86_64", "arm64")
_FOREIGN = ("windows", "spot", "low priority", "lowpriority", "preemptible")
_MOST_BYTES = 16 << 20
_NOTHING = Price(0.0, "", "", "low")
_FIX = "Correct the file; its columns are in docs/reference/prices.md"


class _Row:
    """A row, and what is asked of its cells; where it stands is in every error."""

    def __init__(self, cells: dict[str, str], line: int, where: str) -> None:
        self.cells, self.line, self.where = cells, line, where

    def bad(self, column: str, why: str) -> NoReturn:
        raise PricesInvalid(
            f"line {self.line}, column {column}: {why}", where=f"{self.where}:{self.line}", fix=_FIX
        )

    def text(self, column: str) -> str:
        found = self.cells.get(column, "")
        if not found:
            self.bad(column, "it is empty")
        return found

    def word(self, column: str, words: Sequence[str]) -> str:
        found = self.text(column)
        if found not in words:
            self.bad(column, f"{found[:60]!r} is none of {', '.join(words)}")
        return found

    def number(self, column: str, least: float = 0.0, *, above: bool = False) -> float:
        """A finite number of at least so much. above: or more than it."""
        told = self.text(column)
        try:
            found = float(told)
        except ValueError:
            found = math.nan
        if not math.isfinite(found) or found < least or (above and found == least):
            wanted = f"a number {'above' if above else 'of at least'} {least:g}"
            self.bad(column, f"{told[:60]!r} is not {wanted}")
        return found

    def price(self, columns: Sequence[str]) -> Price:
        """From the columns of the amount, the source, the date and the confidence."""
        amount, source, day, confidence = columns
        usd = self.number(amount, above=True)
        told = self.text(day)
        try:
            date.fromisoformat(told)
        except ValueError:
            self.bad(day, f"{told[:60]!r} is no date such as 2026-11-26")
        sure = cast(Confidence, self.word(confidence, CONFIDENCES))
        return Price(usd, self.text(source), told, sure)


def machines_of(text: str, where: str, known: Sequence[Machine]) -> tuple[Machine, ...]:
    """The machines of a table. known: those whose hardware need not be said. PricesInvalid."""
    others = {(machine.title, machine.region): machine for machine in known}
    found: dict[tuple[str, str], Machine] = {}
    lines: dict[tuple[str, str], _Row] = {}
    for row in _rows(text, where, (*_NEEDED, *_SAID), MACHINE_COLUMNS):
        machine = _machine(row, others)
        key = machine.title, machine.region
        if key in found:
            row.bad("machine", f"{machine.title} in {machine.region} stands here twice")
        found[key], lines[key] = machine, row
    for machine, why in broken(found.values()):
        lines[machine.title, machine.region].bad("hourly_usd", why)
    return tuple(found.values())


def meters_of(text: str, where: str) -> tuple[Meter, ...]:
    """The meters of a table. PricesInvalid."""
    found: dict[tuple[str, str, str, str, float], Meter] = {}
    for row in _rows(text, where, _METER_NEEDED, METER_COLUMNS):
        row.word("currency", ("USD",))
        meter = Meter(
            provider=row.word("provider", PROVIDERS),
            service=row.text("service"),
            region=row.text("region"),
            name=row.text("meter"),
            unit=row.text("unit"),
            price=row.price(("usd", *_SAID)),
            free=row.number("free") if row.cells.get("free") else 0.0,
            above=row.number("above") if row.cells.get("above") else 0.0,
            note=row.cells.get("note", ""),
        )
        if meter_key(meter) in found:
            row.bad("meter", f"{meter.service}/{meter.name} in {meter.region} stands here twice")
        found[meter_key(meter)] = meter
    return tuple(found.values())


def read_extra(
    path: Path, known: Sequence[Machine]
) -> tuple[tuple[Machine, ...], tuple[Meter, ...]]:
    """The machines or the meters of a file, by its head. Raises PricesInvalid, FileUnreadable."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise PricesInvalid("it is larger than 16 MiB", where=str(path), fix=_FIX)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        why = f"the prices cannot be read: {error.strerror}"
        raise FileUnreadable(why, where=str(path), fix="Name a file with --prices") from None
    except UnicodeDecodeError:
        raise PricesInvalid("it is no text in UTF-8", where=str(path), fix=_FIX) from None
    head = text.partition("\n")[0]
    if "meter" in [name.strip() for name in head.split(",")]:
        return (), meters_of(text, str(path))
    return machines_of(text, str(path), known), ()


def written(machines: Iterable[Machine]) -> str:
    """A table of machines, as `read_extra` takes it."""
    file = io.StringIO()
    into = csv.DictWriter(file, MACHINE_COLUMNS, lineterminator="\n")
    into.writeheader()
    for machine in machines:
        into.writerow(_cells(machine))
    return file.getvalue()


def _cells(machine: Machine) -> dict[str, object]:
    cells: dict[str, object] = {name: getattr(machine, name) for name in HARDWARE}
    for name in ("vcpu", "memory_gib", "gpu_count", "gpu_memory_gib"):
        cells[name] = f"{getattr(machine, name):g}"
    cells |= {"provider": machine.provider, "region": machine.region, "machine": machine.name}
    cells |= {"system": "linux", "terms": "on-demand", "currency": "USD", "note": machine.note}
    cells |= {"hosting_service": machine.hosting_service}
    for columns, price in (
        (("hourly_usd", *_SAID), machine.hourly),
        (_SPOT, machine.spot),
        (_HOSTING, machine.hosting),
    ):
        if price:
            cells |= dict(zip(columns, (f"{price.usd:.10g}", *price[1:]), strict=True))
    return cells


def _rows(text: str, where: str, needed: Sequence[str], known: Sequence[str]) -> Iterable[_Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    empty: list[str] = []
    try:
        head = [name.strip() for name in next(reader, empty)]
        _check_head(head, where, needed, known)
        for cells in reader:
            if not cells:
                continue
            row = _Row({}, reader.line_num, where)
            if len(cells) != len(head):
                row.bad(head[-1], f"the row has {len(cells)} cells, the head {len(head)}")
            row.cells = {n: c.strip() for n, c in zip(head, cells, strict=True)}
            yield row
    except csv.Error as error:
        _Row({}, reader.line_num, where).bad("?", f"this is no CSV: {error}")


def _check_head(
    head: Sequence[str], where: str, needed: Sequence[str], known: Sequence[str]
) -> None:
    first = _Row({}, 1, where)
    for name in needed:
        if name not in head:
            first.bad(name, "the column is missing")
    for name in head:
        if name not in known:
            first.bad(name[:60], f"no such column is known; known are {', '.join(known)}")
        if head.count(name) > 1:
            first.bad(name, "the column is there twice")


def _machine(row: _Row, known: Mapping[tuple[str, str], Machine]) -> Machine:
    provider = row.word("provider", PROVIDERS)
    name, region = row.text("machine"), row.text("region")
    row.word("currency", ("USD",))
    row.word("system", ("linux",))
    row.word("terms", TERMS)
    for column in ("machine", "family"):
        cell = row.cells.get(column, "").lower()
        if any(word in cell for word in _FOREIGN):
            row.bad(column, f"{cell[:60]!r}: only Linux on demand; spot prices are in spot_usd")
    service, hosted = row.cells.get("hosting_service", ""), _maybe(row, _HOSTING)
    if bool(service) != bool(hosted):
        row.bad("hosting_service", "a hosting price and its service go together")
    if service:
        row.word("hosting_service", SERVICES)
    same = known.get((f"{provider}/{name}", region))
    if same and "hosting_usd" not in row.cells:
        service, hosted = same.hosting_service, same.hosting
    elsewhere = next(
        (one for (title, _), one in known.items() if title == f"{provider}/{name}"), None
    )
    return replace(
        _bare(row, provider, name, same or elsewhere),
        region=region,
        hourly=row.price(("hourly_usd", *_SAID)),
        spot=_maybe(row, _SPOT),
        hosting=hosted,
        hosting_service=service,
        note=row.cells.get("note", ""),
    )


def _maybe(row: _Row, columns: Sequence[str]) -> Price | None:
    """The price of columns of which all are filled, or none."""
    if not any(row.cells.get(column) for column in columns):
        return None
    return row.price(columns)


def _bare(row: _Row, provider: str, name: str, known: Machine | None) -> Machine:
    """The machine without its prices: as the row says it, or as it is known elsewhere."""
    said = {column: row.cells.get(column, "") for column in HARDWARE}
    if known and not any(said.values()):
        return known
    gpus = row.number("gpu_count") if said["gpu"] else 0.0
    if said["gpu"] and not gpus:
        row.bad("gpu_count", "there is a GPU, and none of it")
    return Machine(
        provider=provider,
        region="",
        name=name,
        family=row.text("family"),
        arch=row.word("arch", ARCHES),
        vcpu=row.number("vcpu", above=True),
        memory_gib=row.number("memory_gib", above=True),
        gpu=said["gpu"],
        gpu_count=gpus,
        gpu_memory_gib=row.number("gpu_memory_gib", above=True) if gpus else 0.0,
        hourly=_NOTHING,
    )
