"""Web origins: from which pages a browser may use a key."""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.core.access import Caller
from fairlead.core.errors import OriginRefused

ORIGIN = "origin"
"""The header by which a browser says of which site the page is that asks."""


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
