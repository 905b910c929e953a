"""What the tables of pages have in common: a method's route, and that of an asset."""

from __future__ import annotations

from fairlead.core.call import PUBLIC, ErrorReply, Route
from fairlead.core.errors import AddressNotFound, MethodNotAllowed
from fairlead.pages import frame


def only(found: dict[str, Route], method: str) -> Route:
    """The route of a method. Raises MethodNotAllowed."""
    if method not in found:
        raise MethodNotAllowed(method, list(found))
    return found[method]


def asset_route(name: str, error: ErrorReply) -> Route:
    """The style, the script or the sign. Raises AddressNotFound."""
    if name not in frame.ASSETS:
        raise AddressNotFound("there is no such asset")
    return Route(PUBLIC, error, answer=lambda head, body, caller: frame.asset(name))
