"""AWS Price List bulk files: no account is needed.

Machines are read from the CSV of AmazonEC2, row by row: the JSON of one region is hundreds of
megabytes, and would have to be held whole. Endpoints are read from the JSON of AmazonSageMaker.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fairlead.costs.priced import Price
from fairlead.costs.refresh.shape import day, is_object, mapping, text, unlike

HOST = "https://pricing.us-east-1.amazonaws.com"
_SERVICE = "the AWS Price List"
_META_LINES = 5
_LINUX = {
    "TermType": "OnDemand",
    "Unit": "Hrs",
    "Currency": "USD",
    "Product Family": "Compute Instance",
    "Operating System": "Linux",
    "Tenancy": "Shared",
    "CapacityStatus": "Used",
    "Pre Installed S/W": "NA",
}
"""What the cells of a row must be: Linux, on demand, on a shared host, and not a reservation."""
_HOSTED = re.compile(r"(?:[A-Z0-9]+-)?Host:ml\.([a-z0-9-]+\.[a-z0-9-]+)", re.ASCII)


def machines_path(region: str) -> str:
    """Where the machines of a region are listed."""
    return f"/offers/v1.0/aws/AmazonEC2/current/{region}/index.csv"


def endpoints_path(region: str) -> str:
    """Where the endpoints of a region are listed."""
    return f"/offers/v1.0/aws/AmazonSageMaker/current/{region}/index.json"


def machine_prices(lines: Iterable[str], region: str) -> dict[str, Price]:
    """From the CSV of AmazonEC2: five lines about the file, a head, and a row for each price.

    A machine with two prices is left out. Raises PricesUnreachable.
    """
    rows = csv.reader(iter(lines))
    published = _published(rows)
    head = next(rows, None) or []
    missing = [name for name in (*_LINUX, "Instance Type", "PricePerUnit") if name not in head]
    if missing:
        unlike(_SERVICE, f"the column {missing[0]!r} is missing")
    wanted = [(head.index(name), value) for name, value in _LINUX.items()]
    name_at, price_at = head.index("Instance Type"), head.index("PricePerUnit")
    found: dict[str, set[float]] = {}
    for row in rows:
        if len(row) == len(head) and all(row[at] == value for at, value in wanted):
            usd = _amount(row[price_at])
            if usd:
                found.setdefault(row[name_at], set()).add(usd)
    return _sure(found, f"AWS Price List, AmazonEC2, {region}", published)


def hosting_prices(document: Mapping[str, Any], region: str) -> dict[str, Price]:
    """From the JSON of AmazonSageMaker: the hours of real-time endpoints, by machine without `ml.`.

    Training, notebooks and the other components have usage types of their own, and are left out.
    Raises PricesUnreachable.
    """
    published = day(_SERVICE, text(document, "publicationDate"))
    terms = mapping(_SERVICE, mapping(_SERVICE, document, "terms"), "OnDemand")
    found: dict[str, set[float]] = {}
    for sku, product in mapping(_SERVICE, document, "products").items():
        attributes: object = product.get("attributes") if is_object(product) else None
        told = text(attributes, "usagetype") if is_object(attributes) else ""
        hosted, term = _HOSTED.fullmatch(told), terms.get(sku)
        if hosted and is_object(term):
            for usd in _per_hour(term):
                found.setdefault(hosted[1], set()).add(usd)
    return _sure(found, f"AWS Price List, AmazonSageMaker, {region}", published)


def _published(rows: Iterator[list[str]]) -> str:
    about: dict[str, str] = {}
    for _ in range(_META_LINES):
        row = next(rows, None) or []
        if len(row) > 1:
            about[row[0]] = row[1]
    return day(_SERVICE, about.get("Publication Date", ""))


def _per_hour(term: Mapping[str, Any]) -> Iterator[float]:
    """The prices of an hour in the terms of one product."""
    for code in term:
        dimensions = mapping(_SERVICE, mapping(_SERVICE, term, code), "priceDimensions")
        for rate in dimensions:
            dimension = mapping(_SERVICE, dimensions, rate)
            usd = _amount(text(mapping(_SERVICE, dimension, "pricePerUnit"), "USD"))
            if usd and text(dimension, "unit") == "Hrs":
                yield usd


def _amount(told: str) -> float:
    try:
        return max(0.0, float(told))
    except ValueError:
        return 0.0


def _sure(found: Mapping[str, set[float]], source: str, published: str) -> dict[str, Price]:
    return {
        name: Price(min(usd), source, published, "high")
        for name, usd in found.items()
        if len(usd) == 1
    }
