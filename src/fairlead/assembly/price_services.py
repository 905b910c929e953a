"""The providers' price services, asked: what `fairlead prices refresh` does beyond its own words.

Nothing is fetched but by that command. It goes to the documented addresses, or to those that its
caller names instead; by https, unless it is this machine itself; no redirect is followed, and size,
time and the number of pages are bounded. What is fetched is written once all of it is there.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from fairlead.core.clock import now
from fairlead.core.errors import BadUsage, FileUnreadable, PricesUnreachable
from fairlead.costs.price_rows import read_extra, written
from fairlead.costs.priced import Machine
from fairlead.costs.prices import Prices
from fairlead.costs.refresh import aws, azure, gcp
from fairlead.costs.refresh.repriced import Repriced, repriced
from fairlead.costs.refresh.shape import document
from fairlead.serving.whole_file import write_whole

CLOUDS = ("aws", "azure", "gcp")
HOSTS = {"aws": aws.HOST, "azure": azure.HOST, "gcp": gcp.HOST}
PATIENCE_S = 30.0
"""Seconds without a byte."""
IN_ALL_S = 1800.0
"""Seconds for everything: the list of machines of one region of AWS is hundreds of megabytes."""
MOST_BYTES = 1 << 30
MOST_PAGE = 64 << 20
MOST_PAGES = 200
_LONGEST_LINE = 1 << 20
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_FIX = "Try again later, or leave the provider out with --from; nothing was changed"

Said = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be fetched.

    regions: by provider; those of the packaged table where there are none.
    hosts:   other addresses than the documented ones, by provider, such as a mirror's.
    key:     of Google's catalog; "" for none.
    today:   the date of prices that come without one.
    """

    clouds: Sequence[str]
    regions: Mapping[str, Sequence[str]]
    hosts: Mapping[str, str]
    key: str
    today: date


def refresh(wanted: Wanted, prices: Prices, say: Said) -> tuple[Machine, ...]:
    """The machines of the table with the prices that the services say now.

    prices: the packaged ones. say: is told what was left as it was, and why.
    Raises PricesUnreachable for the first service that fails, and BadUsage for an address.
    """
    found: list[Machine] = []
    deadline = now() + IN_ALL_S
    for cloud in wanted.clouds:
        if cloud == "gcp" and not wanted.key:
            say("gcp: its catalog needs a key (--gcp-key FILE); the packaged prices stay")
            continue
        known = prices.in_reach(cloud)
        regions = wanted.regions.get(cloud) or sorted({machine.region for machine in known})
        line = _Line(wanted.hosts.get(cloud) or HOSTS[cloud], deadline)
        for region in regions:
            its = [m for m in known if m.region == region] or [*known]
            made = _ASKED[cloud](line, region, its, wanted)
            if not made.machines:
                what = f"{cloud}: not one known machine has a price in {region[:60]!r}"
                raise PricesUnreachable(what, where=region[:60], fix=_FIX)
            say(f"{cloud}/{region}: {len(made.machines)} machines")
            if made.left:
                say(f"{cloud}/{region}: no single price, left as it was: {', '.join(made.left)}")
            found += made.machines
    return tuple(found)


def keep(machines: Sequence[Machine], path: Path, known: Sequence[Machine] = ()) -> None:
    """Writes them to a file, whole or not at all, beside those of other places that it holds.

    known: the packaged ones. Raises FileUnreadable, and PricesInvalid for a file that held others.
    """
    before = read_extra(path, known)[0] if path.exists() else ()
    both = {(one.title, one.region): one for one in (*before, *machines)}
    text = written(sorted(both.values(), key=lambda one: (one.title, one.region)))
    try:
        write_whole(path, text, sync=True)
    except OSError as error:
        why = f"the prices cannot be written: {error.strerror}"
        raise FileUnreadable(why, where=str(path), fix="Name another file: --output") from None


def _aws(line: _Line, region: str, known: Sequence[Machine], wanted: Wanted) -> Repriced:
    hourly = aws.machine_prices(line.lines(aws.machines_path(region)), region)
    listed = line.document("the AWS Price List", aws.endpoints_path(region))
    return repriced(known, region, hourly, {}, aws.hosting_prices(listed, region))


def _azure(line: _Line, region: str, known: Sequence[Machine], wanted: Wanted) -> Repriced:
    names, items = sorted({machine.name for machine in known}), list[Mapping[str, Any]]()
    for first in range(0, len(names), azure.NAMES_AT_ONCE):
        place = azure.path(region, names[first : first + azure.NAMES_AT_ONCE])
        for _ in range(MOST_PAGES):
            more, place = azure.page(line.document("Azure Retail Prices", place))
            items += more
            if not place:
                break
        else:
            raise PricesUnreachable(f"Azure has more than {MOST_PAGES} pages", fix=_FIX)
    found = azure.machine_prices(items, region, wanted.today.isoformat())
    return repriced(known, region, found.hourly, found.spot, {})


def _gcp(line: _Line, region: str, known: Sequence[Machine], wanted: Wanted) -> Repriced:
    skus, token = list[Mapping[str, Any]](), ""
    for _ in range(MOST_PAGES):
        told = line.document("Google's catalog", gcp.path(token), {"X-Goog-Api-Key": wanted.key})
        more, token = gcp.page(told)
        skus += more
        if not token:
            break
    else:
        raise PricesUnreachable(f"Google has more than {MOST_PAGES} pages", fix=_FIX)
    found = gcp.machine_prices(skus, region, known, wanted.today.isoformat())
    return repriced(known, region, found.hourly, found.spot, {})


_ASKED = {"aws": _aws, "azure": _azure, "gcp": _gcp}


class _NoRedirect(HTTPRedirectHandler):
    """An answer that sends elsewhere is an answer that cannot be used."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class _Line:
    """A way to one service. deadline: of `core.clock.now`."""

    def __init__(self, host: str, deadline: float) -> None:
        at = urlsplit(host)
        safe = at.scheme == "https" or (at.scheme == "http" and at.hostname in _LOOPBACK)
        if not (safe and at.hostname):
            raise BadUsage(
                f"{host[:100]!r} is no address by https",
                fix="Name one such as https://prices.example.org; http is for this machine only",
            )
        self._host, self._deadline = host, deadline
        self._opener = build_opener(_NoRedirect)

    def document(
        self, service: str, place: str, headers: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        """A page of JSON. place: a path, or an address on the same host. PricesUnreachable."""
        return document(service, b"".join(self._pieces(place, headers or {}, MOST_PAGE)))

    def lines(self, place: str) -> Iterator[str]:
        """The lines of a text, as they arrive. PricesUnreachable."""
        rest = b""
        for piece in self._pieces(place, {}, MOST_BYTES):
            *whole, rest = (rest + piece).split(b"\n")
            if len(rest) > _LONGEST_LINE:
                raise PricesUnreachable(f"a line of {place} does not end", fix=_FIX)
            yield from (line.decode("utf-8", "replace") + "\n" for line in whole)
        if rest:
            yield rest.decode("utf-8", "replace")

    def _pieces(self, place: str, headers: Mapping[str, str], most: int) -> Iterator[bytes]:
        address = urljoin(self._host, place)
        if _server(address) != _server(self._host):
            raise PricesUnreachable(f"{address[:100]!r} is on another host", fix=_FIX)
        got = 0
        try:
            request = Request(address, headers={"Accept": "*/*", **headers})  # noqa: S310
            with self._opener.open(request, timeout=PATIENCE_S) as answer:
                while piece := _piece(answer):
                    got += len(piece)
                    if got > most or now() > self._deadline:
                        why = "sends too much" if got > most else "is too slow"
                        raise PricesUnreachable(f"{self._host} {why}", where=place, fix=_FIX)
                    yield piece
        except HTTPError as error:
            raise PricesUnreachable(
                f"{self._host} answered {error.code}", where=place[:200], fix=_FIX
            ) from None
        except (URLError, HTTPException, ssl.SSLError, OSError) as error:
            why = str(getattr(error, "reason", "") or error or type(error).__name__)
            raise PricesUnreachable(
                f"{self._host} cannot be reached: {why[:200]}", where=place[:200], fix=_FIX
            ) from None


def _server(address: str) -> tuple[str, str | None, int | None]:
    """Azure names its port in the address of a next page."""
    at = urlsplit(address)
    return at.scheme, at.hostname, at.port or {"https": 443, "http": 80}.get(at.scheme)


def _piece(answer: IO[bytes]) -> bytes:
    return answer.read(1 << 20)
