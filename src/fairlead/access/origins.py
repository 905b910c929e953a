"""Web origins: from which pages a browser may use a key, or a server that wants none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from fairlead.core.access import Caller
from fairlead.core.errors import HostRefused, OriginRefused

ORIGIN = "origin"
"""The header by which a browser says of which site the page is that asks."""

_OF_HERE = re.compile(
    r"(?:|\[[0-9a-f:.]+\]|[0-9.]+|[^.:]+\.?|(?:[^.:]+\.)+localhost)(?::[0-9]{1,5})?",
    re.ASCII | re.IGNORECASE,
)
"""Hosts that no page can make point here: addresses, and names that are not of the open web."""


def check_origin(headers: Mapping[str, str], caller: Caller) -> None:
    """Raises OriginRefused for a browser of an origin that the caller's key does not list."""
    origin = headers.get(ORIGIN)
    if origin is not None and caller.origins and origin not in caller.origins:
        raise origin_refused()


def origin_refused() -> OriginRefused:
    """The one answer to a page that may not."""
    return OriginRefused(
        "this key may not be used from pages of this origin",
        where=ORIGIN,
        fix="Ask the operator to add the origin to the key",
    )


def check_own_page(headers: Mapping[str, str]) -> None:
    """Raises OriginRefused for what a page of another site has sent.

    A browser says so itself (`sec-fetch-site`); an older one names the page's origin, which must be
    the host that it asks.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        own = site in ("same-origin", "none")
    else:
        origin = headers.get(ORIGIN)
        own = origin is None or host_in(origin) == headers.get("host", "")
    if not own:
        raise OriginRefused(
            "this was sent by a page of another site",
            where=ORIGIN,
            fix="Open the page here, and send its own form",
        )


def check_own_name(headers: Mapping[str, str], known: str) -> None:
    """Raises HostRefused where whoever asks a server that wants no key took it for somebody else.

    A page in a browser can make its own name point at this machine, and then asks from within; the
    name that it asks for is what tells it apart. known: the one name of the open web that is ours.
    """
    host = headers.get("host", "")
    if _OF_HERE.fullmatch(host) is None and (not known or host.lower() != known):
        raise HostRefused(
            "a server without keys is not asked under this name",
            where="host",
            fix="Ask for localhost, make a key, or say [pages] address",
        )


def host_in(address: str) -> str | None:
    """The host of a web address with its port, as a `host` header has it; None where it has none.

    Callers write what they like there.
    """
    try:
        return urlsplit(address).netloc or None
    except ValueError:
        return None
