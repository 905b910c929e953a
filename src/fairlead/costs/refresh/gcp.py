"""Google's Cloud Billing Catalog: a key is needed. It lists no machines, only their parts.

A machine is put together from the prices of its processors, its memory and its GPU. A SKU is told
by the beginning of its description: that of a spot part holds that of the part on demand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from fairlead.costs.priced import Machine, Price
from fairlead.costs.refresh.shape import listing, mapping, text

HOST = "https://cloudbilling.googleapis.com"
_COMPUTE_ENGINE = "6F81-5844-456A"
_SERVICE = "Google's Cloud Billing Catalog"
_NANO = 1e-9
_PARTS = {
    "e2-shared": "E2 Instance",
    "e2-highcpu": "E2 Instance",
    "e2-standard": "E2 Instance",
    "n1-standard": "N1 Predefined Instance",
    "n2-standard": "N2 Instance",
    "n2d-standard": "N2D AMD Instance",
    "n4-standard": "N4 Instance",
    "c3-highcpu": "C3 Instance",
    "c4-standard": "C4 Instance",
    "c4a-standard": "C4A Arm Instance",
    "t2d-standard": "T2D AMD Instance",
    "g2-standard": "G2 Instance",
    "a2-highgpu": "A2 Instance",
    "a2-ultragpu": "A2 Instance",
    "a3-highgpu": "A3 Instance",
}
"""By family, how the SKUs of its processors and memory begin."""
_GPUS = {
    "L4": "Nvidia L4 GPU",
    "A100-40GB": "Nvidia Tesla A100 GPU",
    "A100-80GB": "Nvidia Tesla A100 80GB GPU",
    "H100": "Nvidia H100 80GB GPU",
}
_SHARED_CORES = {"e2-small": 0.5, "e2-medium": 1.0}
"""Processors that are paid for, of machines that share them."""


class Found(NamedTuple):
    """Prices of an hour by machine: on demand, and spot."""

    hourly: dict[str, Price]
    spot: dict[str, Price]


def path(page_token: str = "") -> str:
    """Where the parts are listed, page by page."""
    asked = {"pageSize": "5000", "currencyCode": "USD"}
    asked |= {"pageToken": page_token} if page_token else {}
    return f"/v1/services/{_COMPUTE_ENGINE}/skus?{urlencode(asked)}"


def page(document: Mapping[str, Any]) -> tuple[Sequence[Mapping[str, Any]], str]:
    """The SKUs of a page, and the token of the next; "" for none. Raises PricesUnreachable."""
    return listing(_SERVICE, document, "skus"), text(document, "nextPageToken")


def machine_prices(
    skus: Iterable[Mapping[str, Any]], region: str, machines: Iterable[Machine], read: str
) -> Found:
    """The machines of which every part has one price in a region. read: today."""
    known = {*_PARTS.values(), *_GPUS.values()}
    parts: dict[str, set[float]] = {}
    for sku in skus:
        name = text(sku, "description").partition(" running in ")[0]
        regions: Any = sku.get("serviceRegions")
        if isinstance(regions, list) and region in regions and _plain(name) in known:
            usd = _unit_price(sku)
            if usd > 0:
                parts.setdefault(name, set()).add(usd)
    once = {name: min(usd) for name, usd in parts.items() if len(usd) == 1}
    source = f"Cloud Billing Catalog, {region}, sum of parts"
    hourly: dict[str, Price] = {}
    spot: dict[str, Price] = {}
    for machine in machines:
        for into, is_spot in ((hourly, False), (spot, True)):
            usd = _sum(machine, once, is_spot)
            if usd is not None:
                into[machine.name] = Price(usd, source, read, "high")
    return Found(hourly, spot)


_SPOT_PART, _SPOT_GPU = "Spot Preemptible ", " attached to Spot Preemptible VMs"


def _plain(name: str) -> str:
    """The name of a part without what says that it is spot, of a processor, or of memory."""
    bare = name.removeprefix(_SPOT_PART).removesuffix(_SPOT_GPU)
    return bare.removesuffix(" Core").removesuffix(" Ram")


def _sum(machine: Machine, parts: Mapping[str, float], spot: bool) -> float | None:
    """What a machine costs; None where a part has no price."""
    begin = _PARTS.get(machine.family)
    if begin is None:
        return None
    before = _SPOT_PART if spot else ""
    cores = _SHARED_CORES.get(machine.name, machine.vcpu)
    wanted = [(f"{before}{begin} Core", cores), (f"{before}{begin} Ram", machine.memory_gib)]
    if machine.gpu:
        gpu = _GPUS.get(machine.gpu, "")
        wanted.append((f"{gpu}{_SPOT_GPU}" if spot else gpu, machine.gpu_count))
    if any(name not in parts for name, _ in wanted):
        return None
    return round(sum(parts[name] * amount for name, amount in wanted), 9)


def _unit_price(sku: Mapping[str, Any]) -> float:
    """US dollars for an hour of the part, before any tier. Raises PricesUnreachable."""
    infos = listing(_SERVICE, sku, "pricingInfo")
    if not infos:
        return 0.0
    expression = mapping(_SERVICE, infos[-1], "pricingExpression")
    if text(expression, "usageUnit") not in ("h", "GiBy.h"):
        return 0.0
    for rate in listing(_SERVICE, expression, "tieredRates"):
        price = mapping(_SERVICE, rate, "unitPrice")
        if not rate.get("startUsageAmount") and text(price, "currencyCode") == "USD":
            return _whole(price.get("units")) + _whole(price.get("nanos")) * _NANO
    return 0.0


def _whole(told: object) -> float:
    """A number that JSON may hold as text: units come so."""
    try:
        return float(told) if isinstance(told, str | int | float) else 0.0
    except ValueError:
        return 0.0
